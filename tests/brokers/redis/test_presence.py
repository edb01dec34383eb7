"""Presence across processes, when some of them die and when Redis forgets."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

import pytest
import redis.asyncio

from antiphon.brokers.redis import RedisBroker
from antiphon.channels import Attendance, presence_channel
from tests.brokers.redis.conftest import Start, die, proxied
from tests.contracts.ear import Ear
from tests.redis_server import url_of
from tests.servers import LiveServer
from tests.tcp_proxy import TcpProxy

# Long beside what may hold up a busy machine, for every broker here has to renew its lease in time.
LEASE = 1.2

# A process that is present as "victim" until it is killed.
VICTIM = """
import asyncio, sys
from antiphon.brokers.redis import RedisBroker
from antiphon.channels import Attendance
from tests.contracts.ear import Ear

async def main(url, prefix, lease):
    broker = RedisBroker(url, prefix=prefix, lease=float(lease))
    await broker.start(Ear())
    await broker.attend([Attendance("room", f"v{n}", f"victim{n}") for n in range(20)])
    await broker.attend([Attendance("room", "v-ann", "ann")])
    print("present", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def comes(user: str, connection: str, info: object = None) -> Attendance:
    return Attendance("room", connection, user, info)


def goes(user: str, connection: str) -> Attendance:
    return Attendance("room", connection, user, present=False)


def told(ear: Ear) -> list[tuple[str, str]]:
    """Joins and leaves, as what and who."""
    return [(what, who["user"]) for each in ear.data() for what, who in each.items()]  # type: ignore[attr-defined]


async def users(broker: RedisBroker) -> list[str]:
    return [each.user for each in await broker.members("room", 1000)]


async def test_a_killed_process(start: Start, redis_url: str, prefix: str) -> None:
    """The members of a process that was killed leave within its lease, each once; no one else's do."""
    broker, ear = await start(lease=LEASE)
    await broker.subscribe(presence_channel("room"))
    await broker.attend([comes("ann", "1"), comes("bob", "2")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, redis_url, prefix, str(LEASE), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"present\n"
    await ear.hears(22)
    assert len(await users(broker)) == 22
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await ear.hears(42)
    assert sorted(told(ear)[22:]) == sorted(("leave", f"victim{n}") for n in range(20))
    assert await users(broker) == ["ann", "bob"]
    assert [each.connections for each in await broker.members("room", 10)] == [1, 1]


async def test_two_sweep_one(start: Start) -> None:
    """When several brokers sweep the same dead one, each leave is told once."""
    brokers = [await start(lease=LEASE) for _ in range(3)]
    dying, _ = await start(lease=LEASE)
    for broker, _ in brokers:
        await broker.subscribe(presence_channel("room"))
    await dying.attend([comes(f"u{n}", f"{n}") for n in range(500)])
    await die(dying)
    for _, ear in brokers:
        await ear.hears(1000)
    assert await users(brokers[0][0]) == []
    for _, ear in brokers:
        assert len(told(ear)) == len(set(told(ear))) == 1000


async def test_sweeping_before_reading(start: Start) -> None:
    """Who reads members sees none whose lease has run out, though nothing has swept yet."""
    dying, _ = await start(lease=LEASE)
    broker, _ = await start(lease=LEASE)
    await dying.attend([comes("ann", "1")])
    assert broker._attending is not None
    await die(dying)
    await broker._attending.stop()
    deadline = time.monotonic() + 20
    while await users(broker):
        assert time.monotonic() < deadline


async def test_leases_are_renewed(start: Start) -> None:
    """The members of a process that lives stay for longer than a lease."""
    broker, ear = await start(lease=LEASE)
    living, _ = await start(lease=LEASE)
    await broker.subscribe(presence_channel("room"))
    await living.attend([comes("ann", "1")])
    dying, _ = await start(lease=LEASE)
    await dying.attend([comes("bob", "2")])
    await die(dying)
    # What lived as long as the dead one's lease, and longer, has been renewed.
    await ear.hears(3)
    assert told(ear) == [("join", "ann"), ("join", "bob"), ("leave", "bob")]
    assert await users(broker) == ["ann"]


async def test_a_restart(start: Start) -> None:
    """A broker that stops and starts again before its lease has run out makes nobody leave."""
    broker, ear = await start(lease=LEASE)
    restarting, _ = await start(lease=LEASE)
    await broker.subscribe(presence_channel("room"))
    await restarting.attend([comes("ann", "1")])
    await restarting.stop()
    await restarting.start(Ear())
    await restarting.attend([comes("ann", "2"), comes("end", "3")])
    dying, _ = await start(lease=LEASE)
    await dying.attend([comes("bob", "9")])
    await die(dying)
    await ear.until(lambda: ("leave", "bob") in told(ear))
    assert told(ear) == [("join", "ann"), ("join", "end"), ("join", "bob"), ("leave", "bob")]
    await restarting.attend([goes("ann", "2")])
    await ear.until(lambda: ("leave", "ann") in told(ear))


async def test_races(start: Start) -> None:
    """However two brokers race with one user's connections, joins and leaves alternate, one of each."""
    one, ear = await start()
    two, _ = await start()
    await one.subscribe(presence_channel("room"))
    for _ in range(50):
        await asyncio.gather(one.attend([comes("ann", "1")]), two.attend([comes("ann", "2")]))
        await asyncio.gather(one.attend([goes("ann", "1")]), two.attend([goes("ann", "2")]))
    await one.attend([comes("end", "3")])
    await ear.until(lambda: told(ear) and told(ear)[-1] == ("join", "end"))
    assert told(ear)[:-1] == [("join", "ann"), ("leave", "ann")] * 50


async def test_redis_forgets(start: Start, server: LiveServer) -> None:
    """When Redis loses its memory, the hub is told to say again who is present."""
    broker, ear = await start(url_of(server), lease=LEASE)
    other, _ = await start(url_of(server), lease=LEASE)
    await broker.attend([comes("ann", "1")])
    await other.attend([comes("bob", "2")])
    async with redis.asyncio.Redis.from_url(url_of(server), protocol=2) as raw:
        await raw.flushall()
    await ear.until(lambda: ear.restorations)
    assert not ear.interruptions
    await broker.attend([comes("ann", "1")])
    assert "ann" in await users(broker)
    # The new lease is renewed like the old one.
    dying, _ = await start(url_of(server), lease=LEASE)
    await dying.attend([comes("eve", "3")])
    await die(dying)
    await broker.subscribe(presence_channel("room"))
    await ear.until(lambda: ("leave", "eve") in told(ear))
    assert "ann" in await users(broker)


async def test_attending_without_a_lease(start: Start, server: LiveServer) -> None:
    """Who comes after Redis lost its memory is noted under a lease all the same."""
    broker, ear = await start(url_of(server), lease=30)
    await broker.attend([comes("ann", "1")])
    async with redis.asyncio.Redis.from_url(url_of(server), protocol=2) as raw:
        await raw.flushall()
        await broker.attend([comes("bob", "2")])
        assert await users(broker) == ["bob"]
        assert ear.restorations == 1
        assert await raw.zcard(f"{broker._keys.root(0)}leases") == 1


async def test_a_paused_process(start: Start) -> None:
    """A broker that comes back after its lease has run out says again who is present, without a new gap."""
    broker, ear = await start(lease=LEASE)
    await broker.subscribe(presence_channel("room"))
    paused, its_ear = await start(lease=LEASE)
    await paused.attend([comes("ann", "1")])
    assert paused._attending is not None
    await paused._attending.stop()
    await ear.hears(2)
    paused._attending.start()
    await its_ear.until(lambda: its_ear.restorations)
    await paused.attend([comes("ann", "1")])
    await ear.hears(3)
    assert told(ear) == [("join", "ann"), ("leave", "ann"), ("join", "ann")]
    assert await users(broker) == ["ann"]


async def test_after_an_outage(start: Start, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage longer than a lease, nobody is declared dead before having had time to come back."""
    # That time is a lease, as in earnest, where it is longer than the pause between attempts.
    monkeypatch.setattr("antiphon.brokers.redis.servers.LONGEST", LEASE / 10)
    broker, ear = await start(proxied(proxy), lease=LEASE)
    other, its_ear = await start(proxied(proxy), lease=LEASE)
    await broker.subscribe(presence_channel("room"))
    await broker.attend([comes("ann", "1")])
    await other.attend([comes("bob", "2")])
    await ear.hears(2)  # What is still on its way when the network goes, would be lost with it.
    proxy.refuse()
    for each in (ear, its_ear):
        await each.until(lambda each=each: each.interruptions)
    await asyncio.sleep(1.5 * LEASE)  # the outage itself, not a wait for something
    proxy.resume()
    for each in (ear, its_ear):
        await each.until(lambda each=each: each.restorations)
    dying, _ = await start(lease=LEASE)
    await dying.attend([comes("eve", "3")])
    await die(dying)
    await ear.until(lambda: ("leave", "eve") in told(ear))
    assert told(ear) == [("join", "ann"), ("join", "bob"), ("join", "eve"), ("leave", "eve")]
    assert (ear.restorations, its_ear.restorations) == (1, 1)


async def test_a_hundred_thousand(start: Start) -> None:
    """In a channel of 100 000 members a part is read, and all are counted, by few bytes; leaves are few."""
    broker, _ = await start()
    total = 100_000
    await broker.attend([comes(f"u{n:06}", f"{n}", {"n": n}) for n in range(total)])
    servers = broker._servers
    assert servers is not None

    async def microseconds(ask: Callable[[], object]) -> int:
        """What Redis itself needed for a call."""
        await servers.link(0).send((b"SLOWLOG", b"RESET"))
        await ask()  # type: ignore[misc]
        entries = await servers.link(0).send((b"SLOWLOG", b"GET", -1))
        return sum(entry[2] for entry in entries)

    await servers.link(0).send((b"CONFIG", b"SET", b"slowlog-log-slower-than", 0))
    try:
        page = await broker.members("room", 100, "u050000")
        assert (len(page), page.count, page.cursor) == (100, total, "u050100")
        assert (page.members[0].user, page.members[0].info) == ("u050001", {"n": 50001})
        assert (await broker.members("room", 0)).count == total
        small = await microseconds(lambda: broker.members("room", 100, "u050000"))
        large = await microseconds(lambda: broker.members("room", 10_000, "u050000"))
        # It costs what is read, not what there is.
        assert small < large
    finally:
        await servers.link(0).send((b"CONFIG", b"SET", b"slowlog-log-slower-than", 10_000))
    await broker.attend([goes(f"u{n:06}", f"{n}") for n in range(total)])
    assert await users(broker) == []
