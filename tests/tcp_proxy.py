"""A TCP proxy that misbehaves when told to: between a client and a server, it stands for the network.

async with TcpProxy(server.port) as proxy:
    client = connect(HOST, proxy.port)
    proxy.cut()        # every connection breaks; new ones are made
    proxy.refuse()     # every connection breaks; new ones are refused
    proxy.stall()      # nothing passes any more, and nobody is told
    proxy.resume()     # as at the beginning
"""

import asyncio
from types import TracebackType
from typing import Self

from tests.servers import HOST, free_loopback_port

CHUNK = 64 * 1024


class TcpProxy:
    """Passes bytes on between a port of its own and another one.

    Args:
        target: The port to pass on to, on the loopback.
        delay: Seconds by which everything is late.

    Attributes:
        port: Its own.
        target: Where new connections are passed on to.
        accepted: Connections that were made, in all.
    """

    def __init__(self, target: int, *, delay: float = 0.0) -> None:
        self.port = free_loopback_port()
        self.accepted = 0
        self.delay = delay
        self.target = target
        self._server: asyncio.Server | None = None
        self._refusing = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def __repr__(self) -> str:
        return f"<TcpProxy {self.port} -> {self.target}, {len(self._writers) // 2} connections>"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, as a reset."""
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self) -> None:
        """Break every connection, and each new one as soon as it is made."""
        self._refusing = True
        self.cut()

    def stall(self) -> None:
        """Pass nothing on, in either direction, with all connections open."""
        self._passing.clear()

    def resume(self) -> None:
        """Accept connections and pass on."""
        self._refusing = False
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._refusing:
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        self._writers.add(far_writer)
        try:
            ways = [
                asyncio.ensure_future(self._carry(reader, far_writer)),
                asyncio.ensure_future(self._carry(far_reader, writer)),
            ]
            try:
                # When one way ends, so does the connection.
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            far_writer.transport.abort()
            self._writers.discard(far_writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._passing.wait()
            writer.write(chunk)
            await writer.drain()
