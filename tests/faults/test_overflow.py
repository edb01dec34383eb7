"""Slow readers on a real socket: each policy, what they are told, and that nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from antiphon import Position
from antiphon.testing.guarantees import Ledger, Witness
from tests.faults.app import OUTBOX
from tests.faults.field import APP
from tests.hostile.peer import Peer, memory
from tests.servers import LiveServer

SIZE = 32 * 1024
#: More than the kernel's buffers, the outbox and the backlog hold; no more than the history keeps.
NUMBER = 250
WINDOW = 4096
#: What the allocator and the event loop need besides.
SLACK = 4 * 1024 * 1024


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with LiveServer.antiphon(APP, "--log-level", "error") as server:
        yield server


class Scene:
    """A channel with one who reads and one who does not.

    Attributes:
        keys: The last publication of each key.
    """

    def __init__(self, server: LiveServer, channel: str) -> None:
        self.channel = channel
        self.ledger = Ledger()
        self.slow, self.fast = self.ledger.witness("slow"), self.ledger.witness("fast")
        self.keys: dict[str, Position] = {}
        self._server = server
        self._number = 0

    @asynccontextmanager
    async def peer(self, witness: Witness, window: int | None = None) -> AsyncIterator[Peer]:
        since = witness.position
        query = "" if since is None else f"?since={since}"
        async with Peer.open(self._server, f"/listen/{self.channel}{query}", window=window) as peer:
            early = []
            while "recovered" not in (found := await message(peer)):
                early.append(found)
            witness.joined(since, found["recovered"], Position.parse(found["position"]))
            for each in early:
                witness.received_envelope(each)
            yield peer

    async def publish(self, number: int) -> Position:
        """Publish so much, one after the other without a pause."""
        async with connect(self._server.ws(f"/publish/{self.channel}"), compression=None) as ws:
            for _ in range(number):
                self._number += 1
                data = f"{self._number % 3} {self._number:<40}".ljust(SIZE, ".")
                await ws.send(data)
                position = Position.parse(str(await ws.recv()))
                self.ledger.published(data, position)
                self.keys[data[0]] = position
        return position

    async def dropped(self) -> int:
        async with httpx.AsyncClient() as http:
            statistics = (await http.get(self._server.http("/statistics"))).json()
        number: int = statistics["dropped"]
        return number


async def message(peer: Peer) -> dict[str, Any]:
    opcode, payload = await peer.frame()
    assert opcode == 1, (opcode, payload[:100])
    found: dict[str, Any] = msgspec.json.decode(payload)
    return found


async def read(peer: Peer, witness: Witness, until: Position) -> None:
    while witness.position != until:
        witness.received_envelope(await message(peer))


async def read_so_many(peer: Peer, witness: Witness, number: int) -> None:
    for _ in range(number):
        witness.received_envelope(await message(peer))


async def test_close(server: LiveServer) -> None:
    """CLOSE: 4008; by its position the client then has everything."""
    scene = Scene(server, "kept:x")
    async with scene.peer(scene.fast) as honest:
        async with scene.peer(scene.slow, WINDOW) as lagging:
            until, _ = await asyncio.gather(scene.publish(NUMBER), read_so_many(honest, scene.fast, NUMBER))
            while True:
                opcode, payload = await lagging.frame()
                if opcode == 8:
                    break
                scene.slow.received_envelope(msgspec.json.decode(payload))
            assert int.from_bytes(payload[:2], "big") == 4008
            assert b"too slow" in payload
            assert scene.slow.position != until
            scene.slow.left()
        async with scene.peer(scene.slow) as lagging:
            assert scene.slow.visits[-1].recovered is True
            await read(lagging, scene.slow, until)
    assert scene.ledger.violations(until) == []
    assert await scene.dropped() == 0


@pytest.mark.parametrize("policy", ["oldest", "newest", "latest"])
async def test_drop(server: LiveServer, policy: str) -> None:
    """DROP_OLDEST, DROP_NEWEST, LATEST: the client stays, and is told how many it did not get; what waits for
    it is bounded; others have everything."""
    scene = Scene(server, f"{policy}:x")
    async with scene.peer(scene.fast) as honest, scene.peer(scene.slow, WINDOW) as lagging:
        before = memory(server)
        until, _ = await asyncio.gather(scene.publish(NUMBER), read_so_many(honest, scene.fast, NUMBER))
        kept = NUMBER * SIZE
        assert memory(server) - before < kept + 2 * OUTBOX + SLACK
        dropped = await scene.dropped()
        assert dropped > 0
        if policy == "newest":
            # Told of what was dropped last with what comes next, once there is room again.
            await read_so_many(lagging, scene.slow, NUMBER - dropped)
            until = await scene.publish(1)
            await read(honest, scene.fast, until)
        await read(lagging, scene.slow, until)
    assert scene.ledger.violations(until) == []
    received = scene.slow.visits[-1].received
    assert sum(each.dropped for each in received) == dropped == await scene.dropped()
    assert len(received) + dropped == len(scene.fast.visits[-1].received)
    if policy == "latest":
        assert set(scene.keys.values()) <= {each.position for each in received}
