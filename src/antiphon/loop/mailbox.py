"""Calls from other threads to an event loop, in one order.

However many calls a thread posts before the loop comes round to them, the loop is woken once. And
because all of Antiphon's calls from threads take this way, what a thread does one after the other (send,
broadcast, return a value) happens in that order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from antiphon.loop.each import ForEachLoop

#: Calls that are made in a row, so that a thread that posts many does not keep the loop from everything else.
IN_A_ROW = 100


class Mailbox:
    """Calls that wait for their event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._woken = False

    def __repr__(self) -> str:
        return f"<Mailbox with {len(self._calls)} calls>"

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called on the event loop, after what was posted before; from any thread.

        Raises:
            RuntimeError: The loop is closed.
        """
        self._calls.append((function, args))
        # The order matters, and makes a lock needless: ``_empty`` takes back the flag before it looks
        # what there is, so a call is either seen by it, or wakes the loop again.
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._empty)
            except RuntimeError:
                self._woken = False
                self._calls.clear()
                raise

    def _empty(self) -> None:
        self._woken = False
        for _ in range(min(len(self._calls), IN_A_ROW)):
            function, args = self._calls.popleft()
            try:
                function(*args)
            # As in asyncio's own callbacks: one that fails must not keep the next from running.
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": f"a call from another thread failed: {function!r}", "exception": error}
                )
        if self._calls and not self._woken:
            self._woken = True
            self._loop.call_soon(self._empty)


#: The mailbox of an event loop; to be asked for on that loop.
mailbox_of = ForEachLoop(Mailbox)
