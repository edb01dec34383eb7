"""No connection keeps the server to itself, however fast its peer is."""

import asyncio

import pytest

from tests.hostile.peer import Peer, bystander
from tests.servers import LiveServer
from tests.wire.helpers import client_frame, text


async def test_endless_sender(server: LiveServer) -> None:
    """A handler that sends without end to a peer that reads at once leaves others their turns."""
    async with bystander(server) as honest, Peer.open(server, "/pours") as peer:
        reading = asyncio.create_task(read_all(peer))
        await honest.gets(100)
        assert not reading.done()
        reading.cancel()


@pytest.mark.parametrize(
    "flood",
    [
        text("x") * 200_000,
        client_frame(10) * 200_000,
        client_frame(9) * 100_000,
        (text("", fin=False) + client_frame(0, fin=False) * 48 + client_frame(0)) * 4_000,
    ],
    ids=["messages", "pongs", "pings", "fragments"],
)
async def test_flood(server: LiveServer, flood: bytes) -> None:
    """However much of what takes little room one client sends at a time, others are answered meanwhile."""
    async with bystander(server) as honest, Peer.open(server, "/counts") as peer:
        pouring = asyncio.create_task(peer.send(flood + text("last")))
        before = honest.answers
        while not (await peer.reader.read(1 << 16)).endswith(b"\x81\x04last"):
            pass
        assert honest.answers - before > 10
        await pouring


async def read_all(peer: Peer) -> None:
    while await peer.reader.read(1 << 20):
        pass
