"""A Python subscriber: a channel as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from antiphon.channels.definition import Overflow
from antiphon.channels.hub import Hub
from antiphon.channels.publication import Batch, Publication
from antiphon.errors import AntiphonError, PositionLost
from antiphon.subscription import Position


class FeedOverflow(AntiphonError):
    """The reader of a feed was so slow that its queue was full; the feed has ended."""


class Feed:
    """The publications of a channel, one after the other.

    Use it with ``async with``; it is subscribed within the block. Its queue is bounded. What happens to a
    reader that lags by more is the channel's ``overflow``: it ends with ``FeedOverflow``, or misses some
    publications, which ``lost`` counts.

    Args:
        hub: Where the channel lives.
        channel: Its name.
        limit: Publications that may wait for the reader.
        since: What to begin behind, if the channel's history has all since; None: what comes from now on.

    Attributes:
        recovered: Whether all since ``since`` is given; None if none was given, or there is no history.
        position: Behind which a reader that comes back should begin: that of the publication it got last.
        lost: How many publications it did not get, by the channel's policy.
    """

    def __init__(self, hub: Hub, channel: str, limit: int, since: Position | None) -> None:
        self.recovered: bool | None = None
        self.position: Position | None = since
        self.lost = 0
        self._hub = hub
        self._channel = channel
        self._limit = limit
        self._overflow = hub.definitions.of(channel).overflow
        self._waiting: deque[Publication] = deque()
        self._arrived = asyncio.Event()
        self._failure: AntiphonError | None = None
        self._recovering = since is not None

    def __repr__(self) -> str:
        return f"<Feed of {self._channel!r}, {len(self._waiting)} of {self._limit} waiting>"

    async def __aenter__(self) -> Feed:
        joined = await self._hub.subscribe(self._channel, self, self.position)
        self._recovering = False
        self.recovered = joined.recovered
        if not self.recovered:
            self.position = joined.position
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
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        publication = self._waiting.popleft()
        if publication.position is not None:
            self.position = publication.position
        return publication

    def deliver(self, batch: Batch) -> None:
        """Take what was published."""
        if self._failure is not None:
            return
        waiting, limit = self._waiting, self._limit
        if self._recovering:
            # A history is as long as its channel says; the reader has not had a chance to read yet.
            waiting.extend(batch.publications)
        elif len(waiting) + len(batch.publications) <= limit:
            waiting.extend(batch.publications)
        else:
            for publication in batch.publications:
                if self._failure is None:
                    self._take(publication)
        self._arrived.set()

    def cut_off(self) -> None:
        """End: publications are missing that cannot be had any more."""
        self._fail(PositionLost(f"publications of {self._channel!r} are lost: subscribe anew"))

    def _take(self, publication: Publication) -> None:
        waiting, overflow = self._waiting, self._overflow
        if overflow is Overflow.LATEST:
            about = (publication.event, publication.key)
            outdated = [each for each in waiting if (each.event, each.key) == about]
            for each in outdated:
                waiting.remove(each)
            self._drop(len(outdated))
        if len(waiting) < self._limit:
            waiting.append(publication)
        elif overflow is Overflow.CLOSE:
            lag = f"the reader of {self._channel!r} lagged by more than {self._limit} publications"
            self._fail(FeedOverflow(lag))
        else:
            if overflow is not Overflow.DROP_NEWEST:
                waiting.popleft()
                waiting.append(publication)
            self._drop(1)

    def _drop(self, number: int) -> None:
        self.lost += number
        self._hub.statistics.dropped += number

    def _fail(self, failure: AntiphonError) -> None:
        if self._failure is None:
            self._failure = failure
        self._arrived.set()
