"""Who publishes and who listens, each with a note of what it did and saw."""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from antiphon import Position
from antiphon.testing.guarantees import Ledger, Witness
from tests.servers import HOST, LiveServer

#: What a connection to a server that dies, or is dead, ends with.
GONE = (OSError, EOFError, TimeoutError, WebSocketException)

PATIENCE = 5.0
PAUSE = 0.3
#: The receive buffer of a slow reader: a kernel's own would hide that it is slow.
WINDOW = 4096


class Listener:
    """A client that listens to one channel, and comes back with its position whenever it is cut off.

    Args:
        witness: Notes what it sees.
        channel: What it listens to.
        servers: To which it may connect.
        chance: Chooses for it.

    Attributes:
        pause: Seconds for which it reads nothing, once.
        closed: The close codes that it was sent.
    """

    def __init__(
        self, witness: Witness, channel: str, servers: Sequence[LiveServer], chance: random.Random
    ) -> None:
        self.witness = witness
        self.channel = channel
        self.pause = 0.0
        self.closed: list[int] = []
        self._servers = servers
        self._chance = chance
        self._ws: ClientConnection | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            since = self.witness.position if self._chance.random() < 0.95 else None
            try:
                await self._listen(self._chance.choice(self._servers), since)
            except GONE:
                """It was cut off, or there was nobody: it comes again."""
            finally:
                self.witness.left()
                if self._ws is not None:
                    self.closed.append(self._ws.close_code or 1006)
                self._ws = None
            await asyncio.sleep(PAUSE * self._chance.random())

    @property
    def connected(self) -> bool:
        """Whether it listens now."""
        return self._ws is not None

    def drop(self) -> None:
        """Vanish without a word."""
        if self._ws is not None:
            self._ws.transport.abort()

    async def _listen(self, server: LiveServer, since: Position | None) -> None:
        path = f"/listen/{self.channel}" + ("" if since is None else f"?since={since}")
        peer = await _socket(server.port, WINDOW if self.channel.endswith("large") else None)
        try:
            ws = await connect(
                server.ws(path),
                sock=peer,
                open_timeout=PATIENCE,
                close_timeout=1,
                ping_interval=None,
                max_queue=4,
            )
        except BaseException:
            peer.close()
            raise
        try:
            self._ws = ws
            early = []
            while True:
                message = msgspec.json.decode(await ws.recv())
                if "recovered" not in message:
                    # What is recovered comes before the verdict.
                    early.append(message)
                    continue
                self.witness.joined(since, message["recovered"], Position.parse(message["position"]))
                break
            for each in early:
                self.witness.received_envelope(each)
            while True:
                self.witness.received_envelope(msgspec.json.decode(await ws.recv()))
                if self.pause > 0:
                    pause, self.pause = self.pause, 0.0
                    await asyncio.sleep(pause)
        finally:
            ws.transport.abort()
            await ws.wait_closed()


class Publisher:
    """Publishes on one channel, each publication until it is confirmed.

    Args:
        ledger: Notes what it did.
        channel: Where it publishes.
        size: Bytes of each publication.
        rate: Publications in a second.
        servers: To which it may connect.
        chance: Chooses for it.

    Attributes:
        confirmed: Publications that were confirmed.
        uncertain: Attempts of which nobody knows whether they have published.
    """

    def __init__(
        self,
        ledger: Ledger,
        channel: str,
        size: int,
        rate: float,
        servers: Sequence[LiveServer],
        chance: random.Random,
    ) -> None:
        self.confirmed = self.uncertain = 0
        self._ledger = ledger
        self._channel = channel
        self._size = size
        self._rate = rate
        self._servers = servers
        self._chance = chance
        self._data = ""

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Publish for as long as that holds, and until the last one is confirmed."""
        while goes_on() or self._data:
            try:
                await self._publish(self._chance.choice(self._servers), goes_on)
            except GONE:
                self._nobody_knows()
                await asyncio.sleep(PAUSE)

    async def _publish(self, server: LiveServer, goes_on: Callable[[], bool]) -> None:
        url = server.ws(f"/publish/{self._channel}")
        async with connect(url, open_timeout=PATIENCE, close_timeout=1, ping_interval=None) as ws:
            while self._data or goes_on():
                if not self._data:
                    name = f"{self._chance.randrange(10)} {self._chance.randbytes(12).hex()}"
                    self._data = f"{name:<40}".ljust(self._size, ".")
                await ws.send(self._data)
                async with asyncio.timeout(PATIENCE):
                    answer = str(await ws.recv())
                if answer == "null":
                    self._nobody_knows()
                    await asyncio.sleep(PAUSE)
                else:
                    self._ledger.published(self._data, Position.parse(answer))
                    self.confirmed += 1
                    self._data = ""
                    await asyncio.sleep(self._chance.expovariate(self._rate))

    def _nobody_knows(self) -> None:
        if self._data:
            self.uncertain += 1
            self._ledger.perhaps_published(self._data)


async def _socket(port: int, window: int | None) -> socket.socket:
    peer = socket.socket()
    try:
        if window is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, (HOST, port))
    except BaseException:
        peer.close()
        raise
    return peer
