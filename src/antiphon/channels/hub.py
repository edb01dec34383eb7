"""Who listens to which channel in this process.

The hub joins subscribers to a broker. It knows no sockets: a subscriber is whatever has a ``deliver``.
What one tick of the event loop publishes on a channel is handed over as one batch; ``flush`` hands over
what waits at once, for whoever must keep its own sends in order with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, Protocol

from antiphon.channels.broker import Broker
from antiphon.channels.publication import Batch, Position, Publication
from antiphon.errors import AntiphonError
from antiphon.loop import Mailbox, mailbox_of

logger = logging.getLogger("antiphon")


class Subscriber(Protocol):
    """Whoever receives a channel."""

    def deliver(self, batch: Batch) -> None:
        """Take what was published, in order; must not raise and must not wait."""


class Stream:
    """One channel with its subscribers in this process."""

    __slots__ = ("joined", "subscribers")

    def __init__(self, joined: asyncio.Task[None]) -> None:
        self.joined = joined
        self.subscribers: dict[Subscriber, None] = {}


class Hub:
    """The channels of one process.

    Args:
        broker: What carries publications between processes.

    Attributes:
        pending: What was published in this tick, by channel.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._streams: dict[str, Stream] = {}
        self.pending: dict[str, list[Publication]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mailbox: Mailbox
        self._started: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<Hub {len(self._streams)} channels>"

    def subscribers(self, channel: str) -> int:
        """How many in this process receive a channel."""
        stream = self._streams.get(channel)
        return 0 if stream is None else len(stream.subscribers)

    @property
    def channels(self) -> Iterable[str]:
        """The channels that somebody in this process receives."""
        return self._streams.keys()

    async def start(self) -> None:
        """Start the broker, unless it runs on this event loop already.

        Raises:
            AntiphonError: It runs on another event loop, which goes on.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and self._loop.is_running():
                raise AntiphonError(
                    "the application runs on another event loop; from here, publish_nowait and "
                    "broadcast_nowait reach it"
                )
            self._loop = loop
            self._mailbox = mailbox_of(loop)
            self._started = loop.create_task(self._broker.start(self._received))
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
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.flush()
        await self._broker.stop()
        self._streams.clear()
        self._loop = None

    async def publish(self, publication: Publication) -> Position | None:
        """Publish to every subscriber of the channel, in every process."""
        await self.start()
        return await self._broker.publish(publication)

    def publish_nowait(self, publication: Publication) -> None:
        """Publish without waiting, from any thread; what goes wrong is logged.

        Raises:
            AntiphonError: The application does not run, so nobody could be reached.
        """
        here, home = asyncio._get_running_loop(), self._loop
        if here is not None and home in (None, here):
            self._publish_soon(publication)
        elif home is not None and home.is_running():
            self._mailbox.post(self._publish_soon, publication)
        else:
            raise AntiphonError(
                f"nothing is published on {publication.channel!r}: the application does not run here"
            )

    async def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        """Deliver a channel's publications to a subscriber from now on; twice is once."""
        await self.start()
        self.flush()
        stream = self._streams.get(channel)
        if stream is None:
            joined = asyncio.ensure_future(self._broker.subscribe(channel))
            stream = self._streams[channel] = Stream(joined)
        stream.subscribers[subscriber] = None
        try:
            if stream.joined.done():
                stream.joined.result()
            else:
                await asyncio.shield(stream.joined)
        except Exception:
            if self._streams.get(channel) is stream:
                del self._streams[channel]
            raise

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None:
        """Deliver a channel's publications to a subscriber no more."""
        self.flush()
        stream = self._streams.get(channel)
        if stream is None:
            return
        stream.subscribers.pop(subscriber, None)
        if not stream.subscribers:
            del self._streams[channel]
            self._spawn(self._leave(channel))

    def flush(self, *, at_end: bool = False) -> None:
        """Hand over, now, what waits for the end of this tick; or this is the end of it."""
        if not self.pending:
            return
        pending, self.pending = self.pending, {}
        alone = at_end and len(pending) == 1
        for channel, publications in pending.items():
            stream = self._streams.get(channel)
            if stream is not None:
                batch = Batch(publications, alone=alone)
                for subscriber in tuple(stream.subscribers):
                    subscriber.deliver(batch)

    def _received(self, publication: Publication) -> None:
        if publication.channel not in self._streams:
            return
        if not self.pending:
            asyncio.get_running_loop().call_soon(partial(self.flush, at_end=True))
        self.pending.setdefault(publication.channel, []).append(publication)

    async def _leave(self, channel: str) -> None:
        # Somebody may have come back before this task ran.
        if channel not in self._streams:
            await self._broker.unsubscribe(channel)

    def _publish_soon(self, publication: Publication) -> None:
        if self._loop is None:
            self._spawn(self.publish(publication))
        else:
            self._spawn(self._broker.publish(publication))

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a channel failed in the background: %s", error)
