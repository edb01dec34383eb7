"""What is special about the broker on NATS: outages, leases, what else may be on the bus, secrets.

What it shares with the others is in `tests/contracts`.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from secrets import token_hex

import nats
import pytest

from antiphon.brokers.nats import NatsBroker, link
from antiphon.channels import (
    Attendance,
    Broker,
    History,
    Member,
    Publication,
    Retention,
    presence_channel,
)
from antiphon.errors import BrokerUnavailable, ConfigurationError, PublicationTooLarge
from tests.contracts.ear import PATIENCE, Ear
from tests.nats_server import NatsServer

LIVE = Retention()
KEPT = Retention(History(size=5, ttl=60))

#: Short, so that tests need not wait long; long enough for a loaded machine.
LEASE = 3.0

HOLDER = """
import asyncio, sys
from antiphon.brokers.nats import NatsBroker
from antiphon.channels import Attendance

class Nobody:
    def received(self, publication): ...
    def interrupted(self, error): ...
    def restored(self): ...

async def main(url, prefix, lease):
    broker = NatsBroker(url, prefix=prefix, lease=float(lease))
    await broker.start(Nobody())
    await broker.attend([Attendance("room", "1", "ann"), Attendance("room", "2", "bob")])
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def prefix() -> str:
    return f"test-{token_hex(4)}"


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """A server of the test's own, which it may stop."""
    with NatsServer() as own:
        yield own


@asynccontextmanager
async def running(broker: Broker) -> AsyncIterator[Ear]:
    """A started broker's ear."""
    ear = Ear()
    await broker.start(ear)
    try:
        yield ear
    finally:
        await broker.stop()


async def users(broker: Broker, channel: str = "room") -> set[str]:
    return {each.user for each in await broker.members(channel, 100)}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until something is so that nobody tells about."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


async def test_restart_with_data(server: NatsServer) -> None:
    """A server that comes back with its data continues the stream; the outage is told once, and its end."""
    broker = NatsBroker(server.url)
    async with running(broker) as ear:
        await broker.subscribe("news")
        first = await broker.publish(Publication("news", "1"), KEPT)
        await ear.hears(1)
        server.kill(data=True)
        await ear.until(lambda: ear.interruptions)
        server.start()
        await ear.until(lambda: ear.restorations)
        second = await broker.publish(Publication("news", "2"), KEPT)
        assert await ear.hears(2) == ["1", "2"]
        page = await broker.history("news", KEPT, since=first)
        assert [each.data for each in page] == ["2"]
        assert first is not None
        assert second is not None
        assert second.epoch == first.epoch
        assert ear.publications[1].previous == first.offset
        assert (len(ear.interruptions), ear.restorations) == (1, 1)


async def test_restart_without_data(server: NatsServer) -> None:
    """A server that comes back empty has a new epoch; positions of the old one are lost, and say so."""
    broker = NatsBroker(server.url)
    async with running(broker) as ear:
        await broker.subscribe("news")
        first = await broker.publish(Publication("news", "1"), KEPT)
        await ear.hears(1)
        server.kill(data=False)
        await ear.until(lambda: ear.interruptions)
        server.start()
        await ear.until(lambda: ear.restorations)
        assert first is not None
        page = await broker.history("news", KEPT, since=first)
        assert (page.complete, page.position.offset) == (False, 0)
        assert page.position.epoch != first.epoch
        second = await broker.publish(Publication("news", "2"), KEPT)
        assert second is not None
        assert second.epoch == page.position.epoch
        await broker.publish(Publication("news", "3"), LIVE)
        assert sorted(map(str, await ear.hears(3))) == ["1", "2", "3"]


