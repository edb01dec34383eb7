"""Programs of the pages, executed for a test."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.docs.programs import loaded

Load = Callable[[str, str], Any]


async def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a condition holds that nothing tells about; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


#: Pages whose programs share a broker; each test has one of its own.
SHARED = {"docs/guide/publishing.md"}


@pytest.fixture
def shared_broker(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a broker of the test's own; it is that of the environment as well."""
    url = f"{redis_url}?prefix={token_hex(4)}"
    monkeypatch.setenv("ANTIPHON_BROKER", url)
    # Celery's is another database of the same Redis.
    monkeypatch.setenv("CELERY_BROKER", f"{redis_url}/1")
    return url


@pytest.fixture
def load(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Load]:
    """Execute a program of a page and give its module: `load("docs/tutorial.md", "echo")`."""
    with ExitStack() as stack:

        def enter(page: str, name: str) -> Any:
            if page in SHARED:
                request.getfixturevalue("shared_broker")
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            return stack.enter_context(loaded(page, name, folder))

        yield enter
