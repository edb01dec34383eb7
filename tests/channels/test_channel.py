"""Channels in Python: publishing, subscribing, order, and what a hub forgets."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from antiphon.brokers import MemoryBroker
from antiphon.channels import (
    Batch,
    Broker,
    Channel,
    FeedOverflow,
    Hub,
    Listener,
    Position,
    Publication,
    Retention,
    check,
    excluded_ids,
)
from antiphon.errors import AntiphonError, InvalidChannel


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryBroker())
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def news(hub: Hub) -> Channel:
    return Channel(hub, "news")


class Ear:
    """A subscriber that keeps what it hears, batch by batch."""

    def __init__(self) -> None:
        self.heard: list[list[object]] = []

    def deliver(self, batch: Batch) -> None:
        self.heard.append([each.data for each in batch.publications])

    def cut_off(self) -> None:
        self.heard.append(["cut off"])


class TestFeed:
    """`async with channel.subscribe() as feed`."""

    async def test_receives(self, news: Channel) -> None:
        """It has every publication since it was entered, with all that is known of it, in order."""
        await news.publish("before")
        async with news.subscribe() as feed:
            assert news.subscribers == 1
            await news.publish({"n": 1}, event="said", id="a")
            news.publish_nowait(b"two")
            first, second = await anext(feed), await anext(feed)
        assert (first.channel, first.data, first.payload) == ("news", {"n": 1}, '{"n":1}')
        assert (first.event, first.id, first.position) == ("said", "a", None)
        assert first.time > 1_700_000_000
        assert (second.data, second.payload, second.event) == (b"two", b"two", None)
        assert news.subscribers == 0

    async def test_two(self, news: Channel) -> None:
        """Two feeds have the same order; one that ended gets nothing."""
        async with news.subscribe() as one:
            async with news.subscribe() as two:
                for number in range(10):
                    await news.publish(number)
                assert [(await anext(two)).data for _ in range(10)] == list(range(10))
            await news.publish("last")
            assert [(await anext(one)).data for _ in range(11)] == [*range(10), "last"]
        assert "0 of 1024 waiting" in repr(two)

    async def test_waits(self, news: Channel) -> None:
        """A reader that is early waits for what comes."""
        async with news.subscribe() as feed:
            reading = asyncio.create_task(anext(feed))
            await asyncio.sleep(0)
            assert not reading.done()
            await news.publish("x")
            assert (await reading).data == "x"

    async def test_overflow(self, news: Channel) -> None:
        """A reader that lags by more than the limit gets what waited, then FeedOverflow; others get all."""
        async with news.subscribe(limit=3) as slow, news.subscribe() as fast:
            for number in range(5):
                await news.publish(number)
            await asyncio.sleep(0)
            assert [(await anext(slow)).data for _ in range(3)] == [0, 1, 2]
            for _ in range(2):
                with pytest.raises(FeedOverflow, match=r"'news' lagged by more than 3"):
                    await anext(slow)
            await news.publish("later")
            with pytest.raises(FeedOverflow):
                await anext(slow)
            assert [(await anext(fast)).data for _ in range(6)] == [0, 1, 2, 3, 4, "later"]

    async def test_exactly_full(self, news: Channel) -> None:
        """As many as the limit are no overflow."""
        async with news.subscribe(limit=3) as feed:
            for number in range(3):
                await news.publish(number)
            await asyncio.sleep(0)
            assert [(await anext(feed)).data for _ in range(3)] == [0, 1, 2]
            await news.publish(3)
            assert (await anext(feed)).data == 3


class TestHub:
    """Who listens to which channel."""

    async def test_one_tick_is_one_batch(self, hub: Hub, news: Channel) -> None:
        """What one tick publishes on a channel is handed over together; other channels apart."""
        ear, other = Ear(), Ear()
        await hub.subscribe("news", ear)
        await hub.subscribe("other", other)
        await news.publish(1)
        await Channel(hub, "other").publish("a")
        await news.publish(2)
        assert ear.heard == []
        await asyncio.sleep(0)
        assert (ear.heard, other.heard) == ([[1, 2]], [["a"]])
        await news.publish(3)
        hub.flush()
        assert ear.heard == [[1, 2], [3]]

    async def test_newcomers_and_leavers(self, hub: Hub, news: Channel) -> None:
        """What was published before a subscriber came, or after it left, is not for it; the rest is."""
        early, late = Ear(), Ear()
        await hub.subscribe("news", early)
        await news.publish(1)
        await hub.subscribe("news", late)
        await news.publish(2)
        hub.unsubscribe("news", early)
        await news.publish(3)
        hub.flush()
        assert [each for batch in early.heard for each in batch] == [1, 2]
        assert [each for batch in late.heard for each in batch] == [2, 3]

    async def test_subscribing_twice(self, hub: Hub, news: Channel) -> None:
        """Twice is once; leaving what one never joined is nothing."""
        ear = Ear()
        await hub.subscribe("news", ear)
        await hub.subscribe("news", ear)
        hub.unsubscribe("elsewhere", ear)
        await news.publish(1)
        hub.flush()
        assert ear.heard == [[1]]
        assert hub.subscribers("news") == 1

    async def test_forgets(self, hub: Hub) -> None:
        """A channel that nobody receives is no channel."""
        ear = Ear()
        for number in range(100):
            await hub.subscribe(f"c{number}", ear)
            hub.unsubscribe(f"c{number}", ear)
        assert list(hub.channels) == []
        assert repr(hub) == "<Hub 0 channels, <MemoryBroker 0 streams>>"

    async def test_publishing_to_nobody(self, hub: Hub, news: Channel) -> None:
        """It is no error and keeps nothing."""
        assert await news.publish("x") is None
        news.publish_nowait("x")
        assert not hub.pending

    async def test_not_started(self) -> None:
        """It starts itself when it is first used on an event loop."""
        hub, ear = Hub(MemoryBroker()), Ear()
        await hub.subscribe("news", ear)
        await Channel(hub, "news").publish(1)
        await hub.stop()
        assert ear.heard == [[1]]
        await hub.stop()

    async def test_before_the_loop(self) -> None:
        """From a thread, before anything runs, publishing is an error that says so."""
        with pytest.raises(AntiphonError, match="does not run here"):
            await asyncio.to_thread(Channel(Hub(MemoryBroker()), "news").publish_nowait, 1)

    async def test_data_that_cannot_be_sent(self, news: Channel) -> None:
        """It is the publisher's error, and nobody is given a part of it."""
        async with news.subscribe() as feed:
            with pytest.raises(TypeError):
                await news.publish(object())
            with pytest.raises(ValueError, match="surrogate"):
                news.publish_nowait("\ud800")
            await news.publish("fine")
            assert (await anext(feed)).data == "fine"


