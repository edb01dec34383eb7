"""Who listens to which channel in this process.

The hub joins subscribers to a broker. It knows no sockets: a subscriber is whatever has a ``deliver``.
What one tick of the event loop brings on a channel is handed over as one batch; ``flush`` hands over
what waits at once, for whoever must keep its own sends in order with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable
from functools import partial
from threading import Lock
from typing import Any

from antiphon.channels.audience import Audience, Joined, Statistics, Subscriber
from antiphon.channels.broker import Broker
from antiphon.channels.definition import RULES, Definitions, History, Retention
from antiphon.channels.presence import Attending
from antiphon.channels.publication import Batch, Publication
from antiphon.errors import AntiphonError, BrokerUnavailable, QueueFull, SubscriptionRefused
from antiphon.loop import Mailbox, mailbox_of
from antiphon.subscription import Position

logger = logging.getLogger("antiphon")

#: Seconds between two looks whether a quiet channel has missed its last publication.
CHECK = 3.0

#: Seconds between two times that an application says what its channels are like, in case that is forgotten.
ANNOUNCE = 86400.0

#: Channels that are looked at together.
TOGETHER = 100

#: Bytes that may wait in the background to be published, and what a publication counts besides its payload.
WAITING = 16 * 1024 * 1024
OVERHEAD = 200

#: The rules of an application's channels are kept for those that publish from outside: the newest.
RULES_KEPT = Retention(History(size=1, ttl=30 * 86400.0))


class Hub:
    """The channels of one process.

    Args:
        broker: What carries publications between processes.
        definitions: What channels are like.
        announces: Whether those that publish from outside are told so; a program that only listens has no
            say in it.

    Attributes:
        pending: What came in this tick, by channel.
        attending: Who of this process is present.
        statistics: What has happened.
    """

    def __init__(
        self, broker: Broker, definitions: Definitions | None = None, *, announces: bool = True
    ) -> None:
        self.broker = broker
        self.definitions = definitions or Definitions()
        self.attending = Attending(broker)
        self.statistics = Statistics()
        self.pending: dict[str, list[Publication]] = {}
        self._announces = announces and broker.spans_processes
        self._audiences: dict[str, Audience] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mailbox: Mailbox
        self._started: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._waiting = 0
        self._counting = Lock()
        self._checking: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Hub {len(self._audiences)} channels, {self.broker!r}>"

    @property
    def running(self) -> bool:
        """Whether it has been started, and not stopped."""
        return self._loop is not None

    def subscribers(self, channel: str) -> int:
        """How many in this process receive a channel."""
        audience = self._audiences.get(channel)
        return 0 if audience is None else len(audience.subscribers)

    @property
    def channels(self) -> Iterable[str]:
        """The channels that somebody in this process receives."""
        return self._audiences.keys()

    async def start(self) -> None:
        """Start the broker, unless it runs on this event loop already.

        Raises:
            AntiphonError: It runs on another event loop, which goes on.
            BrokerUnavailable: The broker's server cannot be reached.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and self._loop.is_running():
                raise AntiphonError(
                    "the application runs on another event loop; from here, publish_nowait and "
                    "broadcast_nowait reach it"
                )
            if self._loop is not None:
                self._forget()
            self._loop = loop
            self._mailbox = mailbox_of(loop)
            self._started = loop.create_task(self._start())
        started = self._started
        if started is not None:
            try:
                await asyncio.shield(started)
            except Exception:
                # Whoever comes next tries again.
                if self._started is started:
                    self._loop = self._started = None
                raise
            self._started = None

    async def stop(self) -> None:
        """Finish what is being published, hand over what waits, and stop the broker."""
        if self._loop is None:
            return
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.flush()
        await self.attending.stop()
        for audience in self._audiences.values():
            audience.close()
        self._audiences.clear()
        await self.broker.stop()
        self._loop = self._checking = None

    # --- Publishing and subscribing ------------------------------------------------------------------

    async def publish(self, publication: Publication) -> Position | None:
        """Publish to every subscriber of the channel, in every process.

        Raises:
            BrokerUnavailable: The broker's server cannot be reached.
        """
        await self.start()
        return await self.broker.publish(publication, self.definitions.of(publication.channel).retention)

    def publish_nowait(self, publication: Publication) -> None:
        """Publish without waiting, from any thread; what goes wrong is logged.

        Raises:
            AntiphonError: The application does not run, so nobody could be reached.
            QueueFull: Too much waits already; this is not published.
        """
        here, home = asyncio._get_running_loop(), self._loop
        if here is not None and home in (None, here):
            self._publish_soon(publication, self._wait(publication))
        elif home is not None and home.is_running():
            self._mailbox.post(self._publish_soon, publication, self._wait(publication))
        else:
            raise AntiphonError(
                f"nothing is published on {publication.channel!r}: the application does not run here"
            )

    async def subscribe(self, channel: str, subscriber: Subscriber, since: Position | None = None) -> Joined:
        """Deliver a channel's publications to a subscriber from now on; twice is once.

        Args:
            channel: The channel.
            subscriber: Who receives it.
            since: Deliver first what came after this position, if all of that can be had.

        Raises:
            TypeError: ``since`` is no position.
            SubscriptionRefused: The channel has as many subscribers here as it may have.
            BrokerUnavailable: The broker's server cannot be reached.
        """
        if not isinstance(since, Position | None):
            raise TypeError(f"since={since!r} is no position; of a text Position.parse makes one")
        await self.start()
        self.flush()
        audience = self._audiences.get(channel)
        if audience is None:
            definition = self.definitions.of(channel)
            audience = self._audiences[channel] = Audience(
                channel, definition, self.broker, self.flush, self.statistics
            )
        else:
            self._make_sure_of_room(audience)
        try:
            return await audience.admit(subscriber, since)
        finally:
            self._leave_if_abandoned(audience)

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None:
        """Deliver a channel's publications to a subscriber no more."""
        self.flush()
        audience = self._audiences.get(channel)
        if audience is not None:
            audience.subscribers.pop(subscriber, None)
            self._leave_if_abandoned(audience)

    def flush(self, *, at_end: bool = False) -> None:
        """Hand over, now, what waits for the end of this tick; or this is the end of it."""
        if not self.pending:
            return
        pending, self.pending = self.pending, {}
        alone = at_end and len(pending) == 1
        for channel, publications in pending.items():
            audience = self._audiences.get(channel)
            if audience is not None:
                audience.hand_over(Batch(publications, alone=alone))

    # --- What the broker tells -----------------------------------------------------------------------

    def received(self, publication: Publication) -> None:
        """Take a publication of a subscribed channel."""
        audience = self._audiences.get(publication.channel)
        if audience is None:
            return
        self.statistics.received += 1
        passed = audience.received(publication)
        if not passed:
            return
        if not self.pending:
            asyncio.get_running_loop().call_soon(partial(self.flush, at_end=True))
        self.pending.setdefault(publication.channel, []).extend(passed)

    def interrupted(self, error: Exception) -> None:
        """The broker's server cannot be reached."""
        self.statistics.interruptions += 1
        self.statistics.outage = str(error)
        logger.warning("%r is interrupted: %s", self.broker, error)

    def restored(self) -> None:
        """It can be reached again: look for what was missed, and say again who is present."""
        logger.warning("%r is restored", self.broker)
        self.statistics.outage = None
        for audience in self._audiences.values():
            if audience.stream is not None:
                audience.mend()
        self.attending.say_again()
        self._spawn(self._announce(), "telling the definitions of channels")

    # --- Underneath ----------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self.broker.start(self)
        await self._announce()
        if self.broker.spans_processes:
            self._checking = asyncio.ensure_future(self._check())

    def _forget(self) -> None:
        """Let go of whoever listened on an event loop that has ended without a stop."""
        self._audiences.clear()
        self._tasks.clear()
        self._waiting = 0
        self.pending.clear()
        self.attending = Attending(self.broker)

    async def _announce(self) -> None:
        if self._announces:
            rules = Publication(RULES, self.definitions.to_json(), is_json=True, time=time.time())
            await self.broker.publish(rules, RULES_KEPT)

    async def _check(self) -> None:
        announced = time.monotonic()
        while True:
            await asyncio.sleep(CHECK)
            self.attending.tell_rest()
            if time.monotonic() - announced >= ANNOUNCE:
                announced = time.monotonic()
                self._spawn(self._announce())
            audiences = list(self._audiences.values())
            for start in range(0, len(audiences), TOGETHER):
                part = audiences[start : start + TOGETHER]
                for outcome in await asyncio.gather(*(each.check() for each in part), return_exceptions=True):
                    if isinstance(outcome, Exception) and not isinstance(outcome, BrokerUnavailable):
                        logger.error("a channel cannot be checked", exc_info=outcome)

    def _make_sure_of_room(self, audience: Audience) -> None:
        most = self.definitions.of(audience.channel).limits.subscribers
        if most is not None and audience.expected >= most:
            raise SubscriptionRefused(f"channel {audience.channel!r} has {most} subscribers already")

    def _leave_if_abandoned(self, audience: Audience) -> None:
        if audience.abandoned and self._audiences.get(audience.channel) is audience:
            del self._audiences[audience.channel]
            audience.close()
            self._spawn(self._leave(audience.channel), "leaving", audience.channel)

    async def _leave(self, channel: str) -> None:
        # Somebody may have come back before this task ran.
        if channel not in self._audiences:
            await self.broker.unsubscribe(channel)

    def _wait(self, publication: Publication) -> int:
        """Have a publication wait in the background; return its size."""
        size = len(publication.payload) + OVERHEAD
        with self._counting:
            if self._waiting + size > WAITING:
                raise QueueFull(
                    f"{self._waiting} bytes wait to be published, so this on {publication.channel!r} is not: "
                    "publish more slowly, or `await publish(...)`, which waits"
                )
            self._waiting += size
        return size

    def _waits_no_more(self, size: int, task: object) -> None:
        with self._counting:
            self._waiting -= size

    def _publish_soon(self, publication: Publication, size: int) -> None:
        if self._loop is None:
            work: Awaitable[Any] = self.publish(publication)
        else:
            work = self.broker.publish(publication, self.definitions.of(publication.channel).retention)
        task = self._spawn(work, "publishing on", publication.channel)
        task.add_done_callback(partial(self._waits_no_more, size))

    def _spawn(self, work: Awaitable[Any], *what: str) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._finished, what))
        return task

    def _finished(self, what: tuple[str, ...], task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed in the background: %s", " ".join(what), error)
