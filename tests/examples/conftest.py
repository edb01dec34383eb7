"""A browser for the tests of the chat, and visitors who come and go."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.examples.visitor import ARGUMENTS, Join, Visitor
from tests.servers import LiveServer

# Longer than the grace after which somebody who is gone has left, on a machine that has much to do.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The chat, as `make demo` runs it; each test takes a room of its own."""
    with LiveServer.antiphon("examples.chat.app:app") as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, server: LiveServer) -> Iterator[Join]:
    """Make a visitor by name; afterwards all have left, and no page had an error."""
    made: list[Visitor] = []

    def make(name: str, at: LiveServer = server, **context: Any) -> Visitor:
        made.append(Visitor(browser, at, name, **context))
        return made[-1]

    yield make
    for each in made:
        each.leave()
    assert [each.errors for each in made] == [[] for _ in made]
