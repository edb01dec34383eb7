"""What waits for the end of the event loop's tick: one call for all connections that have something."""

from __future__ import annotations

import asyncio
from typing import Protocol

from antiphon.loop.each import ForEachLoop


class Flushing(Protocol):
    """Whatever has something to flush."""

    def flush(self) -> None:
        """Let go of what waits."""


class Tick:
    """The current tick of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Flushing] = []

    def __repr__(self) -> str:
        return f"<Tick with {len(self._waiting)} to flush>"

    def flush_at_end(self, member: Flushing) -> None:
        """Have a member flushed once what is ready now has run."""
        if not self._waiting:
            self._loop.call_soon(self._end)
        self._waiting.append(member)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for member in waiting:
            try:
                member.flush()
            # The others have their turn all the same.
            except Exception as error:
                self._loop.call_exception_handler({"message": f"{member!r} failed", "exception": error})


#: The current tick of an event loop.
tick_of = ForEachLoop(Tick)
