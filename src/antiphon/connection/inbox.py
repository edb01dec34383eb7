"""Messages that arrived and wait for their handler.

Bounded by holding the peer back: at the limit reading pauses, and resumes once half of it is free. A
reader that stops in time is the transport's promise; what it had already read is still taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Source(Protocol):
    """What can be held back."""

    def pause_reading(self) -> None:
        """Deliver no more for now."""

    def resume_reading(self) -> None:
        """Deliver again."""


class Inbox:
    """The queue between one connection and its one reader.

    Args:
        source: Held back while ``limit`` messages wait.
        limit: Messages that may wait.
    """

    __slots__ = ("_items", "_limit", "_paused", "_source", "_waiter")

    def __init__(self, source: Source, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._items: deque[str | bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Inbox {len(self._items)} of {self._limit}{' paused' if self._paused else ''}>"

    def put(self, message: str | bytes) -> None:
        """Add a message, wake the reader, and hold the peer back when the limit is reached."""
        self._items.append(message)
        self.wake()
        if len(self._items) >= self._limit and not self._paused:
            self._paused = True
            self._source.pause_reading()

    def pop(self) -> str | bytes:
        """Remove and return the oldest message.

        Raises:
            IndexError: None waits.
        """
        message = self._items.popleft()
        if self._paused and len(self._items) <= self._limit // 2:
            self._paused = False
            self._source.resume_reading()
        return message

    def wake(self) -> None:
        """Let the waiting reader look again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def clear(self) -> None:
        """Forget what waits, and let the peer go on: nobody is going to read it."""
        self._items.clear()
        if self._paused:
            self._paused = False
            self._source.resume_reading()

    async def wait(self) -> None:
        """Wait until ``put`` or ``wake`` is called.

        Raises:
            RuntimeError: Somebody else waits already; two readers would tear the order apart.
        """
        if self._waiter is not None:
            raise RuntimeError(
                "two tasks receive from one WebSocket at the same time; receive in one and hand on"
            )
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
