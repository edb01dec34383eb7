"""The sending half of a connection, over real sockets."""

import asyncio
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from os import urandom
from typing import cast

import pytest

from antiphon import Limits
from antiphon.connection.transport import Receiver
from antiphon.connection.transports.compression import Compression
from antiphon.connection.transports.writer import FrameWriter
from antiphon.loop import tick_of
from antiphon.wire import Deflate, binary_frame, negotiate, text_frame
from tests.loops import LOOPS

Loop = Callable[[], asyncio.AbstractEventLoop]

#: Closing a socket with this lets its peer have a reset.
AT_ONCE = struct.pack("ii", 1, 0)


class Sending(asyncio.Protocol):
    """A server's side that only sends."""

    def __init__(self) -> None:
        self.made: asyncio.Future[FrameWriter] = asyncio.get_running_loop().create_future()
        self.finished = asyncio.Event()
        self.writer: FrameWriter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        limits = Limits()
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=limits.high_water)
        self.writer = FrameWriter(cast(asyncio.Transport, transport), limits)
        self.writer.receiver = cast(Receiver, self)
        self.made.set_result(self.writer)

    def pause_writing(self) -> None:
        self.writer.pause_writing()

    def resume_writing(self) -> None:
        self.writer.resume_writing()

    def eof_received(self) -> None:
        self.finished.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.writer.receiver = None
        self.writer._wake()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[FrameWriter, socket.socket]]:
    """A server's side that only sends, and its peer."""
    sending = Sending()
    server = await asyncio.get_running_loop().create_server(lambda: sending, "127.0.0.1", 0)
    async with server:
        with socket.create_connection(server.sockets[0].getsockname()) as peer:
            peer.setblocking(False)
            yield await sending.made, peer


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_peer_is_gone(make_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """Who sends much to a peer that has reset the connection is told to wait, until it hears of that."""

    async def send() -> bool:
        sending = Sending()
        server = await asyncio.get_running_loop().create_server(lambda: sending, "127.0.0.1", 0)
        async with server:
            peer = socket.create_connection(server.sockets[0].getsockname())
            writer = await sending.made
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            peer.close()
            # All in one tick: the event loop has told nothing yet.
            free = [writer.write(bytes(50_000)) for _ in range(100)]
            await writer.drain()
        return any(free[10:])

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert not runner.run(asyncio.wait_for(send(), 5))
    assert not caplog.records


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_peer_has_finished(make_loop: Loop) -> None:
    """A peer that sends no more, and reads on, gets all that waits for it and all that is sent meanwhile."""

    async def send() -> tuple[bytes, bytes]:
        sending, loop = Sending(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: sending, "127.0.0.1", 0)
        async with server:
            with socket.socket() as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
                peer.connect(server.sockets[0].getsockname())
                peer.setblocking(False)
                writer = await sending.made
                sent = b""
                while writer.socket.get_write_buffer_size() <= Limits().high_water:
                    sent += put(writer)
                    await asyncio.sleep(0)
                for _ in range(3):
                    sent += put(writer)
                peer.shutdown(socket.SHUT_WR)
                await sending.finished.wait()
                assert writer.socket.is_closing()
                for _ in range(3):
                    sent += put(writer)
                got = b""
                while part := await loop.sock_recv(peer, 1_000_000):
                    got += part
        return sent, got

    def put(writer: FrameWriter) -> bytes:
        message = urandom(40_000)
        writer.write(message)
        return binary_frame(message)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        sent, got = runner.run(asyncio.wait_for(send(), 5))
    assert got == sent


class Kind(StrEnum):
    A = "a text as well"


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_large_messages(make_loop: Loop) -> None:
    """Large and small messages, text and binary, arrive in the order in which they were sent."""
    messages = [
        "short",
        Kind.A,
        "x" * 100_000,
        urandom(16_384),
        urandom(16_385),
        "\u00e9" * 20_000,
        bytearray(50_000),
        "!",
    ]

    async def send() -> bytes:
        loop = asyncio.get_running_loop()
        async with connected() as (writer, peer):
            for message in messages:
                writer.write(cast(str, message))
                if isinstance(message, bytearray):
                    # What the caller does with it afterwards is no concern of ours.
                    message[:] = urandom(len(message))
            writer.flush()
            writer.socket.close()
            got = b""
            while part := await loop.sock_recv(peer, 1_000_000):
                got += part
        return got

    expected = b"".join(
        text_frame(each) if isinstance(each, str) else binary_frame(bytes(each)) for each in messages
    )
    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(asyncio.wait_for(send(), 5)) == expected


async def test_no_copy() -> None:
    """A large binary message is not copied to wait."""
    async with connected() as (writer, _):
        message = bytes(1_000_000)
        tracemalloc.start()
        try:
            writer.write(message)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        writer.socket.abort()
    assert peak < 100_000


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize(("count", "size"), [(1, 1_500_000), (2, 70_000)])
def test_much_over_time(make_loop: Loop, count: int, size: int) -> None:
    """Who sends much, but little at a time, is not told to let the others have their turn."""

    async def send() -> int:
        loop = asyncio.get_running_loop()
        async with connected() as (writer, peer):
            message, waits = bytes(size), 0
            for _ in range(40):
                for _ in range(count):
                    waits += not writer.write(message)
                left = count * len(binary_frame(message))
                while left:
                    left -= len(await loop.sock_recv(peer, left))
                await writer.drain()
            writer.socket.abort()
        return waits

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(asyncio.wait_for(send(), 10)) == 0


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_much_at_a_time(make_loop: Loop) -> None:
    """Who sends one message after the other is told to wait after a MiB, however fast the peer reads."""

    async def send() -> int:
        async with connected() as (writer, _):
            sent = 70_000
            while writer.write(bytes(70_000)):
                sent += 70_000
            writer.socket.abort()
        return sent

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert 1_000_000 < runner.run(asyncio.wait_for(send(), 10)) < 1_300_000


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize(
    ("message", "deflated", "most"), [("", False, 40_000), ("x", False, 40_000), ("x" * 200_000, True, 10)]
)
def test_many_at_a_time(make_loop: Loop, message: str, deflated: bool, most: int) -> None:
    """Messages that are few bytes when they leave make their sender wait, too: they have taken their time."""

    async def send() -> int:
        async with connected() as (writer, _):
            if deflated:
                deflate(writer)
            sent = 1
            while writer.write(message):
                sent += 1
            writer.socket.abort()
        return sent

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(asyncio.wait_for(send(), 10)) < most


async def test_much_deflated_over_time() -> None:
    """What was deflated in earlier ticks makes no sender wait."""
    async with connected() as (writer, _):
        deflate(writer)
        for _ in range(20):
            assert writer.write("x" * 200_000)
            await asyncio.sleep(0)
        writer.socket.abort()


def deflate(writer: FrameWriter) -> None:
    """Send as to a peer that has agreed on permessage-deflate."""
    agreement = negotiate([("permessage-deflate", ())], Deflate())
    assert agreement is not None
    writer._compression = Compression(agreement)


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_who_does_not_wait(make_loop: Loop) -> None:
    """Who is told to wait and does not sends on while there is room, and no further than the limit."""

    async def send() -> bool:
        async with connected() as (writer, _):
            message = bytes(70_000)
            while writer.write(message):
                pass
            for _ in range(3):
                writer.write(message)
            # At the socket, but for the last.
            assert writer._size < 2 * len(message)
            assert str(tick_of(asyncio.get_running_loop())) == "<Tick with 1 to flush>"
            # One that is larger than the outbox has its room as ever.
            writer.write(bytes(Limits().outbox + 1))
            while writer.socket.get_write_buffer_size() <= Limits().high_water:
                writer.write(message)
            for _ in range(3):
                await asyncio.sleep(0)
            free = writer.write(b"")
            writer.socket.abort()
        return free

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert not runner.run(asyncio.wait_for(send(), 10))
