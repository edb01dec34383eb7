"""What waits for the end of a tick."""

import asyncio
from typing import Any

from antiphon.loop import tick_of


class Member:
    def __init__(self, done: list[str], name: str, error: Exception | None = None) -> None:
        self._done, self._name, self._error = done, name, error

    def flush(self) -> None:
        self._done.append(self._name)
        if self._error is not None:
            raise self._error


async def test_in_order_and_together() -> None:
    """All that a tick has is flushed in order, after what was ready before, and once."""
    done: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_soon(done.append, "ready")
    for name in "ab":
        tick_of(loop).flush_at_end(Member(done, name))
    assert done == []
    await asyncio.sleep(0)
    assert done == ["ready", "a", "b"]
    await asyncio.sleep(0)
    assert done == ["ready", "a", "b"]


async def test_one_that_fails_harms_no_other() -> None:
    """An exception goes to the event loop's handler, and the rest is flushed."""
    done: list[str] = []
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    error = RuntimeError("broken")
    tick_of(loop).flush_at_end(Member(done, "a", error))
    tick_of(loop).flush_at_end(Member(done, "b"))
    await asyncio.sleep(0)
    assert done == ["a", "b"]
    assert [context["exception"] for context in told] == [error]
