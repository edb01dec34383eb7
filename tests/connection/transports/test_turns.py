"""Much that one read brings is taken in turns, and nothing more is read meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from unittest.mock import Mock

import pytest

from antiphon import Limits, Timeouts
from antiphon.connection import Terms
from antiphon.connection.transports.direct import AT_ONCE, DirectTransport
from antiphon.errors import ProtocolError
from tests.wire.helpers import client_frame, close, text


class Socket(Mock):
    """A socket that is made up; it is read from at first."""

    reads = True
    closing = False
    half_closes = True

    def pause_reading(self) -> None:
        assert not self.closing
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.closing
        self.reads = True

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return self.half_closes

    def get_write_buffer_size(self) -> int:
        return 0


class Receiver:
    """Keeps what it gets; holds the peer back, or finds fault, once it has got so much."""

    def __init__(self, transport: DirectTransport) -> None:
        self.transport = transport
        self.got: list[str | bytes] = []
        self.turns: list[int] = []
        self.then: Callable[[], None] = lambda: None
        self.lost: list[int] = []

    def messages_received(self, messages: Sequence[str | bytes]) -> None:
        self.got += messages
        self.turns.append(len(messages))
        self.then()

    def connection_lost(self, code: int, reason: str) -> None:
        self.lost.append(code)


def opened(early: bytes = b"", timeouts: Timeouts | None = None) -> tuple[DirectTransport, Socket, Receiver]:
    handshake, socket = Mock(), Socket()
    handshake.accept.return_value = (b"", None)
    handshake.hand_over.return_value = early
    terms = Terms(Limits(), timeouts or Timeouts(ping_interval=None), None)
    transport = DirectTransport(cast(Any, socket), handshake, terms)
    receiver = Receiver(transport)
    transport.attach(receiver)
    transport.accept(None, ())
    return transport, socket, receiver


MANY = [str(number) for number in range(3 * AT_ONCE + 10)]
READ = b"".join(map(text, MANY))


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_in_turns() -> None:
    """Others have their turns between; the socket is read from again when all is taken."""
    transport, socket, receiver = opened()
    transport.data_received(READ)
    for turn in (1, 2, 3):
        assert receiver.got == MANY[: turn * AT_ONCE]
        assert not socket.reads
        await ticks(1)
    assert receiver.got == MANY
    assert receiver.turns == [AT_ONCE] * 3 + [10]
    assert socket.reads
    transport.connection_lost(None)


async def test_few_at_once() -> None:
    """What fits in one turn is taken in one, and the socket read on."""
    transport, socket, receiver = opened()
    transport.data_received(READ[: len(text("0")) * 10])
    assert receiver.turns == [10]
    assert socket.reads
    transport.connection_lost(None)


async def test_control_frames_and_fragments() -> None:
    """Frames that are no messages are taken in turns, too."""
    transport, socket, receiver = opened()
    transport.data_received(client_frame(10) * AT_ONCE * 2 + text("a", fin=False) + client_frame(0, b"b"))
    assert not socket.reads
    assert receiver.got == []
    await ticks(2)
    assert receiver.got == ["ab"]
    assert socket.reads
    transport.connection_lost(None)


async def test_receiver_lags() -> None:
    """Who is let go on first gets what was read before; only when that is taken more is read."""
    transport, socket, receiver = opened()
    receiver.then = transport.pause_reading
    transport.data_received(READ)
    for turn in (1, 2, 3):
        await ticks(3)
        assert receiver.got == MANY[: turn * AT_ONCE]
        assert not socket.reads
        transport.resume_reading()
        assert not socket.reads
    await ticks(3)
    assert receiver.got == MANY
    assert not socket.reads
    transport.resume_reading()
    assert socket.reads
    transport.connection_lost(None)


async def test_lags_and_goes_on_at_once() -> None:
    """Who is held back and let go within a turn gets each message once, in turns as well."""
    transport, socket, receiver = opened()

    def back_and_on() -> None:
        transport.pause_reading()
        transport.resume_reading()

    receiver.then = back_and_on
    transport.data_received(READ)
    await ticks(1)
    assert len(receiver.got) == 2 * AT_ONCE
    await ticks(2)
    assert receiver.got == MANY
    assert socket.reads
    transport.connection_lost(None)


@pytest.mark.parametrize("fault", ["the parser's", "the receiver's"])
async def test_fault_in_a_later_turn(fault: str) -> None:
    """Who breaks a rule is read from, for it to see why, whatever waits."""
    transport, socket, receiver = opened()

    def complain() -> None:
        if len(receiver.got) > AT_ONCE:
            raise ProtocolError(1008, "too many")

    if fault == "the receiver's":
        receiver.then = complain
        transport.data_received(READ)
    else:
        transport.data_received(READ[: len(b"".join(map(text, MANY[: AT_ONCE + 1])))] + b"\xff\xff")
    assert not socket.reads
    await ticks(3)
    assert receiver.lost == [1008 if fault == "the receiver's" else 1002]
    assert len(receiver.got) <= 2 * AT_ONCE
    assert socket.reads
    transport.connection_lost(None)


@pytest.mark.parametrize("last", ["reset", "end", "end, early"])
async def test_end_meanwhile(last: str) -> None:
    """What was read before the end is handed up before it is told of, and no turn is left."""
    transport, socket, receiver = opened(early=READ if last == "end, early" else b"")
    if last != "end, early":
        transport.data_received(READ)
    if last != "reset":
        transport.eof_received()
    socket.closing = True
    transport.connection_lost(None)
    assert receiver.lost == []
    await ticks(4)
    assert receiver.got == MANY
    assert max(receiver.turns) == AT_ONCE
    assert receiver.lost == [1006]
    assert not transport._going_on


async def test_receiver_raises_at_the_end() -> None:
    """Whatever a receiver makes of what comes last, the connection lets go of all it has."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    transport, socket, receiver = opened()
    gone = Mock()
    transport.when_gone(gone)
    transport.data_received(READ)
    receiver.then = Mock(side_effect=LookupError)
    transport.connection_lost(None)
    await ticks(4)
    gone.assert_called_once_with(transport, socket)
    assert receiver.lost == [1006]
    assert transport._timer is None


