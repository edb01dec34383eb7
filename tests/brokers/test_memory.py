"""What is special to memory: it forgets by itself, and has bounds."""

import pytest

from antiphon.brokers import MemoryBroker
from antiphon.brokers import memory as module
from antiphon.channels import History, Position, Publication, Retention
from tests.contracts.ear import Ear

KEPT = Retention(History(size=3, ttl=10), idempotency=100)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def broker(clock: Clock) -> MemoryBroker:
    broker = MemoryBroker(clock)
    await broker.start(Ear())
    return broker


async def publish(
    broker: MemoryBroker, data: str, *, channel: str = "c", id: str | None = None, kept: Retention = KEPT
) -> Position:
    position = await broker.publish(Publication(channel, data, id=id), kept)
    assert position is not None
    return position


async def test_ttl(broker: MemoryBroker, clock: Clock) -> None:
    """Each publication is remembered for its time, by the clock, and the channel's standing for longer."""
    first = await publish(broker, "1")
    clock.now += 6
    top = await publish(broker, "2")
    assert [each.data for each in await broker.history("c", KEPT)] == ["1", "2"]
    clock.now += 4
    page = await broker.history("c", KEPT)
    assert [each.data for each in page] == ["2"]
    assert (await broker.history("c", KEPT, since=first)).complete
    clock.now += 6
    page = await broker.history("c", KEPT)
    assert (len(page), page.position) == (0, top)
    assert not (await broker.history("c", KEPT, since=first)).complete


async def test_idle_streams_are_forgotten(broker: MemoryBroker, clock: Clock) -> None:
    """A channel that nobody uses or receives is forgotten; what it becomes later has a new epoch."""
    await broker.subscribe("received")
    received = await publish(broker, "1", channel="received")
    idle = await publish(broker, "1", channel="idle")
    clock.now += module.FORGET + module.SWEEP + 1
    await publish(broker, "1", channel="other")
    assert repr(broker) == "<MemoryBroker 2 streams>"
    assert (await broker.history("received", KEPT)).position == received
    page = await broker.history("idle", KEPT, since=idle)
    assert not page.complete
    assert page.position.epoch != idle.epoch


async def test_what_was_never_published_to(broker: MemoryBroker, clock: Clock) -> None:
    """Looking at any number of channels, or subscribing to them, leaves nothing behind; positions hold."""
    for number in range(100):
        before = (await broker.history(f"looked-at-{number}", KEPT)).position
        await broker.subscribe(f"c-{number}")
        assert (await broker.history(f"c-{number}", KEPT)).position == before
        await broker.unsubscribe(f"c-{number}")
    assert repr(broker) == "<MemoryBroker 0 streams>"
    first = await publish(broker, "1", channel="c-7")
    page = await broker.history("c-7", KEPT, since=before)
    assert (page.complete, page.position) == (True, first)


async def test_no_offset_twice(broker: MemoryBroker, clock: Clock) -> None:
    """What is forgotten begins with offsets of another epoch, whoever else is received meanwhile."""
    await broker.subscribe("quiet")
    quiet = (await broker.history("quiet", KEPT)).position
    first = await publish(broker, "1", channel="idle")
    clock.now += module.FORGET + module.SWEEP + 1
    assert (await broker.history("quiet", KEPT)).position == quiet
    again = await publish(broker, "2", channel="idle")
    assert again.epoch != first.epoch
    assert (await publish(broker, "1", channel="quiet")).epoch == quiet.epoch


async def test_a_long_memory(broker: MemoryBroker, clock: Clock) -> None:
    """A channel is not forgotten before its history's time is over."""
    long = Retention(History(ttl=3 * module.FORGET))
    position = await publish(broker, "1", channel="long", kept=long)
    clock.now += 2 * module.FORGET
    await publish(broker, "1", channel="other")
    page = await broker.history("long", long)
    assert ([each.data for each in page], page.position) == (["1"], position)


async def test_ids(broker: MemoryBroker, clock: Clock) -> None:
    """An id is remembered for its channel's time, whatever the time of others."""
    brief = Retention(History(), idempotency=1)
    await publish(broker, "long", id="a", channel="long")
    first = await publish(broker, "1", id="a", kept=brief)
    assert await publish(broker, "2", id="a", kept=brief) == first
    clock.now += 1
    second = await publish(broker, "3", id="a", kept=brief)
    assert second.offset == first.offset + 1
    assert await publish(broker, "4", id="a", kept=brief) == second


async def test_ids_are_bounded(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many ids the oldest go first."""
    monkeypatch.setattr(module, "IDS", 3)
    positions = [await publish(broker, str(n), id=str(n)) for n in range(5)]
    assert len(broker._ids) <= 3
    assert await publish(broker, "again", id="4") == positions[4]
    assert await publish(broker, "again", id="0") != positions[0]


async def test_stopped(broker: MemoryBroker) -> None:
    """What it remembers survives a stop; who is subscribed and present does not."""
    ear = Ear()
    position = await publish(broker, "1")
    await broker.subscribe("c")
    await broker.stop()
    await broker.start(ear)
    assert (await broker.history("c", KEPT)).position == position
    await publish(broker, "2")
    assert ear.data() == []
