"""Pongs of either side, over a socket that is made up."""

import asyncio
from typing import Any, cast
from unittest.mock import Mock

import pytest

from antiphon import Limits, Timeouts
from antiphon.connection import Terms
from antiphon.connection.transports.direct import DirectTransport
from antiphon.wire import Opcode, frame
from tests.wire.helpers import client_frame

PONG_1, PONG_2 = frame(Opcode.PONG, b"1"), frame(Opcode.PONG, b"2")


@pytest.fixture
async def transport() -> DirectTransport:
    """An open connection; what it writes is in its socket's `write`."""
    handshake = Mock()
    handshake.accept.return_value = (b"", None)
    handshake.hand_over.return_value = b""
    made = DirectTransport(Mock(), handshake, Terms(Limits(), Timeouts(ping_interval=None), None))
    made.attach(Mock())
    made.accept(None, ())
    cast(Any, made.socket).write.reset_mock()
    return made


def written(transport: DirectTransport) -> list[bytes]:
    return [call.args[0] for call in cast(Any, transport.socket).write.call_args_list]


async def test_answered_at_once(transport: DirectTransport) -> None:
    """Who reads gets a pong for each ping, in one write at the tick's end."""
    transport.data_received(client_frame(9, b"1") + client_frame(9, b"2"))
    assert written(transport) == []
    await asyncio.sleep(0)
    assert written(transport) == [PONG_1 + PONG_2]


async def test_bounded(transport: DirectTransport) -> None:
    """However many pings one tick brings, no more pongs wait than the high-water mark allows."""
    flood = client_frame(9, b"?" * 125) * 50
    for _ in range(4 * 8):
        transport.data_received(flood)
    high = Limits().high_water
    assert 4 * 400 * 127 - high <= sum(map(len, written(transport))) < 4 * 400 * 127
    transport.pause_writing()
    await asyncio.sleep(0)
    assert max(map(len, written(transport))) <= high + 127


async def test_answered_when_the_peer_reads_again(transport: DirectTransport) -> None:
    """Who does not read gets the latest when it does, and only once: before what waits (RFC 6455 § 5.5.3)."""
    transport.pause_writing()
    transport.write("waits")
    transport.data_received(client_frame(9, b"1") + client_frame(9, b"2"))
    assert written(transport) == []
    transport.resume_writing()
    assert written(transport) == [PONG_2 + b"\x81\x05waits"]
    transport.pause_writing()
    transport.resume_writing()
    assert len(written(transport)) == 1


async def test_none_after_closing(transport: DirectTransport) -> None:
    """Who is told goodbye is owed nothing more."""
    transport.pause_writing()
    transport.data_received(client_frame(9, b"1"))
    transport.close(1000, "")
    transport.resume_writing()
    assert written(transport) == [frame(Opcode.CLOSE, b"\x03\xe8")]
    transport.connection_lost(None)


@pytest.mark.parametrize("payload", [b"", b"?" * 125], ids=["empty", "long"])
async def test_received(transport: DirectTransport, payload: bytes) -> None:
    """A pong says that the peer is there; no receiver is told, alone or between messages."""
    pong = client_frame(10, payload)
    transport.heard = False
    transport.data_received(pong)
    assert transport.heard
    transport.data_received(client_frame(1, b"a") + pong + client_frame(1, b"b"))
    received = cast(Any, transport.receiver).messages_received.call_args_list
    assert [list(call.args[0]) for call in received] == [["a"], ["b"]]