@pytest.mark.parametrize(("last", "code"), [(close(1000), 1000), (b"\xff\xff", 1002)])
async def test_close_frame_or_fault_before_the_end(last: bytes, code: int) -> None:
    """A close frame, or a fault, that waits for its turn when the socket is gone says how it ended."""
    transport, socket, receiver = opened()
    transport.data_received(READ + last)
    socket.closing = True
    transport.connection_lost(None)
    await ticks(4)
    assert receiver.got == MANY
    assert receiver.lost == [code]
    assert transport._timer is None


async def test_held_back_at_the_end() -> None:
    """Who is held back takes no more than there is room for, though the connection is lost."""
    transport, socket, receiver = opened()
    receiver.then = transport.pause_reading
    transport.data_received(READ)
    socket.closing = True
    transport.connection_lost(None)
    assert receiver.got == MANY[:AT_ONCE]
    assert receiver.lost == [1006]
    # Whoever takes what it has then lets go on once more.
    transport.resume_reading()
    await ticks(2)
    assert receiver.got == MANY[:AT_ONCE]
    assert receiver.lost == [1006]


async def test_held_back_in_the_last_turns() -> None:
    """Who is held back in one of the turns after the end is told at once, and gets no more."""
    transport, socket, receiver = opened()
    gone = Mock()
    transport.when_gone(gone)
    transport.data_received(READ)
    receiver.then = transport.pause_reading
    transport.connection_lost(None)
    await ticks(2)
    assert receiver.got == MANY[: 2 * AT_ONCE]
    assert receiver.lost == [1006]
    transport.resume_reading()
    gone.assert_called_once_with(transport, socket)


