"""What the broker keeps in Redis, and what else may be there."""

import logging
from typing import Any

import pytest

from antiphon.brokers.packing import pack
from antiphon.brokers.redis import RedisBroker
from antiphon.channels import Attendance, History, Publication, Retention, presence_channel
from antiphon.errors import BrokerUnavailable, ConfigurationError
from tests.brokers.redis.conftest import Start, die

LIVE = Retention()
KEPT = Retention(History(size=10, ttl=60))
DAY = 24 * 3600

Raw = Any  # redis-py's commands return what is awaitable or not, depending on the client


async def test_garbage_on_the_bus(
    start: Start, raw: Raw, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no publication is dropped, with a word in the log; what comes after it arrives."""
    broker, ear = await start()
    await broker.subscribe("news")
    good = pack(Publication("news", "good"))
    garbage = [
        b"",
        b"\x00\xff",
        b"hello",
        good[:-1],
        good + b"x",
        b"1 ",
        b"1 2 3",
        b"1 2.e ",
        b"x 2.e " + good,
        b"1 2e " + good,
        b"-",
        b"+1 {",
        b'+x ["ann",1]',
        b"\x97\x01\xc2\xc0\xc0\xc0\x00\x90",
        b"\x92\x01\x02",
    ]
    with caplog.at_level(logging.WARNING, logger="antiphon"):
        for each in garbage:
            await raw.publish(f"{prefix}:bus:news", each)
        await raw.publish(f"{prefix}:bus:news", good)
        assert await ear.hears(1) == ["good"]
    dropped = [each for each in caplog.messages if each.startswith("dropped what is no publication")]
    assert len(dropped) == len(garbage)
    assert not ear.interruptions


async def test_keys_of_another_type(start: Start, raw: Raw, prefix: str) -> None:
    """Where something else lies under one of our keys, that channel's requests fail, and no other's."""
    broker, ear = await start()
    for key in ("meta", "users"):
        await raw.set(f"{prefix}:{key}:broken", "x")
    await raw.rpush(f"{prefix}:stream:garbage", b"no entry", b"9999999999999")
    await raw.hset(f"{prefix}:meta:garbage", mapping={"epoch": "e", "offset": 2})
    for request in (
        broker.publish(Publication("broken", "1"), KEPT),
        broker.history("broken", KEPT),
        broker.members("broken", 10),
        broker.attend([Attendance("broken", "1", "ann")]),
    ):
        with pytest.raises(BrokerUnavailable, match="WRONGTYPE"):
            await request
    with pytest.raises(BrokerUnavailable, match="holds what is not ours"):
        await broker.history("garbage", KEPT)
    await broker.subscribe("news")
    await broker.publish(Publication("news", "1"), KEPT)
    await broker.attend([Attendance("news", "1", "ann")])
    assert await ear.hears(1) == ["1"]
    assert not ear.interruptions
    assert await raw.get(f"{prefix}:meta:broken") == b"x"


async def test_sweeping_around_it(start: Start, raw: Raw, prefix: str) -> None:
    """A channel whose members cannot be swept keeps nobody from sweeping the others."""
    broker, ear = await start(lease=1.2)
    await broker.subscribe(presence_channel("z"))
    dying, _ = await start(lease=1.2)
    await dying.attend([Attendance(channel, "1", "ann") for channel in "abz"])
    await raw.set(f"{prefix}:counts:a", "x")
    await raw.set(f"{prefix}:counts:b", "x")
    await die(dying)
    assert (await ear.hears(2))[-1] == {"leave": {"user": "ann", "info": None}}


async def test_times_to_live(start: Start, raw: Raw, prefix: str) -> None:
    """What is kept goes by itself: a history after its time, where a channel stands after a day, ids too."""
    broker, _ = await start()
    await broker.publish(Publication("news", "1", id="a"), KEPT)
    lives = {key.decode(): await raw.ttl(key) for key in await raw.keys(f"{prefix}:*:news*")}
    assert set(lives) == {f"{prefix}:{key}" for key in ("meta:news", "stream:news", "id:news a")}
    assert 0 < lives[f"{prefix}:stream:news"] <= 60
    assert DAY - 60 < lives[f"{prefix}:meta:news"] <= DAY
    assert 0 < lives[f"{prefix}:id:news a"] <= 300
    # Reading counts as using.
    await raw.expire(f"{prefix}:meta:news", 60)
    await broker.history("news", KEPT, limit=0)
    assert await raw.ttl(f"{prefix}:meta:news") > 60


async def test_what_was_never_published_to(start: Start, raw: Raw, prefix: str) -> None:
    """A channel that somebody has only looked at is forgotten soon, unless it is used."""
    broker, _ = await start()
    before = await broker.history("news", KEPT)
    assert 540 < await raw.ttl(f"{prefix}:meta:news") <= 600
    await broker.publish(Publication("news", "1"), KEPT)
    page = await broker.history("news", KEPT, since=before.position)
    assert [each.data for each in page] == ["1"]
    assert await raw.ttl(f"{prefix}:meta:news") > DAY - 60


async def test_old_publications_go(start: Start, raw: Raw, prefix: str) -> None:
    """A channel that is published to all the time keeps nothing that is older than its time."""
    broker, _ = await start()
    brief = Retention(History(size=10_000, ttl=0.05))
    offset = 0
    while offset < 20 or await raw.llen(f"{prefix}:stream:news") >= offset - 1:
        position = await broker.publish(Publication("news", "x"), brief)
        assert position is not None
        offset = position.offset


async def test_nothing_is_left(start: Start, raw: Raw, prefix: str) -> None:
    """When everybody has gone, of presence only leases remain."""
    broker, _ = await start()
    await broker.attend([Attendance("room", "1", "ann", {"a": 1}), Attendance("room", "2", "bob")])
    await broker.attend([Attendance("room", each, user, present=False) for each, user in ("1a", "2b")])
    await broker.attend(
        [Attendance("room", "1", "ann", present=False), Attendance("room", "2", "bob", present=False)]
    )
    assert [key.decode() for key in await raw.keys(f"{prefix}:*")] == [f"{prefix}:leases"]


async def test_prefixes(redis_url: str, start: Start) -> None:
    """Brokers of other prefixes share a server and nothing else; the URL's prefix comes first."""
    one, ear = await start()
    two, other = await start(f"{redis_url}?prefix=another")
    for broker in (one, two):
        await broker.subscribe("news")
        await broker.attend([Attendance("news", "1", repr(broker))])
    first = await one.publish(Publication("news", "1"), KEPT)
    second = await two.publish(Publication("news", "2"), KEPT)
    assert (await ear.hears(1), await other.hears(1)) == (["1"], ["2"])
    assert first is not None
    assert second is not None
    assert first.epoch != second.epoch
    for broker in (one, two):
        assert (await broker.members("news", 10)).count == 1


async def test_joins_on_a_cluster(redis_cluster_url: str, prefix: str) -> None:
    """On a cluster a channel's joins come from the node that has its members, whatever the channel."""
    broker = RedisBroker(redis_cluster_url, prefix=prefix)
    for n in range(100):
        keys = broker._keys.of(f"room{n}")
        presence = broker._keys.of(presence_channel(f"room{n}"))
        assert keys.partition == presence.partition
        tag = b"{%d}" % keys.partition
        assert tag in keys.meta
        assert tag in presence.bus


@pytest.mark.parametrize(
    "url",
    [
        "http://secret@host",
        "redis://secret@host:port",
        "redis://:secret@host?db=x",
        "redis://:secret@host?nonsense=1",
        "redis+cluster://:secret@",
        "redis+cluster://:secret@a:1,b:x",
        "redis://[secret",
    ],
)
def test_bad_urls(url: str) -> None:
    """A URL that is none is an error that shows what there is, and nothing of the URL."""
    with pytest.raises(ConfigurationError, match="redis://host:port/db") as caught:
        RedisBroker(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://", "redis://"),
        ("redis://ann:secret@host/3?prefix=p", "redis://host/3"),
        ("rediss://:secret@host:6380?ssl_cert_reqs=none", "rediss://host:6380"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("redis+unix://:secret@/run/redis.sock", "redis+unix:///run/redis.sock"),
        ("redis+cluster://ann:secret@a:1,b", "redis+cluster://a:1,b"),
        ("rediss+cluster://[::1]:1", "rediss+cluster://[::1]:1"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    """Every form is understood, and shown without passwords."""
    broker = RedisBroker(url)
    assert repr(broker) == f"<RedisBroker {shown}, 0 channels>"


def test_bad_options() -> None:
    """A prefix with braces would spoil a cluster's slots; a lease is positive."""
    with pytest.raises(ConfigurationError, match="without braces"):
        RedisBroker("redis://", prefix="{a}")
    with pytest.raises(ConfigurationError, match="lease=0"):
        RedisBroker("redis://", lease=0)
