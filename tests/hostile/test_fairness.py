"""No connection keeps the server to itself, however fast its peer is."""

import asyncio

from tests.hostile.peer import Peer, bystander
from tests.servers import LiveServer


async def test_endless_sender(server: LiveServer) -> None:
    """A handler that sends without end to a peer that reads at once leaves others their turns."""
    async with bystander(server) as honest, Peer.open(server, "/pours") as peer:
        reading = asyncio.create_task(read_all(peer))
        await honest.gets(100)
        assert not reading.done()
        reading.cancel()


async def read_all(peer: Peer) -> None:
    while await peer.reader.read(1 << 20):
        pass
