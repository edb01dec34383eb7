"""Too many connections: in all, of one address, in a second; and whom a proxy speaks for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from uvicorn.middleware.proxy_headers import _TrustedHosts

from antiphon.connection import Terms
from antiphon.limits import Limits
from antiphon.server.reception import SPARE, Reception
from antiphon.wire import HandshakeError
from tests.hostile.conftest import APP
from tests.hostile.peer import Peer, bystander, quiet, request
from tests.servers import LiveServer

STRANGER = "127.0.0.2"


@contextlib.asynccontextmanager
async def crowd(server: LiveServer, count: int, address: str, *fields: str) -> AsyncIterator[list[Peer]]:
    """So many connections of one address, with accepted handshakes."""
    async with contextlib.AsyncExitStack() as stack:
        peers = []
        for _ in range(count):
            peer = await stack.enter_async_context(Peer.raw(server, address))
            await peer.send(request("/echo", *fields))
            assert await peer.status() == 101
            peers.append(peer)
        yield peers


async def refusal(server: LiveServer, address: str, *fields: str) -> bytes:
    async with Peer.raw(server, address) as peer:
        await peer.send(request("/echo", *fields))
        head = await peer.response()
        assert await peer.gone()
        return head


def limited(*limits: str) -> LiveServer:
    return LiveServer.antiphon(APP, *(part for limit in limits for part in ("--limit", limit)))


async def test_in_all() -> None:
    """One connection too many gets 503 and when to come back; the others go on, and a place is free again."""
    with limited("connections=11", "connections_per_second=none") as server:
        async with bystander(server) as honest:
            async with crowd(server, 10, STRANGER):
                for _ in range(3):
                    with quiet(server):
                        head = await refusal(server, STRANGER)
                    assert head.startswith(b"HTTP/1.1 503 ")
                    assert b"\r\nretry-after: 5\r\n" in head
                await honest.gets(5)
            async with asyncio.timeout(5):
                while b" 101 " not in await accepted(server):
                    pass
        assert server.output().count("connections are refused: more than 11 connections") >= 1


async def accepted(server: LiveServer) -> bytes:
    async with Peer.raw(server, STRANGER) as peer:
        await peer.send(request())
        return await peer.response()


async def test_far_too_many() -> None:
    """Above the limit and some to spare, connections are dropped without a word."""
    with limited("connections=2", "connections_per_second=none") as server:
        async with bystander(server) as honest, contextlib.AsyncExitStack() as stack:
            with quiet(server, 3):
                for _ in range(SPARE + 1):
                    await stack.enter_async_context(Peer.raw(server, STRANGER))
                await honest.gets(2)
                async with Peer.raw(server, STRANGER) as peer:
                    assert await peer.response() == b""
                await honest.gets(2)


async def test_of_one_address() -> None:
    """One address has its share; others have theirs; this machine, which is trusted, has no limit."""
    with limited("connections_per_address=3", "connections_per_second=none") as server:
        async with crowd(server, 3, STRANGER), crowd(server, 3, "127.0.0.3"), crowd(server, 5, "127.0.0.1"):
            assert b" 503 " in await refusal(server, STRANGER)


async def test_in_a_second() -> None:
    """So many new connections of one address in a second, and no more."""
    with limited("connections_per_second=5") as server:
        heads = [await accepted(server) for _ in range(40)]
        assert 5 <= sum(b" 101 " in head for head in heads) < 40
        refused = [head for head in heads if b" 503 " in head]
        assert all(b"\r\nretry-after: 1\r\n" in head for head in refused)


async def test_behind_a_proxy() -> None:
    """Clients of a trusted proxy are counted each by its own address; who is not trusted is not believed."""
    with limited("connections_per_address=2", "connections_per_second=none") as server:
        one, two = "X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
        async with crowd(server, 2, "127.0.0.1", one), crowd(server, 2, "127.0.0.1", two):
            assert b" 503 " in await refusal(server, "127.0.0.1", one)
            assert b" 503 " in await refusal(server, "127.0.0.1", "X-Forwarded-For: 192.0.2.1, 127.0.0.1")
        async with crowd(server, 1, STRANGER, one), crowd(server, 1, STRANGER, two):
            assert b" 503 " in await refusal(server, STRANGER, "X-Forwarded-For: 192.0.2.3")


async def test_trusted_by_option() -> None:
    """`--forwarded-allow-ips` says whom to believe, and nobody else is."""
    options = ["--limit", "connections_per_address=1", "--forwarded-allow-ips", f"{STRANGER},10.0.0.0/8"]
    with LiveServer.antiphon(APP, *options) as server:
        async with crowd(server, 1, STRANGER, "X-Forwarded-For: 192.0.2.1, 10.1.1.1"):
            assert b" 503 " in await refusal(server, STRANGER, "X-Forwarded-For: 192.0.2.1")
            async with crowd(server, 1, STRANGER, "X-Forwarded-For: 192.0.2.2"):
                pass
        async with crowd(server, 1, "127.0.0.3", "X-Forwarded-For: 192.0.2.9"):
            assert b" 503 " in await refusal(server, "127.0.0.3", "X-Forwarded-For: 192.0.2.8")


async def test_under_uvicorn() -> None:
    """Under uvicorn's own command WebSockets are counted as well, with the defaults."""
    command = [".venv/bin/uvicorn", APP, "--port", "{port}", "--ws", "antiphon.server:WebSocketProtocol"]
    with LiveServer(command) as server:
        # All at once: one after the other they may be too few in a second, on a busy machine.
        crowd = 2 * (Limits().connections_per_second or 0) + 100
        heads = await asyncio.gather(*(accepted(server) for _ in range(crowd)))
    assert any(b" 101 " in head for head in heads)
    assert any(b" 503 " in head for head in heads)


