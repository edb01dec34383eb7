"""A peer that does as it likes: raw bytes over a real socket, and what comes back."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

from tests.servers import HOST, LiveServer
from tests.wire.helpers import text

#: Seconds after which a test fails rather than waits on.
PATIENCE = 15

#: TCP's reset, or its ordinary end without a close frame.
CUT = 1006

#: A ping's opcode (RFC 6455 § 5.2).
PING = 9


def request(path: str = "/echo", *fields: str) -> bytes:
    """An opening handshake."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Peer:
    """One connection to a server, of which this side keeps to no rule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: LiveServer, address: str = HOST, window: int | None = None) -> Self:
        """Open a socket, from an address of this machine, with a receive buffer of so many bytes."""
        sock = socket.socket()
        if window is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.bind((address, 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (HOST, server.port))
        return cls(*await asyncio.open_connection(sock=sock))

    @classmethod
    @contextlib.asynccontextmanager
    async def raw(cls, server: LiveServer, address: str = HOST) -> AsyncIterator[Self]:
        """A socket on which nothing was said."""
        peer = await cls.connect(server, address)
        try:
            async with asyncio.timeout(PATIENCE):
                yield peer
        finally:
            peer.reset()
            # The socket is closed when the event loop comes round to it.
            await asyncio.sleep(0)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, server: LiveServer, path: str = "/echo", *fields: str, window: int | None = None
    ) -> AsyncIterator[Self]:
        """A connection whose handshake was accepted."""
        peer = await cls.connect(server, window=window)
        try:
            async with asyncio.timeout(PATIENCE):
                peer.writer.write(request(path, *fields))
                assert await peer.status() == 101
                yield peer
        finally:
            peer.reset()
            # The socket is closed when the event loop comes round to it.
            await asyncio.sleep(0)

    async def send(self, data: bytes) -> None:
        """Send bytes; that the server has had enough is no error."""
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def response(self) -> bytes:
        """The head of an HTTP response; nothing when there is none."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            return b""

    async def status(self) -> int:
        """The status of an HTTP response; 0 when there is none."""
        head = await self.response()
        return int(head.split(b" ")[1]) if head else 0

    async def frame(self) -> tuple[int, bytes]:
        """The opcode and the payload of the server's next frame."""
        first, size = await self.reader.readexactly(2)
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await self.reader.readexactly(width), "big")
        return first & 15, await self.reader.readexactly(size)

    async def closed(self) -> int:
        """The server's close code, after whatever else it sends; ``CUT`` when there is none."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == 8:
                    return int.from_bytes(payload[:2], "big")
        except (asyncio.IncompleteReadError, OSError):
            return CUT

    async def gone(self) -> bool:
        """Whether the server ends TCP as well, after whatever else it says."""
        with contextlib.suppress(OSError):
            await self.reader.read()
        return True

    def reset(self) -> None:
        """Be gone at once, with TCP's reset."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Bystander:
    """An honest client beside the attack, whose echo has to go on."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.answers = 0
        self._answered = asyncio.Event()
        self._task = asyncio.create_task(self._echo())

    async def _echo(self) -> None:
        while True:
            message = f"message {self.answers}"
            self._peer.writer.write(text(message))
            answer = await self._peer.frame()
            if answer[0] == PING:
                answer = await self._peer.frame()
            assert answer == (1, message.encode())
            self.answers += 1
            self._answered.set()

    async def gets(self, count: int) -> None:
        """Wait for so many further answers."""
        enough = self.answers + count
        while self.answers < enough:
            self._answered.clear()
            news = asyncio.create_task(self._answered.wait())
            await asyncio.wait([news, self._task], return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                news.cancel()
                self._task.result()

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()


@contextlib.asynccontextmanager
async def bystander(server: LiveServer) -> AsyncIterator[Bystander]:
    """An honest client, which must have got answers all the while."""
    async with Peer.open(server) as peer:
        honest = Bystander(peer)
        await honest.gets(1)
        yield honest
        await honest.gets(5)
        await honest.leave()


def memory(server: LiveServer) -> int:
    """Bytes of memory that the server's process holds."""
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("a process without memory")


@contextlib.contextmanager
def quiet(server: LiveServer, lines: int = 1) -> Iterator[None]:
    """The server writes so many lines at most meanwhile, beside those of accepted handshakes."""
    before = len(server.output())
    yield
    written = server.output()[before:]
    assert "Traceback" not in written, written
    told = [line for line in written.splitlines() if '"WebSocket ' not in line and '"GET ' not in line]
    assert len(told) <= lines, written
