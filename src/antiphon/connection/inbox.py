"""Messages that arrived and wait for their handler.

Bounded by holding the peer back: at the limit reading pauses, and resumes once half of it is free. A
reader that stops in time is the transport's promise; what it had already read is still taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from sys import getsizeof
from typing import Protocol

#: Bytes are counted when more messages wait than this, or one is large: what is left comes to little.
FEW = 8
LARGE = 16 * 1024

#: Bytes that a character has in memory at most: text with one that is neither ASCII nor Latin has two or
#: four for each.
WIDEST = 4


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
        bytes_limit: Bytes of memory that they may have.

    Attributes:
        waiting: The messages, the oldest first: a list, since it is short, and most are empty.
        paused: Whether the peer is held back.
    """

    __slots__ = ("_bytes_limit", "_limit", "_source", "_waiter", "paused", "waiting")

    def __init__(self, source: Source, limit: int, bytes_limit: int) -> None:
        self._source = source
        self._limit = limit
        self._bytes_limit = bytes_limit
        self.waiting: list[str | bytes] = []
        self.paused = False
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self.waiting)

    def __repr__(self) -> str:
        return f"<Inbox {len(self.waiting)} of {self._limit}{' paused' if self.paused else ''}>"

    def put(self, messages: Sequence[str | bytes]) -> None:
        """Add messages, wake the reader, and hold the peer back when the limit is reached."""
        waiting = self.waiting
        waiting.extend(messages)
        if self._waiter is not None:
            self.wake()
        if not self.paused and (
            len(waiting) >= self._limit
            # What is large otherwise came with one read, between small ones.
            or (
                (len(waiting) > FEW or len(messages[0]) > LARGE or len(messages[-1]) > LARGE)
                and WIDEST * sum(map(len, waiting)) >= self._bytes_limit
                and sum(map(getsizeof, waiting)) >= self._bytes_limit
            )
        ):
            self.paused = True
            self._source.pause_reading()

    def pop(self) -> str | bytes:
        """Remove and return the oldest message.

        Raises:
            IndexError: None waits.
        """
        message = self.waiting.pop(0)
        if self.paused:
            self.relax()
        return message

    def relax(self) -> None:
        """Let the peer go on if half of the limits is free; for who takes from ``waiting`` directly."""
        if (
            self.paused
            and len(self.waiting) <= self._limit // 2
            and sum(map(getsizeof, self.waiting)) <= self._bytes_limit // 2
        ):
            self.paused = False
            self._source.resume_reading()

    def wake(self) -> None:
        """Let the waiting reader look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def clear(self) -> None:
        """Forget what waits, and let the peer go on: nobody is going to read it."""
        self.waiting.clear()
        if self.paused:
            self.paused = False
            self._source.resume_reading()

    def wait(self) -> asyncio.Future[None]:
        """What to wait for until ``put`` or ``wake`` is called.

        Raises:
            RuntimeError: Somebody else waits already; two readers would tear the order apart.
        """
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError(
                "two tasks receive from one WebSocket at the same time; receive in one and hand on"
            )
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter
