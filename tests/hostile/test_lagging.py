"""Back-pressure both ways: who lags costs no more memory than the limits say."""

import asyncio
import json
import urllib.request

from tests.hostile.app import INBOUND, OUTBOX
from tests.hostile.peer import Peer, bystander, memory, quiet
from tests.servers import LiveServer
from tests.wire.helpers import binary, close, text

MIB = 1024 * 1024

#: What Python and the event loop need beside the queues: read buffers, a copy on its way.
SLACK = 4 * MIB


def seen(server: LiveServer) -> dict[str, int]:
    with urllib.request.urlopen(server.http("/"), timeout=5) as response:
        counts: dict[str, int] = json.load(response)
    return counts


async def test_handler_lags(either: LiveServer) -> None:
    """A handler that takes nothing holds its peer back; when it goes on, nothing is lost."""
    message = binary(bytes(90_000))
    async with bystander(either) as honest, Peer.open(either, "/lags") as peer:
        before = memory(either)
        pouring = asyncio.create_task(peer.send(message * 400))
        await honest.gets(300)
        assert not pouring.done()
        assert memory(either) - before < INBOUND + SLACK
        async with Peer.raw(either) as other:
            await other.send(b"GET /release HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await other.status() == 204
        await pouring
        await peer.send(text("last"))
        assert await peer.frame() == (1, b"400")


async def test_peer_lags(either: LiveServer) -> None:
    """`await ws.send` waits for a peer that does not read, and goes on when it does."""
    async with bystander(either) as honest:
        before = memory(either)
        with quiet(either, 0):
            async with Peer.open(either, "/pours", window=4096) as peer:
                await honest.gets(200)
                waits = -1
                while waits != (waits := (await asyncio.to_thread(seen, either))["waits"]):
                    await honest.gets(100)
                assert waits
                assert memory(either) - before < SLACK
                for _ in range(waits + 50):
                    assert await peer.frame() == (2, bytes(50_000))
            await honest.gets(1)


async def test_peer_overflows(either: LiveServer) -> None:
    """Who does not read what is sent without waiting is disconnected with 4008, and one line tells of it."""
    async with bystander(either) as honest:
        before = memory(either)
        with quiet(either):
            async with Peer.open(either, "/floods", window=4096) as peer:
                while "reads too slowly" not in either.output():
                    assert memory(either) - before < OUTBOX + SLACK
                    await honest.gets(1)
                assert await peer.closed() == 4008


async def test_application_leaves(plain: LiveServer) -> None:
    """A client that was held back when a plain ASGI application left says goodbye, and TCP ends in order."""
    async with Peer.open(plain, "/leaves") as peer:
        await peer.send(text("x") * 1000)
        assert await peer.frame() == (8, b"\x03\xe8")
        await peer.send(close(1000))
        # After the close deadline it would be a reset.
        assert await peer.reader.read() == b""
