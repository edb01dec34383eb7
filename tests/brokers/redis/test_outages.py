"""What the broker on Redis does when the network or the server fails."""

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from secrets import token_hex

import pytest
import trustme
from redis.asyncio import Redis
from redis.crc import key_slot

from antiphon.brokers.redis import RedisBroker
from antiphon.brokers.redis.address import Node
from antiphon.channels import Attendance, Broker, History, Position, Publication, Retention
from antiphon.errors import BrokerUnavailable
from tests.brokers.redis.conftest import Start, proxied
from tests.contracts.ear import Ear
from tests.redis_server import redis_server, url_of
from tests.servers import HOST, LiveServer, free_loopback_port
from tests.tcp_proxy import TcpProxy

LIVE = Retention()
KEPT = Retention(History(size=100, ttl=60))


async def kept(broker: Broker, data: str) -> Position:
    position = await broker.publish(Publication("news", data), KEPT)
    assert position is not None
    return position


async def test_a_cut_connection(start: Start, proxy: TcpProxy) -> None:
    """A broken connection is told once, and once that it is there again; then subscriptions hold."""
    broker, ear = await start(proxied(proxy))
    await broker.subscribe("news")
    for times in (1, 2):
        proxy.cut()
        await ear.until(lambda times=times: ear.restorations == times)
        assert len(ear.interruptions) == times
        await broker.publish(Publication("news", f"{times}"), LIVE)
        await ear.hears(times)
    assert ear.data() == ["1", "2"]
    assert all(isinstance(each, BrokerUnavailable) for each in ear.interruptions)


@pytest.mark.parametrize("kind", [b"pubsub", b"normal"])
async def test_one_of_the_connections(start: Start, kind: bytes) -> None:
    """Either of the two connections may be the one that breaks."""
    broker, ear = await start()
    await broker.subscribe("news")
    assert broker._servers is not None
    link = broker._servers.link(0)
    id = await link.send((b"CLIENT", b"ID"))
    which = (b"TYPE", kind) if kind == b"pubsub" else (b"ID", id, b"SKIPME", b"no")
    # Its answer may not come: with one of the two the other is given up.
    with contextlib.suppress(BrokerUnavailable):
        await link.send((b"CLIENT", b"KILL", *which))
    await ear.until(lambda: ear.restorations)
    await broker.publish(Publication("news", "1"), LIVE)
    assert await ear.hears(1) == ["1"]
    assert len(ear.interruptions) == ear.restorations == 1


async def test_meanwhile(start: Start, proxy: TcpProxy) -> None:
    """During an outage whatever asks Redis fails at once; subscriptions made and left then hold after it."""
    broker, ear = await start(proxied(proxy))
    for channel in ("news", "left"):
        await broker.subscribe(channel)
    proxy.refuse()
    await ear.until(lambda: ear.interruptions)
    for request in (
        broker.publish(Publication("news", "lost"), LIVE),
        broker.publish(Publication("news", "lost"), KEPT),
        broker.history("news", KEPT),
        broker.members("news", 10),
        broker.attend([Attendance("news", "1", "ann")]),
    ):
        with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{proxy.port}"):
            await request
    await broker.subscribe("later")
    await broker.unsubscribe("left")
    proxy.resume()
    await ear.until(lambda: ear.restorations)
    for channel in ("left", "news", "later"):
        await broker.publish(Publication(channel, channel), LIVE)
    await ear.hears(2)
    assert ear.data() == ["news", "later"]
    assert (len(ear.interruptions), ear.restorations) == (1, 1)


async def test_while_on_its_way(start: Start, proxy: TcpProxy) -> None:
    """What had no reply when the connection broke fails; it may or may not have been published."""
    broker, ear = await start(proxied(proxy))
    proxy.stall()
    results = [broker.publish(Publication("news", str(n)), KEPT) for n in range(10)]
    await asyncio.sleep(0)
    proxy.cut()
    proxy.resume()
    for result in results:
        with pytest.raises(BrokerUnavailable):
            await result
    await ear.until(lambda: ear.restorations)
    await kept(broker, "after")


