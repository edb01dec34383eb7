"""What every broker promises of publishing: order, positions, ids."""

import asyncio

import pytest

from antiphon.channels import History, Publication, Retention
from tests.contracts.conftest import Brokers

LIVE = Retention()
KEPT = Retention(History(size=10, ttl=60))


async def test_in_order(brokers: Brokers) -> None:
    """A subscribed channel's publications arrive in the order of the calls, with all that they carry."""
    broker, ear = await brokers.start()
    await broker.subscribe("news")
    results = [broker.publish(Publication("news", str(n)), LIVE) for n in range(100)]
    assert [await each for each in results] == [None] * 100
    assert await ear.hears(100) == [str(n) for n in range(100)]


async def test_what_is_carried(brokers: Brokers) -> None:
    """Text, bytes and JSON stay what they are; event, id, key, time and exclusions come along."""
    broker, ear = await brokers.start()
    await broker.subscribe("news")
    sent = [
        Publication("news", "text ä😀", event="said", id="1", key="k", time=1.5),
        Publication("news", b"\x00\xff"),
        Publication("news", '{"a":[1,null]}', is_json=True, exclude=frozenset({"x", "y"})),
        Publication("news", ""),
    ]
    for publication in sent:
        await broker.publish(publication, LIVE)
    await ear.hears(4)
    assert ear.publications == sent
    assert ear.data() == ["text ä😀", b"\x00\xff", {"a": [1, None]}, ""]


async def test_names(brokers: Brokers) -> None:
    """Channels are told apart whatever characters their names have."""
    broker, ear = await brokers.start()
    names = ["a", "a.b", "a*", "a>", "a:b", "{a}", "ä/😀", "A", "$own", "x" * 200, "a\\b", "[a]", "a?"]
    for name in names:
        await broker.subscribe(name)
    for name in names:
        await broker.publish(Publication(name, name), LIVE)
        await broker.publish(Publication(name, name), KEPT)
    await ear.hears(2 * len(names))
    assert sorted((each.channel, each.data) for each in ear.publications) == sorted(
        [(name, name) for name in names] * 2
    )


async def test_left(brokers: Brokers) -> None:
    """A channel that was left is not heard any more; it can be joined again."""
    broker, ear = await brokers.start()
    for channel in ("news", "end"):
        await broker.subscribe(channel)
    await broker.publish(Publication("news", "1"), LIVE)
    await ear.hears(1)
    await broker.unsubscribe("news")
    await broker.publish(Publication("news", "2"), LIVE)
    await broker.publish(Publication("end", "end"), LIVE)
    assert await ear.hears(2) == ["1", "end"]
    await broker.subscribe("news")
    await broker.publish(Publication("news", "3"), LIVE)
    assert await ear.hears(3) == ["1", "end", "3"]


@pytest.mark.parametrize("late", [False, True])
async def test_given_up(brokers: Brokers, late: bool) -> None:
    """Who gives up subscribing, early or late, takes it from nobody who comes for the same meanwhile."""
    broker, ear = await brokers.start()
    for number in range(20):
        channel = f"news-{number}"
        given_up = asyncio.ensure_future(broker.subscribe(channel))
        for _ in range(number):
            await asyncio.sleep(0)
        if late:
            given_up.cancel()
        holds = asyncio.ensure_future(broker.subscribe(channel))
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await holds
        await broker.publish(Publication(channel, channel), LIVE)
        await ear.hears(number + 1)
    assert ear.data() == [f"news-{number}" for number in range(20)]
    assert ear.interruptions == []


async def test_positions(brokers: Brokers) -> None:
    """With a history each publication has a greater offset than the one before, which it names."""
    broker, ear = await brokers.start()
    await broker.subscribe("news")
    positions = [await broker.publish(Publication("news", str(n)), KEPT) for n in range(5)]
    await ear.hears(5)
    assert [each.position for each in ear.publications] == positions
    offsets = [each.offset for each in positions if each is not None]
    assert len(offsets) == 5
    assert offsets == sorted(set(offsets))
    assert {each.epoch for each in positions if each is not None} == {positions[0].epoch}  # type: ignore[union-attr]
    assert [each.previous for each in ear.publications] == [0, *offsets[:-1]]


async def test_streams_are_apart(brokers: Brokers) -> None:
    """What is published on one channel does not stand in another's stream."""
    broker, ear = await brokers.start()
    for channel in ("one", "two"):
        await broker.subscribe(channel)
    for n in range(6):
        await broker.publish(Publication(("one", "two")[n % 2], str(n)), KEPT)
    await ear.hears(6)
    for channel, data in (("one", ["0", "2", "4"]), ("two", ["1", "3", "5"])):
        heard = [each for each in ear.publications if each.channel == channel]
        assert [each.data for each in heard] == data
        offsets = [each.position.offset for each in heard if each.position]
        assert [each.previous for each in heard] == [0, *offsets[:-1]]


async def test_ids(brokers: Brokers) -> None:
    """An id that was published is not published again, and gives the first position; on each channel."""
    broker, ear = await brokers.start()
    for channel in ("kept", "live", "other"):
        await broker.subscribe(channel)
    first = await broker.publish(Publication("kept", "1", id="a"), KEPT)
    again = await broker.publish(Publication("kept", "2", id="a"), KEPT)
    other = await broker.publish(Publication("other", "3", id="a"), KEPT)
    await broker.publish(Publication("live", "4", id="a"), LIVE)
    assert await broker.publish(Publication("live", "5", id="a"), LIVE) is None
    await broker.publish(Publication("live", "6", id="b"), LIVE)
    await broker.publish(Publication("kept", "7"), KEPT)
    await ear.until(lambda: {"6", "7"} <= set(ear.data()))
    assert first is not None
    assert first == again
    assert other is not None
    assert sorted(map(str, ear.data())) == ["1", "3", "4", "6", "7"]


async def test_a_second_hub(brokers: Brokers) -> None:
    """Every subscribed hub hears the same in the same order, whoever publishes."""
    one, ear = await brokers.start()
    if not one.spans_processes:
        return
    two, other = await brokers.start()
    for broker in (one, two):
        for channel in ("live", "kept"):
            await broker.subscribe(channel)
    results = [
        broker.publish(Publication(channel, f"{n}"), retention)
        for n in range(50)
        for broker in (one, two)
        for channel, retention in (("live", LIVE), ("kept", KEPT))
    ]
    for result in results:
        await result
    for each in (ear, other):
        await each.hears(200)
    for channel in ("live", "kept"):
        assert ear.data(channel) == other.data(channel)
    assert len(ear.publications) == len(other.publications) == 200
