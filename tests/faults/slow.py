"""Many subscribers, of whom some never read: `python -m tests.faults.slow [SUBSCRIBERS SILENT NUMBER]`.

The publisher goes as fast as those who read: it waits when the slowest of them is so far behind that its
outbox would fill. What the silent ones cost is held against the arithmetic of the limits.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import connect

from tests.faults.app import HISTORY, OUTBOX
from tests.faults.field import APP
from tests.hostile.peer import PATIENCE, Peer, memory, request
from tests.servers import LiveServer

SIZE = 1024
#: A frame with so much text: its head has four bytes.
FRAME = SIZE + 4
#: Publications that the slowest reader may lag: half of what an outbox holds.
AHEAD = OUTBOX // SIZE // 2
WINDOW = 4096
#: Publications before memory is measured first.
WARM = 200
#: What the allocator and the event loop need besides.
SLACK = 8 * 1024 * 1024


@dataclass(frozen=True)
class Figures:
    """What it cost."""

    channel: str
    subscribers: int
    silent: int
    published: int
    seconds: float
    grown: int
    bound: int
    dropped: int
    still_connected: int

    def __str__(self) -> str:
        return (
            f"{self.channel}: {self.published} publications of {SIZE} bytes,"
            f" {self.subscribers} subscribers, {self.silent} of whom never read, in {self.seconds:.1f} s"
            f" ({self.published * (self.subscribers - self.silent) / self.seconds:,.0f} deliveries/s);"
            f" memory grew by {self.grown / 2**20:.1f} MiB of at most {self.bound / 2**20:.1f};"
            f" {self.dropped} dropped; {self.still_connected} subscribers at the end"
        )


class Readers:
    """Those who read, each for itself; an error as soon as one gets anything but the next publication."""

    def __init__(self, peers: list[Peer]) -> None:
        self._peers = peers
        self._received = [0] * len(peers)
        self._progress = asyncio.Event()

    async def read(self, which: int, number: int) -> None:
        reader, rest, received = self._peers[which].reader, b"", 0
        while received < number:
            data = rest + await reader.read(1 << 16)
            assert len(data) > len(rest), "disconnected"
            whole = len(data) - len(data) % FRAME
            for at in range(0, whole, FRAME):
                received += 1
                assert data[at : at + 12] == b"\x81\x7e\x04\x00%08d" % received, (
                    data[at : at + 12],
                    received,
                )
            rest = data[whole:]
            self._received[which] = received
            self._progress.set()

    async def are_within(self, number: int) -> None:
        """Wait until the slowest has got so far."""
        while min(self._received) < number:
            self._progress.clear()
            await self._progress.wait()


async def slow_readers(channel: str, subscribers: int, silent: int, number: int) -> Figures:
    """Publish to so many, of whom so many never read."""
    async with AsyncExitStack() as stack:
        # Pings would stand between the frames.
        options = ("--log-level", "error", "--timeout", "ping_interval=3600")
        server = stack.enter_context(LiveServer.antiphon(APP, *options))
        peers = []
        for which in range(subscribers):
            peer = await Peer.connect(server, window=WINDOW if which < silent else None)
            stack.callback(peer.reset)
            peer.writer.write(request(f"/hear/{channel}"))
            async with asyncio.timeout(PATIENCE):
                assert await peer.status() == 101
                assert await peer.frame() == (1, b"ready")
            peers.append(peer)
        readers = Readers(peers[silent:])
        began, first, most = 0.0, 0, 0
        async with (
            asyncio.TaskGroup() as group,
            connect(server.ws(f"/publish/{channel}"), compression=None, ping_interval=None) as publisher,
        ):
            for which in range(subscribers - silent):
                group.create_task(readers.read(which, number))
            for published in range(1, number + 1):
                await readers.are_within(published - AHEAD)
                await publisher.send(f"{published:08}".ljust(SIZE, "."))
                await publisher.recv()
                if published == WARM:
                    began, first = time.monotonic(), memory(server)
                if published > WARM and published % 50 == 0:
                    most = max(most, memory(server))
        async with httpx.AsyncClient() as http:
            statistics = (await http.get(server.http("/statistics"))).json()
            remaining = subscribers if statistics["dropped"] else subscribers - silent
            # Who is disconnected has some seconds to answer.
            async with asyncio.timeout(PATIENCE):
                while (connected := await count(http, server, channel)) != remaining:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    # An outbox, and a backlog as large, for each; the history, in which each is held with its envelope.
    bound = silent * 2 * OUTBOX + HISTORY.size * 2 * SIZE + SLACK
    seconds = time.monotonic() - began
    return Figures(
        channel,
        subscribers,
        silent,
        number - WARM,
        seconds,
        most - first,
        bound,
        statistics["dropped"],
        connected,
    )


async def count(http: httpx.AsyncClient, server: LiveServer, channel: str) -> int:
    number: int = (await http.get(server.http(f"/subscribers/{channel}"))).json()["subscribers"]
    return number


if __name__ == "__main__":
    sizes = [int(each) for each in sys.argv[1:]] or [1000, 50, 4000]
    for policy in ("kept:x", "oldest:x"):
        figures = asyncio.run(slow_readers(policy, *sizes))
        print(figures, flush=True)
        if figures.grown > figures.bound:
            sys.exit("memory is not bounded")