async def test_a_server_that_says_nothing(
    start: Start, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that swallows everything is noticed, though no connection breaks."""
    monkeypatch.setattr("antiphon.brokers.redis.pipe.SILENCE", 0.2)
    broker, ear = await start(proxied(proxy))
    await broker.subscribe("news")
    proxy.stall()
    with pytest.raises(BrokerUnavailable, match="has not answered"):
        await broker.publish(Publication("news", "lost"), LIVE)
    await ear.until(lambda: ear.interruptions)
    proxy.cut()
    proxy.resume()
    await ear.until(lambda: ear.restorations)
    monkeypatch.undo()
    before = len(ear.publications)
    await broker.publish(Publication("news", "after"), LIVE)
    await ear.until(lambda: "after" in ear.data())
    assert len(ear.publications) <= before + 2


async def test_a_slow_network(start: Start, proxy: TcpProxy) -> None:
    """What is slow is in order all the same, and no outage."""
    proxy.delay = 0.02
    broker, ear = await start(proxied(proxy))
    await broker.subscribe("news")
    results = [broker.publish(Publication("news", str(n)), (LIVE, KEPT)[n % 2]) for n in range(50)]
    await asyncio.gather(*results)
    assert await ear.hears(50) == [str(n) for n in range(50)]
    assert not ear.interruptions


async def test_too_much_unanswered(start: Start, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for Redis is bounded; what comes beyond that is refused, and the rest is published."""
    broker, ear = await start(proxied(proxy))
    await broker.subscribe("news")
    monkeypatch.setattr("antiphon.brokers.redis.pipe.UNANSWERED", 10_000)
    proxy.stall()
    results = [broker.publish(Publication("news", str(n) + "x" * 100), LIVE) for n in range(200)]
    outcomes = asyncio.gather(*results, return_exceptions=True)
    proxy.resume()
    refused = [each for each in await outcomes if each is not None]
    assert 0 < len(refused) < 200
    assert all(isinstance(each, BrokerUnavailable) for each in refused)
    await ear.hears(200 - len(refused))


async def test_a_server_without_its_data(start: Start, server: LiveServer) -> None:
    """A server that comes back empty has a new epoch; positions of the old one are told to be lost."""
    broker, ear = await start(url_of(server))
    await broker.subscribe("news")
    old = await kept(broker, "1")
    await ear.hears(1)
    server.kill()
    await ear.until(lambda: ear.interruptions)
    server.start()
    await ear.until(lambda: ear.restorations)
    page = await broker.history("news", KEPT, since=old)
    assert (len(page), page.complete) == (0, False)
    new = await kept(broker, "2")
    assert new.epoch != old.epoch
    assert (await ear.hears(2))[-1] == "2"
    assert not (await broker.history("news", KEPT, since=old)).complete


async def test_a_server_with_its_data(start: Start, keeping_server: LiveServer) -> None:
    """A server that comes back with everything continues: what came before and after is recovered."""
    broker, ear = await start(url_of(keeping_server))
    await broker.subscribe("news")
    positions = [await kept(broker, str(n)) for n in range(3)]
    for times in (1, 2):
        # What is still on its way to a subscriber when Redis dies would be missing, though it is kept.
        await ear.hears(len(positions))
        keeping_server.kill()
        await ear.until(lambda times=times: len(ear.interruptions) == times)
        keeping_server.start()
        await ear.until(lambda times=times: ear.restorations == times)
        page = await broker.history("news", KEPT, since=positions[-1])
        assert (len(page), page.position, page.complete) == (0, positions[-1], True)
        positions += [await kept(broker, f"{times}{n}") for n in range(2)]
        page = await broker.history("news", KEPT, since=positions[-3])
        assert [each.data for each in page] == [f"{times}{n}" for n in range(2)]
        # Each names the one before it, across the restart too.
        assert [each.previous for each in page] == [each.offset for each in positions[-3:-1]]
        assert [each.position for each in page] == positions[-2:]
    await ear.hears(len(positions))
    assert [each.position for each in ear.publications] == positions
    assert [each.previous for each in ear.publications] == [0, *(each.offset for each in positions[:-1])]


async def test_failover(start: Start, redis_program: str) -> None:
    """A replica that takes over without the newest gives no offset twice: who saw what is lost is told."""
    with redis_server() as primary, redis_server() as replica:
        async with (
            TcpProxy(primary.port) as proxy,
            Redis.from_url(url_of(primary), protocol=2) as old,
            Redis.from_url(url_of(replica), protocol=2) as new,
        ):
            broker, ear = await start(proxied(proxy))
            await broker.subscribe("news")
            shared = await kept(broker, "1")
            await new.replicaof(HOST, primary.port)
            # Not before it is connected can the primary wait for it.
            while (await new.info("replication"))["master_link_status"] != "up":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await old.wait(1, 10_000)
            await new.replicaof("NO", "ONE")
            lost = [await kept(broker, "lost"), await kept(broker, "lost too")]
            proxy.target = replica.port
            proxy.cut()
            await ear.until(lambda: ear.restorations)
            later = [await kept(broker, str(n)) for n in range(4)]
            page = await broker.history("news", KEPT, since=shared)
            assert [each.data for each in page] == ["0", "1", "2", "3"]
            assert [each.position for each in page] == later
            assert page.publications[0].previous == shared.offset
            assert later[0].offset > lost[-1].offset
            for position in lost:
                page = await broker.history("news", KEPT, since=position)
                assert (len(page), page.complete) == (0, False)
            assert later[0].epoch == shared.epoch
            await broker.stop()


async def test_no_server(prefix: str) -> None:
    """Without a server the start fails after a few attempts, and says where it looked and why."""
    port = free_loopback_port()
    broker = RedisBroker(f"redis://ann:geheim@{HOST}:{port}/3", prefix=prefix)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=f"redis://{HOST}:{port}/3 .*tried 5 times.*failed") as caught:
        await broker.start(Ear())
    assert time.monotonic() - began < 30
    assert "geheim" not in f"{broker!r} {caught.value!r} {caught.value.__cause__!r}"
    with pytest.raises(BrokerUnavailable, match="does not run"):
        await broker.publish(Publication("news", "1"), LIVE)


