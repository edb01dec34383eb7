"""Programs of the pages, executed for a test."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.docs.programs import loaded

Load = Callable[[str, str], Any]


async def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a condition holds that nothing tells about; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Execute a program of a page and give its module: `load("docs/tutorial.md", "echo")`."""
    with ExitStack() as stack:

        def enter(page: str, name: str) -> Any:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            return stack.enter_context(loaded(page, name, folder))

        yield enter
