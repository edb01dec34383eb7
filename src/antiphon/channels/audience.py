"""One channel in one process: its subscribers, and the stream that they follow.

All subscribers stand level: what one is given, every one is given in the same call. Whoever comes with a
position is first given what it missed: it listens, reads the history, and is handed both without a gap or
a repetition. What the bus loses is read from the history too; what that cannot give, subscribers are told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from antiphon.channels.broker import Broker
from antiphon.channels.definition import Definition
from antiphon.channels.publication import Batch, Page, Publication
from antiphon.channels.stream import Stream
from antiphon.errors import BrokerUnavailable
from antiphon.subscription import Position

logger = logging.getLogger("antiphon")

#: Seconds after which a history that does not have yet what the bus has brought is asked again, at first
#: and at last.
AGAIN = 0.05
LONGEST = 3.0

#: Times that a stream may be mended for a subscriber that knows more than it: the first answer may have been
#: under way when the subscriber came.
AHEAD = 2

#: Publications that are kept for somebody while it reads the history.
MISSED = 100_000


class Subscriber(Protocol):
    """Whoever receives a channel. Neither call may raise or wait."""

    def deliver(self, batch: Batch) -> None:
        """Take what was published, in order."""

    def cut_off(self) -> None:
        """Publications are missing that cannot be had any more: this subscription is over."""


@dataclass(slots=True)
class Statistics:
    """What has happened on the channels of one process.

    Attributes:
        received: Publications that came from the broker.
        repaired: Times that publications were missing and could be had.
        lost: Times that they could not.
        dropped: Publications that slow readers did not get, by their channel's policy.
        interruptions: Times that the broker could not be reached any more.
        outage: Why it cannot be reached now; None if it can.
    """

    received: int = 0
    repaired: int = 0
    lost: int = 0
    dropped: int = 0
    interruptions: int = 0
    outage: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """How a subscriber was let in.

    Attributes:
        recovered: Whether it was given all that it missed; None if it did not ask, or there is no history.
        position: Where it stands now; None where the channel keeps no history.
    """

    recovered: bool | None = None
    position: Position | None = None


class Audience:
    """The subscribers of one channel in this process.

    Args:
        channel: The channel's name.
        definition: What it is like.
        broker: Where its history is.
        flush: Hands over what was received and waits for the end of the tick.
        statistics: Counts what is repaired and lost.

    Attributes:
        subscribers: Whoever receives it now.
        stream: Where they stand; None without a history.
        coming: How many are on their way in.
    """

    __slots__ = (
        "_broker",
        "_checked",
        "_flush",
        "_joining",
        "_mending",
        "_newcomers",
        "_retention",
        "_statistics",
        "channel",
        "coming",
        "stream",
        "subscribers",
    )

    def __init__(
        self,
        channel: str,
        definition: Definition,
        broker: Broker,
        flush: Callable[[], None],
        statistics: Statistics,
    ) -> None:
        self.channel = channel
        self.subscribers: dict[Subscriber, None] = {}
        self.stream = None if definition.history is None else Stream()
        self.coming = 0
        self._newcomers: dict[Newcomer, None] = {}
        self._retention = definition.retention
        self._broker = broker
        self._flush = flush
        self._statistics = statistics
        self._checked: Position | None = None
        self._mending: asyncio.Task[None] | None = None
        self._joining = asyncio.ensure_future(self._join(broker.subscribe(channel)))

    def __repr__(self) -> str:
        return f"<Audience of {self.channel!r}, {len(self.subscribers)} subscribers>"

    @property
    def abandoned(self) -> bool:
        """Whether nobody is there or coming."""
        return not self.subscribers and not self.coming

    @property
    def expected(self) -> int:
        """How many there are when all who are on their way have come."""
        there = len(self.subscribers)
        return there + self.coming if self.stream is not None else there

    def received(self, publication: Publication) -> Sequence[Publication]:
        """Take what the bus brought; return what is to be handed over."""
        stream = self.stream
        if stream is None:
            return (publication,)
        passed = stream.received(publication)
        if not stream.level:
            self.mend()
        return passed

    def hand_over(self, batch: Batch) -> None:
        """Give publications to every subscriber."""
        for subscriber in (*self.subscribers, *self._newcomers):
            subscriber.deliver(batch)

    async def admit(self, subscriber: Subscriber, since: Position | None) -> Joined:
        """Let a subscriber in: from now on, or from a position on if all since then can be had.

        Raises:
            BrokerUnavailable: The channel cannot be joined now.
        """
        stream, recovered = self.stream, None
        self.coming += 1
        try:
            if stream is None:
                # Without positions there is nothing to wait for: it may have what comes meanwhile.
                self.subscribers[subscriber] = None
            await asyncio.shield(self._joining)
            if stream is not None:
                if since is not None:
                    recovered = await self._recover(subscriber, since, stream)
                # What its position includes is not for it, or it has it.
                self._flush()
                self.subscribers[subscriber] = None
        except BaseException:
            self.subscribers.pop(subscriber, None)
            raise
        finally:
            self.coming -= 1
        return Joined(recovered, None if stream is None else stream.position)

    def mend(self) -> None:
        """Find out what is missing, unless that is on its way."""
        if self._mending is None and self.stream is not None:
            self._mending = asyncio.ensure_future(self._mend(self.stream))
            self._mending.add_done_callback(self._mended)

    async def check(self) -> None:
        """See whether a quiet channel has missed its last publication, or an attempt to mend it failed."""
        stream = self.stream
        if stream is None or stream.position is None:
            return
        if not stream.level:
            self.mend()
            return
        before, self._checked = self._checked, stream.position
        if before == stream.position:
            page = await self._broker.history(self.channel, self._retention, limit=0)
            if page.position != stream.position and before == stream.position:
                self.mend()

    def close(self) -> None:
        """Ask the broker for nothing more."""
        self._joining.cancel()
        if self._mending is not None:
            self._mending.cancel()

    async def _join(self, subscribed: Awaitable[None]) -> None:
        await subscribed
        if self.stream is not None:
            page = await self._broker.history(self.channel, self._retention, limit=0)
            self._caught_up(page, None, self.stream)
            if not self.stream.level:
                self.mend()

    async def _recover(self, subscriber: Subscriber, since: Position, stream: Stream) -> bool:
        for _ in range(AHEAD):
            if stream.is_behind(since):
                self.mend()
                if self._mending is not None:
                    await asyncio.shield(self._mending)
        newcomer, here = Newcomer(), stream.position
        self._newcomers[newcomer] = None
        try:
            page = await self._broker.history(self.channel, self._retention, since=since)
            self._flush()
            self._caught_up(page, since, stream)
        finally:
            del self._newcomers[newcomer]
        # All up to where the others stood is in the page, and all after that was handed over.
        if newcomer.failed or not page.complete or stream.is_behind(since) or _is_short(page, here):
            return False
        missed = {
            each.position.offset: each
            for each in (*page.publications, *newcomer.missed)
            if each.position is not None and each.position.epoch == since.epoch
        }
        wanted = [missed[offset] for offset in sorted(missed) if offset > since.offset]
        if wanted:
            subscriber.deliver(Batch(wanted))
        return True

    async def _mend(self, stream: Stream) -> None:
        await asyncio.shield(self._joining)
        pause = AGAIN
        while True:
            since = stream.position
            page = await self._broker.history(self.channel, self._retention, since=since)
            self._flush()
            if self._caught_up(page, since, stream):
                self._statistics.repaired += 1
            if stream.level:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)

    def _caught_up(self, page: Page, since: Position | None, stream: Stream) -> bool:
        """Hand over what the history says; whether that was anything."""
        lost = stream.lost
        passed = stream.caught_up(page, since)
        if stream.lost != lost:
            self._statistics.lost += 1
            logger.warning("publications of channel %r are lost: its subscribers are told", self.channel)
            for subscriber in (*self.subscribers, *self._newcomers):
                subscriber.cut_off()
        if passed:
            self.hand_over(Batch(passed))
        return bool(passed)

    def _mended(self, task: asyncio.Task[None]) -> None:
        self._mending = None
        if task.cancelled():
            return
        error = task.exception()
        # When the broker can be reached again, it says so, and all is looked for anew.
        if error is not None and not isinstance(error, BrokerUnavailable):
            logger.error("channel %r cannot be mended", self.channel, exc_info=error)


class Newcomer:
    """Keeps what is handed to the others while a subscriber reads the history.

    Attributes:
        missed: What was handed over, in order.
        failed: Whether that was too much to keep, or lost; then nothing is recovered.
    """

    def __init__(self) -> None:
        self.missed: list[Publication] = []
        self.failed = False

    def deliver(self, batch: Batch) -> None:
        """Keep it: the subscriber gets it after what is older."""
        self.missed += batch.publications
        if len(self.missed) > MISSED:
            self.failed = True
            self.missed.clear()

    def cut_off(self) -> None:
        """The others stand elsewhere now than when the history was asked: it cannot be joined to that."""
        self.failed = True


def _is_short(page: Page, here: Position | None) -> bool:
    """Whether a page ends before a position of its epoch."""
    return here is not None and page.position.epoch == here.epoch and page.position.offset < here.offset
