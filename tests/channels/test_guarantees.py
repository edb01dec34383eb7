"""Channels keep their promises: whatever the bus, the server and the readers do, judged by the checker."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from antiphon.channels import Channel, Definition, Definitions, Feed, FeedOverflow, History, Hub, Overflow
from antiphon.errors import PositionLost
from antiphon.testing.guarantees import Ledger, Witness
from tests.channels.lossy import LossyServer

T = TypeVar("T")

HUBS = 2
READERS = 4
PATIENCE = 20.0

hubs = st.integers(0, HUBS - 1)
readers = st.integers(0, READERS - 1)


class Reader:
    """A Python subscriber that comes, reads, goes, and comes back with its position."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.feed: Feed | None = None
        self.coming: asyncio.Task[Any] | None = None
        self._dropped = 0

    def come(self, channel: Channel, limit: int, *, with_position: bool) -> None:
        """Begin to subscribe, unless it is there."""
        if self.feed is None:
            since = self.witness.position if with_position else None
            self.feed = channel.subscribe(since=since, limit=limit)
            self.coming = asyncio.ensure_future(self._come(self.feed, since))
            self._dropped = 0

    async def _come(self, feed: Feed, since: Any) -> None:
        await feed.__aenter__()
        # For a reader that was recovered its position is the one that it gave.
        self.witness.joined(since, feed.recovered, feed.position)
        self.coming = None

    async def go(self) -> None:
        """Leave, even on the way in."""
        if self.coming is not None:
            self.coming.cancel()
            await asyncio.wait([self.coming])
            self.coming = None
        if self.feed is not None:
            await self.feed.__aexit__(None, None, None)
        self.feed = None
        self.witness.left()

    async def read(self, most: int) -> int:
        """Read what is there, so many at most; return how many there were."""
        for number in range(most):
            if self.feed is None or self.coming is not None:
                return number
            reading = asyncio.ensure_future(anext(self.feed))
            await asyncio.sleep(0)
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
                return number
            try:
                publication = reading.result()
            except (PositionLost, FeedOverflow):
                await self.go()
                return number
            assert publication.position is not None
            dropped, self._dropped = self.feed.lost - self._dropped, self.feed.lost
            self.witness.received(publication.position, publication.data, dropped)
        return most


@contextmanager
def hurried() -> Iterator[None]:
    """What is done every few seconds is done all the time."""
    audience, hub = "antiphon.channels.audience", "antiphon.channels.hub"
    with patch(f"{audience}.AGAIN", 0.0), patch(f"{audience}.LONGEST", 0.0), patch(f"{hub}.CHECK", 0.001):
        yield


class Promises(RuleBasedStateMachine):
    """Two processes on one server, over a bus that may do anything but exchange; readers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.hurry = hurried()
        self.hurry.__enter__()
        self.published = 0

    @initialize(
        size=st.integers(1, 8), overflow=st.sampled_from(Overflow), limit=st.sampled_from((1, 2, 5, 1000))
    )
    def begin(self, size: int, overflow: Overflow, limit: int) -> None:
        self.limit, self.overflow = limit, overflow
        self.ledger = Ledger()
        self.server = LossyServer(HUBS)
        definitions = Definitions()
        definitions.add(Definition("news", History(size), overflow=overflow))
        self.hubs = [Hub(broker, definitions) for broker in self.server.brokers]
        self.channels = [Channel(hub, "news") for hub in self.hubs]
        self.readers = [Reader(self.ledger.witness(f"reader {number}")) for number in range(READERS)]
        for hub in self.hubs:
            self.run(hub.start())

    def run(self, work: Awaitable[T]) -> T:
        """Do it, and let the event loop come round some times."""

        async def main() -> T:
            result = await work
            for _ in range(10):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(main())

    @rule(hub=hubs, number=st.integers(1, 4))
    def publish(self, hub: int, number: int) -> None:
        self.run(self._publish(hub, number))

    async def _publish(self, hub: int, number: int) -> None:
        for _ in range(number):
            self.published += 1
            data = f"{self.published}"
            position = await self.channels[hub].publish(data, key=str(self.published % 3))
            assert position is not None
            self.ledger.published(data, position)

    @rule(hub=hubs, number=st.integers(1, 5))
    def bring(self, hub: int, number: int) -> None:
        async def bring() -> None:
            for _ in range(number):
                self.server.brokers[hub].bring()

        self.run(bring())

    @rule(hub=hubs)
    def repeat(self, hub: int) -> None:
        async def repeat() -> None:
            self.server.brokers[hub].bring(repeat=True)

        self.run(repeat())

    @rule(hub=hubs)
    def lose(self, hub: int) -> None:
        self.server.brokers[hub].lose()

    @rule(hub=hubs)
    def answers_come(self, hub: int) -> None:
        self.server.brokers[hub].answers.set()
        self.run(asyncio.sleep(0))

    @rule(hub=hubs)
    def answers_wait(self, hub: int) -> None:
        self.server.brokers[hub].answers.clear()

    @rule(told=st.booleans())
    def lose_memory(self, told: bool) -> None:
        self.server.forget()
        if told:
            for hub in range(HUBS):
                self.restore(hub)

    @rule(hub=hubs)
    def restore(self, hub: int) -> None:
        async def restore() -> None:
            self.hubs[hub].restored()

        self.run(restore())

    @rule(reader=readers, hub=hubs, with_position=st.booleans())
    def come(self, reader: int, hub: int, with_position: bool) -> None:
        async def come() -> None:
            self.readers[reader].come(self.channels[hub], self.limit, with_position=with_position)

        self.run(come())

    @rule(reader=readers)
    def go(self, reader: int) -> None:
        self.run(self.readers[reader].go())

    @rule(reader=readers, most=st.integers(1, 10))
    def read(self, reader: int, most: int) -> None:
        self.run(self.readers[reader].read(most))

    @invariant()
    def promises_hold(self) -> None:
        if self.published:
            assert self.ledger.violations() == []

    def teardown(self) -> None:
        try:
            if hasattr(self, "hubs"):
                self.loop.run_until_complete(asyncio.wait_for(self._settle(), PATIENCE))
        finally:
            self.hurry.__exit__(None, None, None)
            self.loop.close()

    async def _settle(self) -> None:
        """When all is quiet, and nothing more is published, everybody who is there has everything."""
        for broker in self.server.brokers:
            broker.answers.set()
            broker.bring_all()
        until = (await self.channels[0].history(limit=0)).position
        while not all([await self._is_up_to_date(each, until) for each in self.readers]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert self.ledger.violations(None if self.overflow is Overflow.DROP_NEWEST else until) == []
        for reader in self.readers:
            await reader.go()
        for hub in self.hubs:
            await hub.stop()

    async def _is_up_to_date(self, reader: Reader, until: Any) -> bool:
        while await reader.read(100):
            """There may be more."""
        if reader.coming is not None:
            return False
        here = reader.witness.position
        if self.overflow is Overflow.DROP_NEWEST and here is not None and here.epoch == until.epoch:
            # What it did not get it is told with the next one, and there is none.
            return True
        return reader.feed is None or here == until


Promises.TestCase.settings = settings(stateful_step_count=40)


class TestPromises(Promises.TestCase):  # type: ignore[name-defined, misc]
    """Nobody misses anything, or has it twice, or in the wrong order, without being told."""
