"""An audience: the seam between history and live, and what it does when the two disagree."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.channels import Batch, Channel, Definition, Definitions, History, Hub, Joined, Page, Position
from antiphon.errors import BrokerUnavailable
from tests.channels.lossy import LossyBroker, LossyServer


class Ear:
    """A subscriber that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def deliver(self, batch: Batch) -> None:
        self.heard += [each.data for each in batch.publications]

    def cut_off(self) -> None:
        self.heard.append("cut off")


class Process:
    """One process with its hub, on a server that it may share."""

    def __init__(self, broker: LossyBroker) -> None:
        definitions = Definitions()
        definitions.add(Definition("news", History(5)))
        self.broker = broker
        self.hub = Hub(broker, definitions)
        self.channel = Channel(self.hub, "news")

    async def publish(self, *data: str) -> Position:
        for each in data:
            position = await self.channel.publish(each)
        assert position is not None
        return position

    async def hear(self, since: Position | None = None) -> tuple[Ear, Joined]:
        ear = Ear()
        return ear, await self.hub.subscribe("news", ear, since)

    def coming(self, since: Position | None) -> tuple[Ear, "asyncio.Task[Joined]"]:
        ear = Ear()
        return ear, asyncio.ensure_future(self.hub.subscribe("news", ear, since))


@pytest.fixture
async def processes() -> AsyncIterator[list[Process]]:
    found = [Process(each) for each in LossyServer(2).brokers]
    for each in found:
        await each.hub.start()
    yield found
    for each in found:
        each.broker.answers.set()
        await each.hub.stop()


@pytest.fixture
def here(processes: list[Process]) -> Process:
    return processes[0]


async def cycles() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_published_while_the_history_is_read(here: Process) -> None:
    """What is published while a subscriber reads the history follows it, once."""
    start = await here.publish("1")
    await here.publish("2")
    here.broker.bring_all()
    await here.hear()
    here.broker.answers.clear()
    ear, coming = here.coming(start)
    await cycles()
    await here.publish("3", "4")
    here.broker.bring_all()
    await cycles()
    assert ear.heard == []
    here.broker.answers.set()
    joined = await coming
    assert (ear.heard, joined.recovered) == (["2", "3", "4"], True)
    await here.publish("5")
    here.broker.bring_all()
    await cycles()
    assert ear.heard == ["2", "3", "4", "5"]


async def test_ahead_of_this_process(here: Process) -> None:
    """Who knows more than this process, by another one, has no repetition, and this one gets level."""
    neighbour, _ = await here.hear()
    position = await here.publish("1", "2")
    ear, joined = await here.hear(position)
    assert (ear.heard, joined) == ([], Joined(True, position))
    assert neighbour.heard == ["1", "2"]
    here.broker.bring_all()
    await cycles()
    assert (ear.heard, neighbour.heard) == ([], ["1", "2"])


async def test_never_was(here: Process) -> None:
    """A position ahead of the channel is not recovered, though others stand behind it."""
    await here.hear()
    position = await here.publish("1")
    ear, joined = await here.hear(Position(position.offset + 1, position.epoch))
    assert (ear.heard, joined) == ([], Joined(False, position))


async def test_new_epoch_that_this_process_does_not_know(processes: list[Process]) -> None:
    """Who comes with a position of the new epoch is recovered; those of the old one are told of the loss."""
    here, there = processes
    old, _ = await here.hear()
    await here.publish("lost")
    here.broker._server.forget()
    start = await there.publish("1")
    await there.publish("2")
    ear, joined = await here.hear(start)
    assert (ear.heard, joined.recovered) == (["2"], True)
    assert old.heard == ["cut off"]


async def test_lost_while_the_history_is_read(here: Process) -> None:
    """An answer from before the server forgot everything recovers nobody."""
    start = await here.publish("1")
    await here.publish("2")
    here.broker.bring_all()
    await here.hear()
    here.broker.answers.clear()
    ear, coming = here.coming(start)
    await cycles()
    here.broker._server.forget()
    held, here.broker.answers = here.broker.answers, asyncio.Event()
    here.broker.answers.set()
    here.hub.restored()
    await cycles()
    held.set()
    joined = await coming
    assert (ear.heard, joined.recovered) == ([], False)
    assert joined.position == (await here.channel.history(limit=0)).position


async def test_history_behind_the_bus(here: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that ends before what the others have recovers nobody: there could be a gap."""
    start = await here.publish("1")
    await here.hear()
    short = await here.channel.history(since=start)
    await here.publish("2", "3")
    here.broker.bring_all()
    await cycles()

    async def history(*args: object, **options: object) -> Page:
        return short

    monkeypatch.setattr(here.broker, "history", history)
    ear, joined = await here.hear(start)
    assert (ear.heard, joined.recovered) == ([], False)


async def test_quiet_loss(here: Process) -> None:
    """A publication that the bus lost, with nothing after it, is found at the second look."""
    ear, _ = await here.hear()
    await here.publish("1")
    here.broker.lose()
    audience = here.hub._audiences["news"]
    for _ in range(2):
        assert ear.heard == []
        await audience.check()
    await cycles()
    assert ear.heard == ["1"]
    assert here.hub.statistics.repaired == 1


async def test_mending_fails(here: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap that could not be mended, because the broker was away, is mended at the next look."""
    ear, _ = await here.hear()
    await here.publish("1", "2")
    here.broker.lose()

    async def away(*args: object, **options: object) -> Page:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(here.broker, "history", away)
        here.broker.bring_all()
        await cycles()
    assert ear.heard == []
    await here.hub._audiences["news"].check()
    await cycles()
    assert ear.heard == ["1", "2"]


async def test_counts(here: Process) -> None:
    """What is lost is counted, and told to each subscriber once."""
    ear, _ = await here.hear()
    await here.publish("0")
    here.broker.under_way.clear()
    await here.publish(*"1234567")
    for _ in range(6):
        here.broker.lose()
    here.broker.bring_all()
    await cycles()
    assert ear.heard == ["cut off"]
    assert (here.hub.statistics.lost, here.hub.statistics.repaired) == (1, 0)


async def test_position_and_what_follows(here: Process) -> None:
    """A subscriber is given exactly what comes after the position it is told."""
    here.broker.answers.clear()
    ear, coming = here.coming(None)
    await cycles()
    await here.publish("1", "2")
    here.broker.bring_all()
    here.broker.answers.set()
    joined = await coming
    assert joined.position is not None
    assert joined.position.offset + len(ear.heard) == 2
    await here.publish("3")
    here.broker.bring_all()
    await cycles()
    assert joined.position.offset + len(ear.heard) == 3