async def test_unavailable_later(server: NatsServer) -> None:
    """While the server is down everything that asks it says so, at once, and works again afterwards."""
    broker = NatsBroker(server.url)
    async with running(broker) as ear:
        await broker.subscribe("before")
        await broker.publish(Publication("news", "1"), KEPT)
        server.kill(data=True)
        await ear.until(lambda: ear.interruptions)
        asked: list[Awaitable[object]] = [
            broker.publish(Publication("news", "2"), KEPT),
            broker.publish(Publication("news", "2"), LIVE),
            broker.history("news", KEPT),
            broker.attend([Attendance("room", "1", "ann")]),
            broker.members("room", 10),
            broker.subscribe("during"),
        ]
        for each in asked:
            with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{server.port}"):
                await each
        await broker.unsubscribe("before")
        server.start()
        await ear.until(lambda: ear.restorations)
        await broker.subscribe("during")
        for channel in ("before", "during"):
            await broker.publish(Publication(channel, channel), LIVE)
        assert await ear.hears(1) == ["during"]


async def test_publications_in_flight(server: NatsServer) -> None:
    """A publication that an outage catches under way fails; none is left waiting."""
    broker = NatsBroker(server.url)
    async with running(broker) as ear:
        await broker.publish(Publication("news", "first"), KEPT)
        results = [broker.publish(Publication("news", str(n)), KEPT) for n in range(2000)]
        server.kill(data=True)
        outcomes = await asyncio.gather(*results, return_exceptions=True)
        assert all(each is not None for each in outcomes)
        assert {type(each) for each in outcomes if isinstance(each, Exception)} == {BrokerUnavailable}
        await ear.until(lambda: ear.interruptions)


async def test_unavailable_at_start(free_port: int) -> None:
    """Where nothing listens, the start fails after some attempts, and says where and why, but no secret."""
    broker = NatsBroker(f"nats://me:hunter2@127.0.0.1:{free_port}")
    with pytest.raises(BrokerUnavailable, match=rf"nats://127.0.0.1:{free_port} cannot .* failed"):
        await broker.start(Ear())


@pytest.mark.parametrize("userinfo", ["me:hunter2", "hunter2"])
async def test_secrets(userinfo: str, caplog: pytest.LogCaptureFixture) -> None:
    """Passwords and tokens open the door, and are never shown: not in the log, not by repr, not in errors."""
    caplog.set_level(logging.DEBUG)
    with NatsServer("--user", "me", "--pass", "other") as server:
        broker = NatsBroker(server.url.replace("//", f"//{userinfo}@"))
        with pytest.raises(BrokerUnavailable, match="Authorization") as caught:
            await broker.start(Ear())
        right = NatsBroker(server.url.replace("//", "//me:other@"))
        async with running(right):
            pass
    shown = caplog.text + repr(broker) + repr(right) + str(caught.value)
    assert "hunter2" not in shown
    assert "other" not in shown


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("http://me:hunter2@host", {}),
        ("nats://me:hunter2@host:port", {}),
        ("nats://me:hunter2@", {}),
        ("nats://host", {"prefix": "a.b"}),
        ("nats://host", {"prefix": ""}),
        ("nats://host", {"lease": 0}),
        ("nats://host", {"replicas": 0}),
    ],
)
def test_misconfigured(url: str, arguments: dict[str, object]) -> None:
    """What cannot be is refused before anything is connected."""
    with pytest.raises(ConfigurationError) as caught:
        NatsBroker(url, **arguments)  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


async def test_without_jetstream() -> None:
    """A server without JetStream is refused with a word on how to enable it."""
    with NatsServer(jetstream=False) as server, pytest.raises(ConfigurationError, match="nats-server -js"):
        await NatsBroker(server.url).start(Ear())


async def test_several_servers(server: NatsServer, free_port: int) -> None:
    """Of several servers one that answers is enough."""
    broker = NatsBroker(f"nats://127.0.0.1:{free_port},{server.url}")
    async with running(broker) as ear:
        await broker.subscribe("news")
        await broker.publish(Publication("news", "1"), LIVE)
        assert await ear.hears(1) == ["1"]


