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
#: Seconds within which everybody has everything when all is quiet.
PATIENCE = 10.0

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
        for number in range(READERS):
            self.visit(number, number % HUBS, "come")

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
        """Somebody publishes, and it is under way to all."""
        self.run(self._publish(hub, number))

    async def _publish(self, hub: int, number: int) -> None:
        for _ in range(number):
            self.published += 1
            data = f"{self.published}"
            position = await self.channels[hub].publish(data, key=str(self.published % 3))
            assert position is not None
            self.ledger.published(data, position)

    # Few rules that do much: of many, each example would leave out some.

    @rule(hub=hubs, deeds=st.lists(st.sampled_from(("bring", "bring", "lose", "repeat")), max_size=6))
    def bus(self, hub: int, deeds: list[str]) -> None:
        """What is under way comes, or does not, or comes twice."""

        async def act() -> None:
            broker = self.server.brokers[hub]
            for deed in deeds:
                broker.lose() if deed == "lose" else broker.bring(repeat=deed == "repeat")

        self.run(act())

    @rule(reader=readers, hub=hubs, deed=st.sampled_from(("come", "come", "come anew", "go", "read", "read")))
    def visit(self, reader: int, hub: int, deed: str) -> None:
        """A reader comes with its position or without, reads, or goes."""

        async def act() -> None:
            chosen = self.readers[reader]
            if deed == "go":
                await chosen.go()
            elif deed == "read":
                await chosen.read(5)
            else:
                chosen.come(self.channels[hub], self.limit, with_position=deed == "come")

        self.run(act())

    @rule(
        hub=hubs,
        deed=st.sampled_from(("answers wait", "answers come", "answers come", "restored", "forgets")),
    )
    def serve(self, hub: int, deed: str) -> None:
        """The history answers late, the server is restarted, or forgets all."""

        async def act() -> None:
            if deed == "forgets":
                self.server.forget()
            elif deed == "restored":
                self.hubs[hub].restored()
            elif deed == "answers wait":
                self.server.brokers[hub].answers.clear()
            else:
                self.server.brokers[hub].answers.set()

        self.run(act())

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
