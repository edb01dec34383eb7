"""Peers that are hostile before there is a connection: heads too large, malformed, broken off."""

import asyncio

import pytest

from antiphon import Limits
from tests.hostile.peer import Peer, bystander, memory, quiet, request
from tests.servers import LiveServer
from tests.wire.helpers import text

KIB = 1024
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def plain_request(*fields: str) -> bytes:
    return "\r\n".join(["GET / HTTP/1.1", "Host: localhost", *fields, "", ""]).encode("latin-1")


GIANTS = {
    "handshake": request("/echo", "X: " + "x" * 40 * KIB),
    "handshake of many fields": request("/echo", *(f"X-{n}: x" for n in range(5000))),
    "path": request("/" + "x" * 40 * KIB),
    "plain request": plain_request("X: " + "x" * 40 * KIB),
}


@pytest.mark.parametrize("data", GIANTS.values(), ids=GIANTS.keys())
async def test_giant_heads(server: LiveServer, data: bytes) -> None:
    """A head above the limit is refused with 431, in one read or in many."""
    async with bystander(server):
        for size in (len(data), 10_000, 1_000):
            with quiet(server):
                async with Peer.raw(server) as peer:
                    for at in range(0, len(data), size):
                        await peer.send(data[at : at + size])
                    assert await peer.status() == 431
                    assert await peer.gone()


async def test_endless_heads(server: LiveServer) -> None:
    """A header without end is refused when it is too large, and costs no memory from then on."""
    async with bystander(server) as honest:
        before = memory(server)
        with quiet(server):
            async with Peer.raw(server) as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
                # On a slow machine it goes on longer than it is listened to, and would lose the answer.
                answer = asyncio.create_task(peer.status())
                for _ in range(200):
                    await peer.send(b"x" * 100_000)
                    await honest.gets(1)
                assert await answer == 431
        assert memory(server) - before < 5_000_000


async def test_just_fits(server: LiveServer) -> None:
    """A head as large as the limit is none too large."""
    head = len(request("/echo", "X: "))
    async with Peer.open(server, "/echo", "X: " + "x" * (Limits().head - head - 10)):
        pass


INJECTIONS = {
    "line feed in a value": (request("/echo", "X: a\nSec-WebSocket-Protocol: b"), 400),
    "carriage return in a value": (request("/echo", "X: a\rb"), 400),
    "NUL in a value": (request("/echo", "X: a\x00b"), 400),
    "folded value": (request("/echo", "X: a", " Upgrade: b"), 400),
    "space before the colon": (request("/echo", "Host : a"), 400),
    "field without a name": (request("/echo", ": a"), 400),
    "field without a colon": (request("/echo", "Host"), 400),
    "space in the path": (request("/echo HTTP/1.1 /x"), 400),
    "second key": (request("/echo", KEY), 400),
    "second host": (request("/echo", "Host: elsewhere"), 400),
    "body": (request("/echo", "Content-Length: 5") + b"hello", 400),
    "chunked body": (request("/echo", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    "no version": (request().replace(b" HTTP/1.1", b""), 400),
    "HTTP/1.0": (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "key of no 16 bytes": (request().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"), 400),
    "old version": (request().replace(b"Version: 13", b"Version: 8"), 426),
    "POST": (request().replace(b"GET", b"POST"), 405),
    "no such path": (request("/nowhere"), 404),
}


@pytest.mark.parametrize(("data", "status"), INJECTIONS.values(), ids=INJECTIONS.keys())
async def test_injections(server: LiveServer, data: bytes, status: int) -> None:
    """What might be read in two ways, or is no handshake, is refused."""
    async with bystander(server):
        with quiet(server):
            async with Peer.raw(server) as peer:
                await peer.send(data)
                assert await peer.status() == status
                assert await peer.gone()


async def test_reset_at_every_stage(server: LiveServer) -> None:
    """A peer that resets the connection within or right after its handshake is nothing to write about."""
    head = request()
    async with bystander(server) as honest:
        with quiet(server, 0):
            for at in range(0, len(head) + 1, 3):
                async with Peer.raw(server) as peer:
                    await peer.send(head[:at])
                async with Peer.raw(server) as peer:
                    await peer.send(head[:at])
                    # Once the server has certainly read it.
                    await honest.gets(2)
            await honest.gets(5)


async def test_half_closed(server: LiveServer) -> None:
    """A peer that ends its side after the handshake is gone; the server does not wait for it."""
    async with Peer.open(server) as peer:
        with quiet(server, 0):
            peer.writer.write_eof()
            assert await peer.gone()


async def test_says_too_much_too_early(server: LiveServer) -> None:
    """What a peer sends before its handshake is answered is kept up to a limit, then it is held back."""
    async with bystander(server) as honest:
        before = memory(server)
        async with Peer.raw(server) as peer:
            await peer.send(request("/never"))
            early = asyncio.create_task(peer.send(bytes(50_000_000)))
            await honest.gets(200)
            assert not early.done()
            early.cancel()
            assert memory(server) - before < 5_000_000


async def test_paths_forge_no_logs(server: LiveServer) -> None:
    """What a peer puts into its path stays on the one line that tells of it."""
    async with Peer.raw(server) as peer:
        await peer.send(request("/echo%0aINFO:%20forged%1b[31m"))
        assert await peer.status()
    assert "\nINFO: forged" not in server.output()
    assert "\x1b" not in server.output()


async def test_upgrade_before_the_response_before(plain: LiveServer) -> None:
    """A handshake behind a request that is not answered yet is not answered in the midst of its response."""
    async with Peer.raw(plain) as peer:
        await peer.send(plain_request() + request())
        assert b" 101 " not in await peer.response()


async def test_gone_before_the_application_listens(plain: LiveServer) -> None:
    """An application that comes round to a peer that has left learns it, without a traceback."""
    before = plain.output().count("Traceback")
    async with Peer.raw(plain) as peer:
        await peer.send(request("/late"))
        await asyncio.sleep(0.05)
    async with Peer.open(plain, "/late") as peer:
        await peer.send(text("still there"))
        assert await peer.frame() == (1, b"still there")
    assert plain.output().count("Traceback") == before


async def test_frames_with_the_handshake(server: LiveServer) -> None:
    """Frames that come in one piece with the handshake are too early, but none of them is lost."""
    async with Peer.raw(server) as peer:
        await peer.send(request("/echo") + b"".join(text(f"{n}") for n in range(50)))
        assert await peer.status() == 101
        assert [await peer.frame() for _ in range(50)] == [(1, f"{n}".encode()) for n in range(50)]
