"""Several pieces in one write."""

import asyncio
import socket
import tracemalloc
from collections.abc import Callable
from os import urandom
from typing import cast

import pytest

from antiphon.loop import write_pieces
from tests.loops import LOOPS

HIGH_WATER = 10_000


class Noting(asyncio.Protocol):
    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(cast(asyncio.Transport, transport))

    def pause_writing(self) -> None:
        self.paused = True


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_in_order(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """All pieces arrive in their order, and whoever writes more than the peer reads is held back."""

    async def write() -> tuple[bytes, bytes, bool]:
        noting, loop = Noting(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: noting, "127.0.0.1", 0)
        async with server:
            with socket.create_connection(server.sockets[0].getsockname()) as peer:
                peer.setblocking(False)
                transport = await noting.made
                transport.set_write_buffer_limits(high=HIGH_WATER)
                sent = got = b""
                while transport.get_write_buffer_size() <= HIGH_WATER:
                    pieces = [urandom(size) for size in (10, 400_000, 2, 90_000)]
                    write_pieces(transport, pieces)
                    sent += b"".join(pieces)
                paused = noting.paused
                transport.close()
                while part := await loop.sock_recv(peer, 1_000_000):
                    got += part
        return sent, got, paused

    with asyncio.Runner(loop_factory=make_loop) as runner:
        sent, got, paused = runner.run(asyncio.wait_for(write(), 10))
    assert got == sent
    assert paused


@pytest.mark.parametrize("name", ["uvloop", "fastnet"])
def test_no_copy(name: str) -> None:
    """Event loops that take pieces as they are get them so."""

    async def write() -> int:
        noting, loop = Noting(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: noting, "127.0.0.1", 0)
        async with server:
            with socket.create_connection(server.sockets[0].getsockname()):
                transport = await noting.made
                pieces = [bytes(10), bytes(10_000_000)]
                tracemalloc.start()
                try:
                    write_pieces(transport, pieces)
                    return tracemalloc.get_traced_memory()[1]
                finally:
                    tracemalloc.stop()
                    transport.abort()

    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        assert runner.run(asyncio.wait_for(write(), 10)) < 1_000_000
