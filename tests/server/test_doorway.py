"""Where a connection goes by its first bytes: the short way and the long way end at the same answers."""

from collections.abc import Iterator

import pytest

from tests.hostile.peer import Peer, request
from tests.servers import LiveServer
from tests.wire.helpers import text


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A server that lets one address connect as often as it likes."""
    limits = ["--limit", "connections_per_second=none"]
    with LiveServer.antiphon("tests.hostile.app:app", *limits) as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


async def answer(server: LiveServer, *pieces: bytes) -> int:
    """The status that answers what is sent in these pieces."""
    async with Peer.raw(server) as peer:
        for piece in pieces:
            await peer.send(piece)
        return await peer.status()


async def test_split_anywhere(server: LiveServer) -> None:
    """A handshake is accepted whole, and in two pieces wherever it is cut."""
    head = request("/echo")
    assert await answer(server, head) == 101
    for at in range(1, len(head)):
        assert await answer(server, head[:at], head[at:]) == 101, at


async def test_behind_a_proxy(server: LiveServer) -> None:
    """The log names the client for whom a trusted proxy speaks, accepted or refused."""
    assert await answer(server, request("/echo", "X-Forwarded-For: 192.0.2.7")) == 101
    assert await answer(server, request("/nothing", "X-Forwarded-For: 192.0.2.8")) == 404
    assert '192.0.2.7:0 - "WebSocket /echo" [accepted]' in server.output()
    assert '192.0.2.8:0 - "WebSocket /nothing" 404' in server.output()
    assert await answer(server, request("/echo", 'X-Forwarded-For: 6.6.6.6 - "WebSocket /admin"')) == 101
    assert "admin" not in server.output()


async def test_spelled_otherwise(server: LiveServer) -> None:
    """Clients write the two headers in different ways."""
    head = request("/echo")
    for spelled in (
        head.replace(b"Upgrade: websocket", b"upgrade: WebSocket"),
        head.replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
        head.replace(b"Connection: Upgrade", b"connection: upgrade"),
        head.replace(b"Connection: Upgrade", b"Connection: Upgrade\r\nConnection: keep-alive"),
        head.replace(b"Upgrade: websocket", b"Upgrade: h2c, websocket"),
        head.replace(b"Upgrade: websocket", b"Upgrade: websocket\r\nUpgrade: h2c"),
        head.replace(b"GET /echo", b"GET http://localhost/echo?absolute"),
    ):
        assert spelled != head
        assert await answer(server, spelled) == 101
        assert await answer(server, spelled[:10], spelled[10:]) == 101


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"GET ", b"POST ", 405),
        (b"Version: 13", b"Version: 12", 426),
        (b"Key: dGhl", b"Key: dGh", 400),
        (b"Host: localhost\r\n", b"Host: a\r\nHost: b\r\n", 400),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nContent-Length: 5\r\n", 400),
        (b" HTTP/1.1", b" HTTP/1.0", 400),
        (b" HTTP/1.1", b" HTTP/1.2", 400),
        (b"/echo", b"echo", 400),
        (b"/echo", b"localhost:80", 400),
        (b"/echo", b"*", 400),
        (b"/echo", b"/echo#fragment", 400),
        (b" HTTP/1.1\r\n", b" HTTP/1.1\r\nbroken\r\n", 400),
        (b"/echo", b"/nowhere", 404),
    ],
)
async def test_refused_either_way(server: LiveServer, old: bytes, new: bytes, status: int) -> None:
    """What is refused is refused with the same status whole and in pieces."""
    head = request("/echo").replace(old, new, 1)
    assert head != request("/echo")
    assert await answer(server, head) == status
    assert await answer(server, head[:10], head[10:]) == status


async def test_no_handshake(server: LiveServer) -> None:
    """A request that only mentions WebSockets is answered as any other, and so is the next one."""
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: for=websocket\r\n\r\n"
    assert await answer(server, head) == 200
    assert await answer(server, head, head) == 200


async def test_early_frames(server: LiveServer) -> None:
    """Frames that come in the same read as the handshake are answered after it."""
    async with Peer.raw(server) as peer:
        await peer.send(request("/echo") + text("early"))
        assert await peer.status() == 101
        assert (await peer.reader.readuntil(b"early")).endswith(b"early")


async def test_leaving_at_once(server: LiveServer) -> None:
    """Who connects and says nothing, or leaves after a part of the head, harms nobody."""
    for said in (b"", b"G", request("/echo")[:40]):
        async with Peer.raw(server) as peer:
            if said:
                await peer.send(said)
    assert await answer(server, request("/echo")) == 101
