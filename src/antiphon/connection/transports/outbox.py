"""A connection's bounded send queue.

It counts bytes, not messages. Above the high-water mark senders that can wait do wait; above the limit
``put`` refuses, and its caller applies the overflow policy. It never drops anything by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class OutboxFull(Exception):
    """There is no room left for a message in the outbox.

    Attributes:
        waiting: Bytes that wait already.
    """

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} bytes wait for a peer that reads too slowly")
        self.waiting = waiting


class Outbox(Generic[T]):
    """Items that wait to be sent, with the bytes they hold.

    Args:
        limit: Most bytes that may wait.
        high_water: Bytes above which ``put`` asks its caller to wait.
    """

    __slots__ = ("_drained", "_high_water", "_items", "_limit", "_mark", "_size")

    def __init__(self, limit: int, high_water: int) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._size = 0
        self._limit = limit
        self._high_water = high_water
        self._mark = high_water
        self._drained: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Outbox {len(self._items)} items, {self._size} of {self._limit} bytes>"

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def put(self, item: T, size: int) -> bool:
        """Add an item of so many bytes; False when that is above the high-water mark.

        A single item larger than the whole limit is taken when nothing else waits: refusing it would
        mean that it can never be sent.

        Raises:
            OutboxFull: The item does not fit.
        """
        if self._size and self._size + size > self._limit:
            # Whoever waits now waits until there is room for this item.
            self._mark = min(self._mark, max(0, self._limit - size))
            raise OutboxFull(self._size)
        self._items.append((item, size))
        self._size += size
        return self._size <= self._high_water

    def take(self) -> T:
        """Remove and return the item that waited longest."""
        item, size = self._items.popleft()
        self._size -= size
        if self._size <= self._mark:
            self._let_go()
        return item

    def clear(self) -> None:
        """Forget what waits, and let go whoever waits for room."""
        self._items.clear()
        self._size = 0
        self._let_go()

    async def drained(self) -> None:
        """Wait until the waiting bytes are at or below the high-water mark, and what was refused fits."""
        while self._size > self._mark:
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

    def _let_go(self) -> None:
        self._mark = self._high_water
        if self._drained is not None:
            self._drained.set()
            self._drained = None
