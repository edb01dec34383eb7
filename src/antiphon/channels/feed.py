"""A Python subscriber: a channel as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from antiphon.channels.hub import Hub
from antiphon.channels.publication import Batch, Publication
from antiphon.errors import AntiphonError


class FeedOverflow(AntiphonError):
    """The reader of a feed was so slow that its queue was full; the feed has ended."""


class Feed:
    """The publications of a channel, one after the other.

    Use it with ``async with``; it is subscribed within the block. Its queue is bounded: a reader that
    lags by more publications than that ends the feed with ``FeedOverflow``.
    """

    def __init__(self, hub: Hub, channel: str, limit: int) -> None:
        self._hub = hub
        self._channel = channel
        self._limit = limit
        self._waiting: deque[Publication] = deque()
        self._arrived = asyncio.Event()
        self._overflown = False

    def __repr__(self) -> str:
        return f"<Feed of {self._channel!r}, {len(self._waiting)} of {self._limit} waiting>"

    async def __aenter__(self) -> Feed:
        await self._hub.subscribe(self._channel, self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hub.unsubscribe(self._channel, self)

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Publication:
        while not self._waiting:
            if self._overflown:
                raise FeedOverflow(
                    f"the reader of {self._channel!r} lagged by more than {self._limit} publications"
                )
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    def deliver(self, batch: Batch) -> None:
        """Take what was published."""
        if self._overflown:
            return
        self._waiting.extend(batch.publications)
        self._overflown = len(self._waiting) > self._limit
        while len(self._waiting) > self._limit:
            self._waiting.pop()
        self._arrived.set()
