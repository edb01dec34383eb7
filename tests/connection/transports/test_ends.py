"""How a connection of our own server ends, over a socket that is made up: nothing follows a close frame."""

import asyncio
import gc
import hashlib
import tracemalloc
import zlib
from typing import Any, cast
from unittest.mock import Mock

import pytest

from antiphon import Limits, Timeouts
from antiphon.connection import OutboxFull, Terms
from antiphon.connection.transports.direct import DirectTransport
from antiphon.wire import Deflate, Opcode, frame, negotiate
from tests.wire.helpers import client_frame

TAKEOVER = Deflate(server_no_context_takeover=False, client_no_context_takeover=False, threshold=0)


def opened(agreement: Any = None, early: bytes = b"", limits: Limits | None = None) -> DirectTransport:
    """An open connection; what it writes is in its socket's `write`."""
    handshake, socket = Mock(), Mock()
    handshake.accept.return_value = (b"", agreement)
    handshake.hand_over.return_value = early
    socket.get_write_buffer_size.return_value = 0
    socket.is_closing.return_value = False
    made = DirectTransport(socket, handshake, Terms(limits or Limits(), Timeouts(ping_interval=None), None))
    made.attach(Mock())
    made.accept(None, ())
    socket.write.reset_mock()
    return made


def written(transport: DirectTransport) -> bytes:
    return b"".join(call.args[0] for call in cast(Any, transport.socket).write.call_args_list)


async def test_shutdown_is_the_end_for_who_sends() -> None:
    """A server that stops tells the sender, then waits for the peer's answer (RFC 6455 § 5.5.1)."""
    transport = opened()
    receiver = cast(Any, transport.receiver)
    transport.take_leave(1012, "")
    receiver.connection_lost.assert_called_once_with(1012, "")
    transport.data_received(client_frame(1, b"late") + client_frame(8, b"\x03\xf4"))
    cast(Any, transport.socket).close.assert_called_once()
    receiver.messages_received.assert_not_called()
    transport.connection_lost(None)
    receiver.connection_lost.assert_called_once()


async def test_shutdown_lets_go_who_waits() -> None:
    """Who waits for a peer that does not read is told that it is over when the server stops."""
    transport = opened()
    transport.pause_writing()
    waiting = asyncio.create_task(transport.drain())
    await asyncio.sleep(0)
    transport.take_leave(1012, "")
    await asyncio.wait_for(waiting, 5)
    transport.connection_lost(None)


async def test_who_reads_is_there() -> None:
    """A peer that takes what waits for it has given a sign of life."""
    transport = opened()
    transport.heard = False
    transport.pause_writing()
    transport.resume_writing()
    assert transport.heard
    transport.heard = False
    while transport.write("x" * 10_000):
        pass
    await transport.drain()
    # That was a breath, which says nothing of the peer.
    assert not transport.heard
    transport.connection_lost(None)


@pytest.mark.parametrize("last", [client_frame(8, b"\x03\xe8"), b"\xff\xff"])
async def test_nothing_follows_the_close_frame(last: bytes) -> None:
    """What waited for a peer that does not read is not sent after the answer to its end."""
    transport = opened()
    transport.pause_writing()
    transport.write("waits")
    transport.data_received(client_frame(9, b"1"))
    transport.data_received(last)
    transport.resume_writing()
    sent = written(transport)
    assert sent[0] == 0x80 | Opcode.CLOSE
    assert len(sent) == 2 + sent[1]
    transport.connection_lost(None)


async def test_half_closed_peer_has_a_deadline() -> None:
    """Who sends no more, and does not take what waits, is not kept."""
    transport = opened()
    transport.eof_received()
    assert transport._timer is not None
    transport.connection_lost(None)


async def test_half_closed_peer_gets_its_answers() -> None:
    """What was answered in the tick in which the peer stops sending leaves before the socket is closed."""
    transport = opened()
    transport.write("answer")
    transport.eof_received()
    assert written(transport) == b"\x81\x06answer"
    transport.connection_lost(None)


async def test_nothing_is_compressed_for_nobody() -> None:
    """What is sent when the socket is gone is not compressed, which may take long."""
    transport = opened(negotiate([("permessage-deflate", ())], TAKEOVER))
    transport.part()
    transport.write("x" * 10_000)
    assert "10004 bytes waiting" in repr(transport)
    transport.connection_lost(None)


async def test_failure_keeps_nothing() -> None:
    """What was received of a message goes with its connection's failure, without the collector."""
    transport = opened()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        transport.data_received(client_frame(2, bytes(900_000), fin=False))
        transport.data_received(client_frame(0, bytes(900_000), fin=False))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 100_000
    transport.connection_lost(None)


async def test_gone_before_the_last_word() -> None:
    """A peer that has reset the connection, which is not told yet, is no error to who says why it ends."""
    transport = opened()
    cast(Any, transport.socket).write_eof.side_effect = OSError(107, "not connected")
    transport.data_received(b"\xff\xff")
    assert written(transport)[0] == 0x80 | Opcode.CLOSE
    transport.connection_lost(None)


async def test_lost_before_anybody_listened() -> None:
    """Who takes over a connection that is gone already learns it."""
    transport = DirectTransport(Mock(), Mock(), Terms())
    transport.connection_lost(None)
    receiver = Mock()
    transport.attach(receiver)
    receiver.connection_lost.assert_called_once_with(1006, "")
    assert not transport.connecting


async def test_early_messages_come_first() -> None:
    """What came before the handshake was answered comes before what is read after it."""
    transport = opened(early=client_frame(1, b"one") + client_frame(1, b"two")[:3])
    transport.data_received(client_frame(1, b"two")[3:])
    receiver = cast(Any, transport.receiver)
    assert [list(call.args[0]) for call in receiver.messages_received.call_args_list] == [["one", "two"]]
    transport.connection_lost(None)


async def test_refused_message_is_no_context() -> None:
    """With context takeover, nothing refers to a message that there was no room for (RFC 7692 § 7.1.1)."""
    agreement = negotiate([("permessage-deflate", ())], TAKEOVER)
    transport = opened(agreement, limits=Limits(outbox=1000, high_water=100))
    text = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(8))
    transport.pause_writing()
    cast(Any, transport.socket).get_write_buffer_size.return_value = 990
    with pytest.raises(OutboxFull):
        transport.write(text)
    cast(Any, transport.socket).get_write_buffer_size.return_value = 0
    transport.resume_writing()
    cast(Any, transport.socket).write.reset_mock()
    transport.write(text, True)
    sent = written(transport)
    assert sent[0] == frame(Opcode.TEXT, b"", rsv1=True)[0]
    assert zlib.decompressobj(-12).decompress(sent[4:] + b"\x00\x00\xff\xff").decode() == text
    transport.connection_lost(None)