class Unsteady(MemoryBroker):
    """A broker whose next steps fail when told to; a real one's server is away for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.joined: list[str] = []

    def _check(self) -> None:
        if self.down:
            raise AntiphonError("the broker is away")

    async def start(self, listener: Listener) -> None:
        self._check()
        await super().start(listener)

    async def subscribe(self, channel: str) -> None:
        await asyncio.sleep(0)
        self._check()
        await super().subscribe(channel)
        self.joined.append(f"+{channel}")

    async def publish(self, publication: Publication, retention: Retention) -> Position | None:
        self._check()
        return await super().publish(publication, retention)

    async def unsubscribe(self, channel: str) -> None:
        await super().unsubscribe(channel)
        self.joined.append(f"-{channel}")


class TestBrokerThatFails:
    """A hub outlives its broker's failures."""

    async def test_at_the_start(self) -> None:
        """What could not be started is started by whoever comes next."""
        broker, ear = Unsteady(), Ear()
        hub = Hub(broker)
        broker.down = True
        results = await asyncio.gather(
            *(hub.subscribe("news", ear) for _ in range(3)), return_exceptions=True
        )
        assert [str(each) for each in results] == ["the broker is away"] * 3
        broker.down = False
        await hub.subscribe("news", ear)
        await Channel(hub, "news").publish(1)
        await hub.stop()
        assert ear.heard == [[1]]

    async def test_at_publishing_without_waiting(self, caplog: pytest.LogCaptureFixture) -> None:
        """What nobody waits for is an error in the log, which names the channel."""
        broker = Unsteady()
        hub = Hub(broker)
        await hub.start()
        broker.down = True
        await asyncio.to_thread(Channel(hub, "news").publish_nowait, 1)
        await hub.stop()
        assert caplog.messages == ["publishing on news failed in the background: the broker is away"]

    async def test_at_subscribing(self) -> None:
        """A channel that could not be joined is joined by whoever comes next."""
        broker, ear = Unsteady(), Ear()
        hub = Hub(broker)
        await hub.start()
        broker.down = True
        with pytest.raises(AntiphonError, match="away"):
            await hub.subscribe("news", ear)
        assert hub.subscribers("news") == 0
        broker.down = False
        await hub.subscribe("news", ear)
        assert broker.joined == ["+news"]
        await hub.stop()

    async def test_joins_once(self) -> None:
        """Many subscribers at once join a channel once, all wait for it, and the last one leaves it."""
        broker = Unsteady()
        hub = Hub(broker)
        ears = [Ear() for _ in range(5)]
        await asyncio.gather(*(hub.subscribe("news", ear) for ear in ears))
        assert broker.joined == ["+news"]
        for ear in ears:
            hub.unsubscribe("news", ear)
        await hub.stop()
        assert broker.joined == ["+news", "-news"]

    async def test_comes_back_before_leaving(self) -> None:
        """A channel left and joined again in one tick is not left."""
        broker, ear = Unsteady(), Ear()
        hub = Hub(broker)
        await hub.subscribe("news", ear)
        hub.unsubscribe("news", ear)
        await hub.subscribe("news", ear)
        await hub.stop()
        assert "-news" not in broker.joined