async def test_started_again(nats_server: NatsServer, prefix: str) -> None:
    """A broker that was stopped refuses, and can be started again."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    for _ in range(2):
        with pytest.raises(BrokerUnavailable, match="not started"):
            await broker.publish(Publication("news", "0"), KEPT)
        async with running(broker) as ear:
            await broker.subscribe("news")
            await broker.publish(Publication("news", "1"), KEPT)
            assert await ear.hears(1) == ["1"]
    assert "down" in repr(broker)


async def test_sent_before_it_stops(nats_server: NatsServer, prefix: str) -> None:
    """What was published is sent before the broker stops."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker):
        results = [asyncio.ensure_future(broker.publish(Publication("n", str(n)), KEPT)) for n in range(500)]
    positions = [result.result() for result in results]
    async with running(broker):
        assert (await broker.history("n", KEPT, limit=0)).position == positions[-1]


async def test_more_than_may_be_under_way(nats_server: NatsServer, prefix: str) -> None:
    """More publications than may wait for acknowledgement are still all kept, in order."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear:
        await broker.subscribe("news")
        results = [broker.publish(Publication("news", str(n)), KEPT) for n in range(12_000)]
        positions = [await each for each in results]
        offsets = [each.offset for each in positions if each]
        assert len(offsets) == 12_000
        assert offsets == sorted(offsets)
        assert await ear.hears(12_000) == [str(n) for n in range(12_000)]


async def test_too_large(nats_server: NatsServer, prefix: str) -> None:
    """What the server would not take is refused to its publisher alone."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear:
        await broker.subscribe("news")
        with pytest.raises(PublicationTooLarge, match="max_payload"):
            await broker.publish(Publication("news", b"x" * 1024 * 1024), LIVE)
        await broker.publish(Publication("news", b"x" * 1000 * 1024), LIVE)
        await ear.hears(1)


async def test_deleted_stream(nats_server: NatsServer, prefix: str) -> None:
    """Where somebody deletes the stream, one publication fails, and the next begins a new epoch."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker), await nats.connect(nats_server.url) as raw:
        first = await broker.publish(Publication("news", "1"), KEPT)
        (name,) = [
            each.config.name
            for each in await raw.jetstream().streams_info()
            if each.config.name and each.config.name.startswith(f"{prefix}-history")
        ]
        await raw.jetstream().delete_stream(name)
        with pytest.raises(BrokerUnavailable, match="stream is gone"):
            await broker.publish(Publication("news", "2"), KEPT)
        second = await broker.publish(Publication("news", "3"), KEPT)
        assert first is not None
        assert second is not None
        assert second.epoch != first.epoch


async def test_garbage(nats_server: NatsServer, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is no publication is logged and dropped, wherever somebody puts it; all else goes on."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear, await nats.connect(nats_server.url) as raw:
        await broker.subscribe("news")
        await broker.subscribe(presence_channel("news"))
        position = await broker.publish(Publication("news", "1"), KEPT)
        await broker.attend([Attendance("news", "1", "ann")])
        await ear.hears(2)
        assert position is not None
        news = broker._heard_at("news").split(".")[3]
        for life in ("live", "presence", position.epoch, "other"):
            for garbage in (b"", b"\xc1", b"\x97\x01\xc2\xc0\xc0\xc0\x00\x90"):
                await raw.publish(f"{prefix}.to.{life}.{news}._", garbage)
        await raw.jetstream().publish(f"{prefix}.in.{position.epoch}.{news}", b"garbage")
        there = broker._heard_at(presence_channel("news")).split(".")[3]
        await raw.jetstream().publish(f"{prefix}.in.presence.{there}.x", b"garbage")
        await broker.publish(Publication("news", "2"), KEPT)
        await ear.until(lambda: "2" in ear.data())
        assert len(ear.publications) == 3
        page = await broker.history("news", KEPT)
        assert [each.data for each in page] == ["1", "2"]
        assert await users(broker, "news") == {"ann"}
    assert caplog.text.count("something else than a publication came on channel 'news'") == 13


async def test_a_slow_process(
    nats_server: NatsServer, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is dropped because this process does not keep up is told, once, and looked for."""
    monkeypatch.setattr(link, "PENDING_MESSAGES", 20)
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear, await nats.connect(nats_server.url) as raw:
        await broker.subscribe("news")
        subject = broker._heard_at("news").replace("*", "live")
        for _ in range(1000):
            await raw.publish(subject, b"\x97\xa1x\xc2\xc0\xc0\xc0\xcb" + bytes(8) + b"\x90")
        await ear.until(lambda: ear.restorations)
        assert 0 < len(ear.publications) < 1000
        assert not ear.interruptions
    assert caplog.text.count("does not keep up") == 1


