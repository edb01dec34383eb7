"""What every broker promises of history: all of it or nothing, and where a channel stands."""

from msgspec.structs import replace

from antiphon.channels import Broker, History, Page, Position, Publication, Retention
from tests.contracts.conftest import Brokers

KEPT = Retention(History(size=5, ttl=60))


async def publish(broker: Broker, *data: str, channel: str = "news", retention: Retention = KEPT) -> Position:
    position = None
    for each in data:
        position = await broker.publish(Publication(channel, each), retention)
    assert position is not None
    return position


def data(page: Page) -> list[object]:
    return [each.data for each in page]


async def test_empty(brokers: Brokers) -> None:
    """A channel on which nothing was published stands at its beginning, in an epoch that stays."""
    broker, _ = await brokers.start()
    page = await broker.history("news", KEPT)
    assert (page.publications, page.position.offset, page.complete) == ((), 0, True)
    again = await broker.history("news", KEPT, since=page.position)
    assert again == page
    position = await publish(broker, "1")
    assert position.epoch == page.position.epoch
    assert data(await broker.history("news", KEPT, since=page.position)) == ["1"]


async def test_newest(brokers: Brokers) -> None:
    """Without a position the newest are read, the oldest of them first, with their positions."""
    broker, ear = await brokers.start()
    await broker.subscribe("news")
    top = await publish(broker, "1", "2", "3")
    page = await broker.history("news", KEPT)
    assert (data(page), page.position, page.complete) == (["1", "2", "3"], top, True)
    assert data(await broker.history("news", KEPT, limit=2)) == ["2", "3"]
    await ear.hears(3)
    assert [each.position for each in page] == [each.position for each in ear.publications]


async def test_where_it_stands(brokers: Brokers) -> None:
    """With a limit of 0 only the position is read, or whether a position can be recovered."""
    broker, _ = await brokers.start()
    first = await publish(broker, "1")
    top = await publish(broker, "2")
    page = await broker.history("news", KEPT, limit=0)
    assert (len(page), page.position, page.complete) == (0, top, True)
    page = await broker.history("news", KEPT, since=first, limit=0)
    assert (len(page), page.position, page.complete) == (0, top, True)


async def test_since(brokers: Brokers) -> None:
    """Since a position, all that came after it is read; since the newest, nothing, and that is complete."""
    broker, _ = await brokers.start()
    first = await publish(broker, "1")
    top = await publish(broker, "2", "3", "4")
    page = await broker.history("news", KEPT, since=first)
    assert (data(page), page.position, page.complete) == (["2", "3", "4"], top, True)
    page = await broker.history("news", KEPT, since=first, limit=2)
    assert (data(page), page.position, page.complete) == (["2", "3"], top, True)
    page = await broker.history("news", KEPT, since=top)
    assert (data(page), page.position, page.complete) == ([], top, True)


async def test_as_much_as_is_kept(brokers: Brokers) -> None:
    """As many as the history's size can be recovered, one more cannot, and then nothing is read."""
    broker, _ = await brokers.start()
    lost = await publish(broker, "0", "1")
    kept = await publish(broker, "2")
    top = await publish(broker, "3", "4", "5", "6", "7")
    page = await broker.history("news", KEPT, since=kept)
    assert (data(page), page.complete) == (["3", "4", "5", "6", "7"], True)
    page = await broker.history("news", KEPT, since=lost)
    assert (data(page), page.position, page.complete) == ([], top, False)
    assert data(await broker.history("news", KEPT)) == ["3", "4", "5", "6", "7"]


async def test_positions_that_never_were(brokers: Brokers) -> None:
    """A position of another epoch, or ahead of the channel, is not recovered."""
    broker, _ = await brokers.start()
    top = await publish(broker, "1", "2")
    for wrong in (replace(top, epoch="other"), replace(top, offset=top.offset + 1)):
        page = await broker.history("news", KEPT, since=wrong)
        assert (len(page), page.position, page.complete) == (0, top, False)


async def test_ttl(brokers: Brokers) -> None:
    """What is older than the history's time is forgotten; where the channel stands is not."""
    broker, _ = await brokers.start()
    brief = Retention(History(size=5, ttl=0.2))
    start = (await broker.history("brief", brief)).position
    top = await publish(broker, "1", "2", channel="brief", retention=brief)
    page = await broker.history("brief", brief)
    while len(page):
        await broker.history("brief", brief, limit=0)
        page = await broker.history("brief", brief)
    assert page.position == top
    assert not (await broker.history("brief", brief, since=start)).complete
    page = await broker.history("brief", brief, since=top)
    # A broker may find it safer to call even this lost, for it cannot be told from what is.
    assert (len(page), page.position) == (0, top)


async def test_exclusions_stay(brokers: Brokers) -> None:
    """What is read has all that was published with it."""
    broker, ear = await brokers.start()
    await broker.subscribe("news")
    sent = Publication(
        "news", "[1]", is_json=True, event="e", id="i", key="k", time=2.5, exclude=frozenset("x")
    )
    await broker.publish(sent, KEPT)
    await ear.hears(1)
    (found,) = await broker.history("news", KEPT)
    assert replace(found, previous=0) == replace(ear.publications[0], previous=0)


async def test_another_hub(brokers: Brokers) -> None:
    """Every hub reads the same history, and every one continues the same stream."""
    one, _ = await brokers.start()
    if not one.spans_processes:
        return
    two, _ = await brokers.start()
    first = await publish(one, "1")
    second = await publish(two, "2")
    assert second.epoch == first.epoch
    assert second.offset > first.offset
    for broker in (one, two):
        assert data(await broker.history("news", KEPT, since=first)) == ["2"]