class Socket:
    """Stands for an event loop's transport."""


class TestReception:
    """The counting itself."""

    def reception(self, **limits: int | None) -> Reception:
        self.time = 100.0
        return Reception(Terms(Limits(**limits)), set(), {"10.0.0.1"}, clock=lambda: self.time)  # type: ignore[arg-type]

    def enter(self, reception: Reception, address: str | None) -> Socket:
        socket = Socket()
        reception.enter(socket, address)  # type: ignore[arg-type]
        return socket

    def test_ipv6(self) -> None:
        """One network of IPv6 counts as one address; IPv4 within IPv6 is IPv4."""
        reception = self.reception(connections_per_address=2)
        self.enter(reception, "2001:db8::1")
        self.enter(reception, "2001:db8::2%eth0")
        self.enter(reception, "2001:db8:0:1::1")
        with pytest.raises(HandshakeError, match="too many"):
            self.enter(reception, "2001:db8::3")
        self.enter(reception, "::ffff:192.0.2.1")
        self.enter(reception, "192.0.2.1")
        with pytest.raises(HandshakeError):
            self.enter(reception, "::ffff:192.0.2.1")
        self.enter(reception, "no:address")

    def test_seconds(self) -> None:
        """A new second begins to count anew."""
        reception = self.reception(connections_per_second=1)
        for second in range(3):
            self.time = 100.5 + second
            self.enter(reception, "192.0.2.1")
            with pytest.raises(HandshakeError):
                self.enter(reception, "192.0.2.1")

    def test_leaves_nothing_behind(self) -> None:
        """Who has left is forgotten; leaving twice, or without having entered, is no harm."""
        reception = self.reception()
        sockets = [self.enter(reception, f"192.0.2.{number % 3}") for number in range(9)]
        assert repr(reception) == "<Reception 9 connections of 3 addresses>"
        reception.enter(sockets[0], "192.0.2.0")  # type: ignore[arg-type]
        for socket in [*sockets, *sockets, Socket()]:
            reception.leave(socket)  # type: ignore[arg-type]
        assert repr(reception) == "<Reception 0 connections of 0 addresses>"

    @pytest.mark.parametrize(
        ("forwarded", "client", "counted"),
        [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5000", "192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]:5000", "2001:db8::1", "2001:db8::/64"),
            ("10.0.0.1", None, None),
            ("somebody", None, None),
            ("2001:db8::1%[accepted]", None, None),
            ("", None, None),
        ],
    )
    def test_forwarded(self, forwarded: str, client: str | None, counted: str | None) -> None:
        """The client is the last address that is no trusted proxy's, and counted once."""
        reception = self.reception()
        socket = self.enter(reception, "10.0.0.1")
        headers = [(b"x-forwarded-for", forwarded.encode())]
        for _ in range(2):
            assert reception.recognise(socket, "10.0.0.1", headers) == client  # type: ignore[arg-type]
        assert reception._by_address == ({} if counted is None else {counted: 1})

    @pytest.mark.parametrize(
        ("forwarded", "client"), [("192.0.2.1, 198.51.100.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1")]
    )
    def test_forwarded_where_everybody_is_trusted(self, forwarded: str, client: str) -> None:
        """The client is the first, as uvicorn has it in the scope, and it is counted."""
        trusted = _TrustedHosts("*")
        reception = Reception(Terms(Limits(connections_per_address=1)), set(), trusted)  # type: ignore[arg-type]
        headers = [(b"x-forwarded-for", forwarded.encode())]
        assert reception.recognise(self.enter(reception, "10.0.0.1"), "10.0.0.1", headers) == client  # type: ignore[arg-type]
        with pytest.raises(HandshakeError, match="too many"):
            reception.recognise(self.enter(reception, "10.0.0.2"), "10.0.0.2", headers)  # type: ignore[arg-type]

    def test_forwarded_by_a_stranger(self) -> None:
        """Whom a proxy speaks for that is not trusted, nobody asks."""
        reception = self.reception()
        socket = self.enter(reception, "192.0.2.9")
        assert reception.recognise(socket, "192.0.2.9", [(b"x-forwarded-for", b"192.0.2.1")]) is None  # type: ignore[arg-type]
        assert reception._by_address == {"192.0.2.9": 1}