async def test_before_the_first(nats_server: NatsServer, prefix: str) -> None:
    """A position from before a channel's first publication can be recovered, whatever other channels do."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear:
        for n in range(20):
            await broker.publish(Publication("other", str(n)), KEPT)
        await broker.subscribe("news")
        start = (await broker.history("news", KEPT, limit=0)).position
        await broker.publish(Publication("other", "more"), KEPT)
        assert (await broker.history("news", KEPT, limit=0)).position == start
        await broker.publish(Publication("news", "1"), KEPT)
        await ear.hears(1)
        assert ear.publications[0].previous == start.offset
        page = await broker.history("news", KEPT, since=start)
        assert ([each.data for each in page], page.complete) == (["1"], True)


async def test_a_quiet_channel(nats_server: NatsServer, prefix: str) -> None:
    """A channel whose last publication the server has forgotten stands where it stood, to who hears it."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker) as ear, await nats.connect(nats_server.url) as raw:
        await broker.subscribe("news")
        top = await broker.publish(Publication("news", "1"), KEPT)
        await ear.hears(1)
        assert top is not None
        stream = await raw.jetstream().find_stream_name_by_subject(f"{prefix}.in.{top.epoch}.x")
        await raw.jetstream().purge_stream(stream)
        assert (await broker.history("news", KEPT, limit=0)).position == top
        page = await broker.history("news", KEPT, since=top)
        assert (len(page), page.complete) == (0, True)
        await broker.publish(Publication("news", "2"), KEPT)
        await ear.hears(2)
        assert ear.publications[1].previous == top.offset


async def test_a_killed_process(nats_server: NatsServer, prefix: str) -> None:
    """The members of a killed process are gone when its lease is, and leaves are told; the other's stay."""
    broker = NatsBroker(nats_server.url, prefix=prefix, lease=LEASE)
    async with running(broker) as ear:
        await broker.subscribe(presence_channel("room"))
        holder = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOLDER, nats_server.url, prefix, str(LEASE)),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert holder.stdout is not None
            assert await holder.stdout.readline() == b"ready\n"
            await broker.attend([Attendance("room", "3", "bob"), Attendance("room", "4", "cid")])
            assert await users(broker) == {"ann", "bob", "cid"}
            # Longer than a lease: it is renewed.
            await asyncio.sleep(LEASE * 1.2)
            assert await users(broker) == {"ann", "bob", "cid"}
        finally:
            holder.send_signal(signal.SIGKILL)
            await holder.wait()
        events = await ear.hears(4)
        assert events[-1] == {"leave": {"user": "ann", "info": None}}
        await until(lambda: _is(broker, [Member("bob"), Member("cid")]))
        assert (await broker.members("room", 0)).count == 2