class TestBatch:
    """What subscribers of one channel share."""

    def test_forms_are_made_once(self) -> None:
        """Each form is made once, whoever asks."""
        made = []

        def shout(publications: object) -> str:
            made.append(1)
            return "!"

        batch = Batch([Publication("c", "1", is_json=True)])
        assert (batch.form(shout), batch.form(shout)) == ("!", "!")
        assert made == [1]
        assert repr(batch) == "<Batch of 1>"

    def test_exclusion(self) -> None:
        """What is left for one excludes only what excludes it."""
        batch = Batch(
            [
                Publication("c", str(n), is_json=True, exclude=frozenset(ids))
                for n, ids in enumerate(["a", "", "ab"])
            ]
        )
        assert batch.excluded == {"a", "b"}
        assert [each.data for each in batch.without("a").publications] == [1]
        assert [each.data for each in batch.without("b").publications] == [0, 1]

    def test_excluded_ids(self) -> None:
        """One or several, sockets or ids."""

        class Socket:
            id = "s"

        assert excluded_ids(None) == frozenset()
        assert excluded_ids("a") == {"a"}
        assert excluded_ids(Socket()) == {"s"}
        assert excluded_ids([Socket(), "a"]) == {"s", "a"}

    @pytest.mark.parametrize("exclude", [5, [5], b"a", SimpleNamespace(id=5)])
    def test_excludes_nobody(self, exclude: object) -> None:
        """Anything else is an error that says what may be excluded."""
        with pytest.raises(TypeError, match="exclude takes WebSockets and their ids"):
            excluded_ids(exclude)


class TestNames:
    """What a channel may be called."""

    @pytest.mark.parametrize("name", ["a", "room:7", "ä/ö", "x" * 200, "ä" * 100, "a$b", "😀"])
    def test_good(self, name: str) -> None:
        """Printable text without spaces, of at most 200 bytes."""
        assert check(name) == name

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("", "at least one character"),
            (None, "is text .* not None"),
            (b"a", "is text"),
            ("x" * 201, "at most 200 bytes"),
            ("ä" * 101, "at most 200 bytes"),
            ("a b", "no spaces"),
            ("a\n", "control characters"),
            ("\ud800", "control characters"),
            ("$a", "Antiphon's own"),
        ],
    )
    def test_bad(self, name: object, problem: str) -> None:
        """Anything else says why not."""
        with pytest.raises(InvalidChannel, match=problem):
            check(name)


def test_values() -> None:
    """Positions and publications are values."""
    assert Position(1, "e") == Position(1, "e")
    assert len({Position(1, "e"), Position(1, "e")}) == 1
    with pytest.raises(AttributeError):
        Position(1, "e").offset = 2  # type: ignore[misc]


def test_contract() -> None:
    """A broker that leaves out a method cannot be made."""

    class Half(Broker):
        async def start(self, listener: Listener) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
