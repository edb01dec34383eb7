"""Back-pressure both ways: who lags costs no more memory than the limits say."""

import asyncio
import json
import urllib.request

from tests.hostile.app import INBOUND, OUTBOX
from tests.hostile.peer import Peer, bystander, memory, quiet
from tests.servers import LiveServer
from tests.wire.helpers import binary, text

MIB = 1024 * 1024

#: What Python and the event loop need beside the queues: read buffers, a copy on its way.
SLACK = 4 * MIB


def seen(server: LiveServer) -> dict[str, int]:
    with urllib.request.urlopen(server.http("/"), timeout=5) as response:
        counts: dict[str, int] = json.load(response)
    return counts


async def test_handler_lags(server: LiveServer) -> None:
    """A handler that takes nothing holds its peer back; when it goes on, nothing is lost."""
    message = binary(bytes(90_000))
    async with bystander(server) as honest, Peer.open(server, "/lags") as peer:
        before = memory(server)
        pouring = asyncio.create_task(peer.send(message * 400))
        await honest.gets(300)
        assert not pouring.done()
        assert memory(server) - before < INBOUND + SLACK
        async with Peer.raw(server) as other:
            await other.send(b"GET /release HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await other.status() == 204
        await pouring
        await peer.send(text("last"))
        assert await peer.frame() == (1, b"400")


async def test_peer_lags(server: LiveServer) -> None:
    """`await ws.send` waits for a peer that does not read, and goes on when it does."""
    async with bystander(server) as honest:
        before = memory(server)
        with quiet(server, 0):
            async with Peer.open(server, "/pours", window=4096) as peer:
                await honest.gets(200)
                waits = -1
                while waits != (waits := (await asyncio.to_thread(seen, server))["waits"]):
                    await honest.gets(100)
                assert waits
                assert memory(server) - before < SLACK
                for _ in range(waits + 50):
                    assert await peer.frame() == (2, bytes(50_000))
            await honest.gets(1)


async def test_peer_overflows(server: LiveServer) -> None:
    """Who does not read what is sent without waiting is disconnected with 4008, and one line tells of it."""
    async with bystander(server) as honest:
        before = memory(server)
        with quiet(server):
            async with Peer.open(server, "/floods", window=4096) as peer:
                while "reads too slowly" not in server.output():
                    assert memory(server) - before < OUTBOX + SLACK
                    await honest.gets(1)
                assert await peer.closed() == 4008