async def test_a_reload(nats_server: NatsServer, prefix: str) -> None:
    """Members whose process is replaced within the lease neither leave nor join."""
    watcher = NatsBroker(nats_server.url, prefix=prefix, lease=LEASE)
    async with running(watcher) as ear:
        await watcher.subscribe(presence_channel("room"))
        broker = NatsBroker(nats_server.url, prefix=prefix, lease=LEASE)
        for connection in ("1", "2"):
            async with running(broker):
                await broker.attend([Attendance("room", connection, "ann")])
                if connection == "2":
                    await until(lambda: _is(watcher, [Member("ann")]))
        assert [next(iter(each)) for each in ear.data()] == ["join"]  # type: ignore[call-overload]
        await ear.hears(2)
        assert await users(watcher) == set()


async def _is(broker: Broker, members: list[Member]) -> bool:
    return sorted(await broker.members("room", 10), key=lambda member: member.user) == members


async def test_thought_dead(nats_server: NatsServer, prefix: str) -> None:
    """A process that was thought dead says again who is present, and what it had before goes."""
    broker = NatsBroker(nats_server.url, prefix=prefix, lease=LEASE)
    async with running(broker) as ear, await nats.connect(nats_server.url) as raw:
        await broker.attend([Attendance("room", "1", "ann"), Attendance("room", "2", "bob")])
        await raw.jetstream().purge_stream(f"{prefix}-presence", subject=f"{prefix}.in.hubs.*")
        await ear.until(lambda: ear.restorations)
        await broker.attend([Attendance("room", "1", "ann")])
        await until(lambda: _is(broker, [Member("ann")]))


async def test_racing_joins(nats_server: NatsServer, prefix: str) -> None:
    """However brokers race for one user, joins and leaves alternate for all who hear them."""
    brokers = [NatsBroker(nats_server.url, prefix=prefix) for _ in range(3)]
    async with running(brokers[0]) as ear, running(brokers[1]) as other, running(brokers[2]):
        for broker in brokers[:2]:
            await broker.subscribe(presence_channel("room"))

        async def visits(broker: Broker, connection: str) -> None:
            for n in range(20):
                name = f"{connection}-{n}"
                await broker.attend([Attendance("room", name, "ann", n)])
                await broker.attend([Attendance("room", name, "ann", present=False)])

        await asyncio.gather(*(visits(broker, str(n)) for n, broker in enumerate(brokers)))
        await brokers[0].attend([Attendance("room", "end", "end")])
        for each in (ear, other):
            await each.until(lambda: each.publications and "end" in str(each.data()[-1]))  # noqa: B023
        assert ear.data() == other.data()
        events = [each.event for each in ear.publications[:-1]]
        assert events == ["join", "leave"] * (len(events) // 2)
        assert await users(brokers[1]) == {"end"}


async def test_any_user(nats_server: NatsServer, prefix: str) -> None:
    """Users may be called anything, however long."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker):
        names = {"", ".", "*", ">", "a b", "ä", "x" * 10_000, "x" * 10_001, "\n"}
        await broker.attend([Attendance("room", f"c{n}", name) for n, name in enumerate(names)])
        assert await users(broker) == names
        await broker.attend(
            [Attendance("room", f"c{n}", name, present=False) for n, name in enumerate(names)]
        )
        assert (await broker.members("room", 10)).count == 0


async def test_members_that_left_half(nats_server: NatsServer, prefix: str) -> None:
    """A member whose leaving was not completed is not counted, and its remains are taken away."""
    broker = NatsBroker(nats_server.url, prefix=prefix)
    async with running(broker), await nats.connect(nats_server.url) as raw:
        await broker.attend([Attendance("room", "1", "ann"), Attendance("room", "2", "bob")])
        there = broker._heard_at(presence_channel("room")).split(".")[3]
        remains = b"\x96\xa4room\xa3cid\xc0\x80\xa5leave\xcb" + bytes(8)
        await raw.jetstream().publish(f"{prefix}.in.presence.{there}.x", remains)
        roll = await broker.members("room", 10)
        assert ([each.user for each in roll], roll.count) == (["ann", "bob"], 2)
        assert (await broker.members("room", 0)).count == 2