async def test_held_back_when_the_server_stops() -> None:
    """Nobody is held back by a server that stops: it hears its peer's answer, and of the end at once."""
    transport, socket, receiver = opened()
    receiver.then = transport.pause_reading
    transport.data_received(READ + close(1012))
    assert not socket.reads
    transport.take_leave(1012, "")
    await ticks(4)
    assert receiver.got == MANY[:AT_ONCE]
    assert receiver.lost == [1012]
    socket.close.assert_called_once()
    transport.connection_lost(None)
    assert transport._timer is None


async def test_fault_of_who_is_held_back() -> None:
    """A receiver that was held back and finds fault, after the end, is told once, and nothing stays."""
    transport, _socket, receiver = opened()

    def complain() -> None:
        transport.pause_reading()
        raise ProtocolError(1008, "too many")

    transport.data_received(READ)
    receiver.then = complain
    transport.connection_lost(None)
    await ticks(4)
    assert receiver.lost == [1008]
    assert transport._timer is None


async def test_no_timer_stays() -> None:
    """Neither deadline nor watch outlives the connection."""
    transport, _, _ = opened()
    transport.close(1000, "")
    closing = transport._timer
    transport.connection_lost(None)
    assert closing is not None
    assert closing.cancelled()
    assert transport._watch is not None
    assert transport._watch.slot is None


async def test_answers_after_the_end() -> None:
    """What is sent when the socket is gone goes nowhere, whatever its size, and nobody waits for it."""
    transport, socket, receiver = opened()
    tasks: list[asyncio.Future[None]] = []

    async def send() -> None:
        for answer in ["x", "x" * 1000, "x" * 100_000]:
            if not transport.write(answer):
                await transport.drain()

    receiver.then = lambda: tasks.append(asyncio.ensure_future(send()))
    transport.pause_writing()
    transport.data_received(READ * 2)
    await asyncio.sleep(0)
    assert not tasks[0].done()
    written = socket.write.call_count
    socket.closing = True
    transport.connection_lost(None)
    await ticks(2)
    assert tasks[0].done()
    assert receiver.lost == []
    await ticks(4)
    assert receiver.lost == [1006]
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert receiver.got == MANY * 2
    assert socket.write.call_count == written


async def test_over_tls() -> None:
    """Over TLS the end comes though reading is paused: it is, only when more comes than one read."""
    transport, socket, receiver = opened()
    socket.half_closes = False
    transport.data_received(READ)
    assert socket.reads
    transport.data_received(text("more"))
    assert not socket.reads
    await ticks(3)
    assert receiver.got == [*MANY, "more"]
    assert socket.reads
    transport.connection_lost(None)


async def test_receiver_raises() -> None:
    """A receiver that fails in a later turn does not leave the connection paused for ever."""
    transport, socket, receiver = opened()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    def fail() -> None:
        if len(receiver.got) == 2 * AT_ONCE:
            raise LookupError

    receiver.then = fail
    transport.data_received(READ)
    await ticks(4)
    assert receiver.got == MANY
    assert socket.reads
    transport.connection_lost(None)


async def test_aborted_by_its_receiver() -> None:
    """A receiver that lets the socket go gets what was read before, from a socket that is touched no more."""
    transport, socket, receiver = opened()
    receiver.then = lambda: setattr(socket, "closing", True)
    transport.data_received(READ)
    await ticks(2)
    transport.connection_lost(None)
    await ticks(4)
    assert receiver.got == MANY
    assert receiver.lost == [1006]


async def test_early() -> None:
    """What came before the handshake was answered is taken in turns as well."""
    transport, socket, receiver = opened(early=READ)
    await ticks(1)
    assert receiver.got == MANY[:AT_ONCE]
    assert not socket.reads
    await ticks(3)
    assert receiver.got == MANY
    assert socket.reads
    transport.connection_lost(None)