async def test_a_server_that_never_answers(
    proxy: TcpProxy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts connections and says nothing fails the start too, after a bounded time."""
    proxy.stall()
    broker = RedisBroker(proxied(proxy), prefix=prefix)
    with monkeypatch.context() as impatient:
        impatient.setattr("antiphon.brokers.redis.servers.START", 0.3)
        with pytest.raises(BrokerUnavailable, match=r"no answer within 0\.3 s"):
            await broker.start(Ear())
    proxy.resume()
    await broker.start(Ear())
    await broker.stop()


async def test_a_late_server(prefix: str, redis_program: str) -> None:
    """A server that comes up during the attempts is enough."""
    server = redis_server()
    broker = RedisBroker(url_of(server), prefix=prefix)
    starting = asyncio.create_task(broker.start(Ear()))
    await asyncio.sleep(0)
    await asyncio.to_thread(server.start)
    try:
        await starting
        await broker.publish(Publication("news", "1"), LIVE)
        await broker.stop()
    finally:
        server.stop()


async def test_passwords(prefix: str, redis_program: str, caplog: pytest.LogCaptureFixture) -> None:
    """A password opens the server, a wrong one does not, and neither is shown anywhere."""
    with redis_server("--requirepass", "geh/eim:x") as server, caplog.at_level(logging.DEBUG):
        place = f"127.0.0.1:{server.port}"
        broker, ear = RedisBroker(f"redis://:geh%2Feim%3Ax@{place}", prefix=prefix), Ear()
        await broker.start(ear)
        await broker.publish(Publication("news", "1"), KEPT)
        server.kill()
        await ear.until(lambda: ear.interruptions)
        shown = [repr(broker), repr(broker._servers), str(ear.interruptions[0])]
        await broker.stop()
        server.start()
        wrong = RedisBroker(f"redis://:falsch@{place}", prefix=prefix)
        with pytest.raises(BrokerUnavailable, match="invalid username-password pair") as caught:
            await wrong.start(Ear())
        shown += [repr(wrong), str(caught.value), caplog.text]
    for text in shown:
        assert not any(secret in text for secret in ("geh/eim", "geh%2Feim", "falsch"))


async def test_forgotten_scripts(start: Start, raw: "object") -> None:
    """When Redis has forgotten the scripts, what needed them is done all the same, in order."""
    broker, ear = await start()
    await broker.subscribe("news")
    await kept(broker, "0")
    await raw.script_flush()  # type: ignore[attr-defined]
    results = [broker.publish(Publication("news", str(n)), KEPT) for n in range(1, 50)]
    more = []
    results[0].add_done_callback(  # type: ignore[attr-defined]
        lambda _: more.append(broker.publish(Publication("news", "50"), KEPT))
    )
    await asyncio.gather(*results)
    await asyncio.gather(*more)
    assert await ear.hears(51) == [str(n) for n in range(51)]
    assert not ear.interruptions


async def test_stopping_during_an_outage(start: Start, proxy: TcpProxy) -> None:
    """A broker stops while it cannot reach Redis, tells nothing more, and starts again afterwards."""
    broker, ear = await start(proxied(proxy))
    proxy.refuse()
    await ear.until(lambda: ear.interruptions)
    await broker.stop()
    proxy.resume()
    again = Ear()
    await broker.start(again)
    await broker.subscribe("news")
    await broker.publish(Publication("news", "1"), LIVE)
    assert await again.hears(1) == ["1"]
    assert (ear.restorations, again.restorations, ear.data()) == (0, 0, [])


async def test_cluster_nodes(redis_cluster_url: str, prefix: str) -> None:
    """On a cluster that loses a connection to one node, the channels of the others go on."""
    broker, ear = RedisBroker(redis_cluster_url, prefix=prefix), Ear()
    await broker.start(ear)
    names = [f"c{n}" for n in range(30)]
    for name in names:
        await broker.subscribe(name)
    links = broker._servers._links  # type: ignore[union-attr]
    assert len(links) == 3
    victim = next(iter(links.values()))
    # Its answer may not come: with one of the two connections the other is given up.
    with contextlib.suppress(BrokerUnavailable):
        await victim.send((b"CLIENT", b"KILL", b"TYPE", b"pubsub"))
    await ear.until(lambda: ear.restorations)
    results = [broker.publish(Publication(name, token_hex(2)), KEPT) for name in names]
    await asyncio.gather(*results)
    await ear.hears(30)
    assert {each.channel for each in ear.publications} == set(names)
    assert (len(ear.interruptions), ear.restorations) == (1, 1)
    await broker.stop()


async def move(slot: int, source: Node, target: Node, third: Node) -> None:
    """Move a slot of a cluster from one of its nodes to another, as `redis-cli --cluster reshard` does."""
    async with (
        Redis(host=source[0], port=source[1], protocol=2) as giving,
        Redis(host=target[0], port=target[1], protocol=2) as taking,
        Redis(host=third[0], port=third[1], protocol=2) as watching,
    ):
        giver, taker = [await each.execute_command("CLUSTER MYID") for each in (giving, taking)]
        await taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", giver)
        await giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", taker)
        for key in await giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
            await giving.execute_command("MIGRATE", *target, key, 0, 5000)
        for each in (taking, watching, giving):
            await each.execute_command("CLUSTER SETSLOT", slot, "NODE", taker)


async def test_cluster_slots_move(redis_cluster_url: str, prefix: str) -> None:
    """When a slot moves to another node of a cluster, its channels are found there, with their histories."""
    broker, ear = RedisBroker(redis_cluster_url, prefix=prefix), Ear()
    await broker.start(ear)
    await broker.subscribe("news")
    await broker.subscribe("other")
    first = await kept(broker, "1")
    servers, keys = broker._servers, broker._keys.of("news")
    assert servers is not None
    link = servers.link(keys.partition)
    nodes = sorted(servers._links, key=lambda node: servers._links[node] is not link)
    await move(key_slot(keys.meta), *(node for node in nodes if node is not None))
    await ear.until(lambda: ear.restorations)
    page = await broker.history("news", KEPT, since=first)
    assert (len(page), page.complete) == (0, True)
    second = await kept(broker, "2")
    assert [each.data for each in await broker.history("news", KEPT, since=first)] == ["2"]
    await ear.until(lambda: ear.data("news")[-1:] == ["2"])
    assert second.epoch == first.epoch
    assert len(ear.interruptions) == ear.restorations
    await broker.stop()


async def test_unix_socket(prefix: str, redis_program: str, tmp_path: Path) -> None:
    """A server is reached over its Unix socket too."""
    path = tmp_path / "redis.sock"
    with redis_server("--unixsocket", str(path)):
        broker, ear = RedisBroker(f"unix://{path}?db=1", prefix=prefix), Ear()
        await broker.start(ear)
        await broker.subscribe("news")
        await kept(broker, "1")
        assert await ear.hears(1) == ["1"]
        await broker.stop()


async def test_tls(prefix: str, redis_program: str, tmp_path: Path) -> None:
    """A server is reached over TLS, if its certificate is good."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert(HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    port = free_loopback_port()
    files = {"--tls-cert-file": "server.pem", "--tls-key-file": "server.pem", "--tls-ca-cert-file": "ca.pem"}
    options = [part for option, file in files.items() for part in (option, str(tmp_path / file))]
    with redis_server("--tls-port", str(port), "--tls-auth-clients", "no", *options):
        url = f"rediss://{HOST}:{port}"
        broker, ear = RedisBroker(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}", prefix=prefix), Ear()
        await broker.start(ear)
        await broker.subscribe("news")
        await kept(broker, "1")
        assert await ear.hears(1) == ["1"]
        await broker.stop()
        with pytest.raises(BrokerUnavailable, match="certificate verify failed"):
            await RedisBroker(url, prefix=prefix).start(Ear())
