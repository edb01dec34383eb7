"""One of a kind for each event loop: made when it is first asked for, found in no time afterwards.

A process has one event loop that serves, and asks for what belongs to it with every connection: that one
is remembered, and only the others are looked up. What is made refers to its event loop, so both are
forgotten when that is closed and another is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ForEachLoop(Generic[T]):
    """What a function makes for an event loop.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._last: tuple[asyncio.AbstractEventLoop | None, T | None] = (None, None)

    def __repr__(self) -> str:
        return f"<ForEachLoop of {self._make!r}>"

    def __call__(self, loop: asyncio.AbstractEventLoop) -> T:
        """What belongs to this event loop; to be asked for on it."""
        # Other threads have loops of their own: what is remembered is read, and written, in one piece.
        last, made = self._last
        if last is not loop or made is None:
            made = self._made.get(loop)
            if made is None:
                # ``list`` and ``pop``, because another thread may be at the same.
                for closed in [each for each in list(self._made) if each.is_closed()]:
                    self._made.pop(closed, None)
                made = self._made[loop] = self._make(loop)
            self._last = (loop, made)
        return made
