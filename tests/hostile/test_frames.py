"""Peers that break the rules of the wire, or keep them to do harm."""

import asyncio
import zlib

import pytest

from tests.hostile.app import FRAGMENTS, MESSAGE
from tests.hostile.peer import CUT, Peer, bystander, memory, quiet
from tests.servers import LiveServer
from tests.wire.helpers import binary, client_frame, close, text

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
MIB = 1024 * 1024

BROKEN = {
    "unmasked": (text("x", mask=None), 1002),
    "reserved bit 1": (text("x", rsv=4), 1002),
    "reserved bit 2": (text("x", rsv=2), 1002),
    "reserved bit 3": (text("x", rsv=1), 1002),
    "reserved opcode": (client_frame(3, b"x"), 1002),
    "reserved control opcode": (client_frame(11, b"x"), 1002),
    "long ping": (client_frame(9, b"x" * 126), 1002),
    "fragmented ping": (client_frame(9, b"x", fin=False), 1002),
    "continuation of nothing": (client_frame(0, b"x"), 1002),
    "message in a message": (text("x", fin=False) + text("y"), 1002),
    "length not shortest": (text("x", length_bytes=8), 1002),
    "lone surrogate": (client_frame(1, b"\xed\xa0\x80"), 1007),
    "half a character": (client_frame(1, b"\xf0\x9f"), 1007),
    "lone surrogate in fragments": (client_frame(1, b"\xed", fin=False) + client_frame(0, b"\xa0\x80"), 1007),
    "large frame": (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask" + bytes(1000), 1009),
    "large message": (binary(bytes(MESSAGE), fin=False) + client_frame(0, b"x"), 1009),
    "endless fragments": (text("", fin=False) + client_frame(0, b"", fin=False) * 3 * FRAGMENTS, 1009),
    "close code 999": (close(999), 1002),
    "close code 1004": (close(1004), 1002),
    "close code 1005": (close(1005), 1002),
    "close code 1006": (close(1006), 1002),
    "close code 1016": (close(1016), 1002),
    "close code 2999": (close(2999), 1002),
    "close code 5000": (close(5000), 1002),
    "close of one byte": (client_frame(8, b"x"), 1002),
    "close reason not UTF-8": (close(1000, b"\xff"), 1007),
}


@pytest.fixture(params=["server", "fastnet", "plain"])
def each(request: pytest.FixtureRequest) -> LiveServer:
    """Each of the servers: ours, on either transports, and a plain ASGI application on our protocol."""
    server: LiveServer = request.getfixturevalue(request.param)
    return server


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_broken_rules(each: LiveServer, data: bytes, code: int) -> None:
    """A broken rule closes with its code, also when the peer never stops to send; others go on."""
    async with bystander(each) as honest, Peer.open(each) as peer:
        with quiet(each):
            await peer.send(data + binary(bytes(1000)) * 500)
            assert await peer.closed() == code
            await honest.gets(3)
            assert await peer.gone()


async def test_one_byte_messages(each: LiveServer) -> None:
    """A flood of messages of one byte, each read byte by byte too, is answered; so are others meanwhile."""
    async with bystander(each) as honest, Peer.open(each) as peer:
        with quiet(each, 0):
            flood = asyncio.create_task(peer.send(text("x") * 50_000))
            await honest.gets(3)
            for _ in range(50_000):
                assert await peer.frame() == (1, b"x")
            await flood
            for at in range(7 * 20):
                await peer.send(text("y")[at % 7 : at % 7 + 1])
            for _ in range(20):
                assert await peer.frame() == (1, b"y")


async def test_ping_flood(server: LiveServer) -> None:
    """Pings are answered as long as the peer reads; what it does not read costs no memory."""
    async with bystander(server) as honest, Peer.open(server, window=4096) as peer:
        before = memory(server)
        pings = client_frame(9, b"x" * 125) * 1000
        with quiet(server, 0):
            for _ in range(80):
                await peer.send(pings)
                await honest.gets(1)
        assert memory(server) - before < 5 * MIB
        assert await peer.frame() == (10, b"x" * 125)


def deflated(data: bytes) -> bytes:
    encoder = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (encoder.compress(data) + encoder.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def test_deflate_bombs(server: LiveServer) -> None:
    """A message that would become a thousand times as large is given up at its limit, 50 times over."""
    bomb = deflated(bytes(60 * MIB))
    assert len(bomb) < MESSAGE
    async with bystander(server) as honest:
        before = memory(server)
        for _ in range(50):
            async with Peer.open(server, "/echo", DEFLATE) as peer:
                with quiet(server):
                    await peer.send(client_frame(2, bomb, rsv=4))
                    assert await peer.closed() == 1009
            await honest.gets(1)
        assert memory(server) - before < 20 * MIB


async def test_broken_deflate(server: LiveServer) -> None:
    """What is no DEFLATE data closes with 1002."""
    async with Peer.open(server, "/echo", DEFLATE) as peer:
        with quiet(server):
            await peer.send(client_frame(2, b"\xff" * 100, rsv=4))
            assert await peer.closed() == 1002


@pytest.mark.parametrize("data", [b"", b"\x81", text("x" * 1000)[:500], text("x", fin=False)])
async def test_reset_within_a_message(each: LiveServer, data: bytes) -> None:
    """A reset at any point of a frame is nothing to write about, 20 times over."""
    async with bystander(each) as honest:
        with quiet(each, 0):
            for _ in range(20):
                async with Peer.open(each) as peer:
                    await peer.send(data)
            await honest.gets(3)


async def test_reset_within_the_close(each: LiveServer) -> None:
    """Nor is one with the close frame, or within it, or when the answer is on its way."""
    async with bystander(each) as honest:
        with quiet(each, 0):
            for at in range(len(close(1000, b"bye")) + 1):
                async with Peer.open(each) as peer:
                    await peer.send(close(1000, b"bye")[:at])
            await honest.gets(3)


async def test_says_on_after_the_close(each: LiveServer) -> None:
    """What follows a close frame is thrown away: the close is answered, and that is all."""
    async with Peer.open(each) as peer:
        with quiet(each, 0):
            await peer.send(close(3000) + text("more") * 100)
            assert await peer.frame() == (8, (3000).to_bytes(2, "big"))
            assert await peer.gone()


async def test_never_answers_the_close(server: LiveServer) -> None:
    """Who is told to go and stays is dropped when the deadline has passed, chatter or none."""
    async with Peer.open(server, "/subscribes") as peer:
        for name in ("a", "b", "c", "a", "d"):
            await peer.send(text(name))
        assert await peer.closed() == 1008
        for _ in range(100_000):
            await peer.send(text("a") * 100)
            if peer.writer.is_closing():
                break
            await asyncio.sleep(0.01)
        assert await peer.closed() == CUT
