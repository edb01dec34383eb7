"""The transport of our own server: an asyncio protocol between the socket and the WebSocket.

It is the protocol of an open connection and of nothing else: the server hands the socket over when the
handshake is accepted, so nothing asks per read in what state the connection is. Messages go up by a
call, those of one read together; what is sent leaves together, too (see ``writer``).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from antiphon.connection.transport import Farewell, Headers, Receiver, Terms
from antiphon.connection.transports.compression import Compression
from antiphon.connection.transports.guard import Guard
from antiphon.connection.transports.watch import Watch
from antiphon.connection.transports.writer import FrameWriter, end_writing
from antiphon.errors import ProtocolError
from antiphon.loop import wheel_of
from antiphon.wire import (
    Agreement,
    Close,
    Deflate,
    Event,
    Opcode,
    Parser,
    Ping,
    Pong,
    Session,
    frame,
)

logger = logging.getLogger("antiphon")

#: In the extensions of an ASGI scope: the function that gives the connection, on given terms.
EXTENSION = "antiphon"

PING = frame(Opcode.PING, b"")

#: Frames that are taken before the others have their turn, however many one read brings.
AT_ONCE = 64


class Nobody:
    """The receiver of a connection that is over for whoever received."""

    def messages_received(self, messages: Sequence[str | bytes]) -> None:
        """They come too late."""

    def connection_lost(self, code: int, reason: str) -> None:
        """That is known already."""


NOBODY = Nobody()


class Handshake(Protocol):
    """Who answers the handshake of a connection."""

    def accept(
        self, subprotocol: str | None, headers: Headers, compression: Deflate | None
    ) -> tuple[bytes, Agreement | None]:
        """The bytes of the 101 response, and what it agrees on.

        Raises:
            ValueError: The subprotocol was not offered, or a header cannot be sent.
        """

    def refuse(self, status: int, headers: Headers, body: bytes) -> bytes:
        """The bytes of the response that refuses.

        Raises:
            ValueError: The status cannot refuse, or a header cannot be sent.
        """

    def hand_over(self, protocol: DirectTransport | None) -> bytes:
        """Let go of the socket; return what the client sent too early.

        Args:
            protocol: Who has the socket from now on; None: nobody, it is being closed.
        """


class DirectTransport(FrameWriter, asyncio.Protocol):
    """One open connection, on a socket of ours.

    Args:
        socket: The event loop's transport, as the handshake left it.
        handshake: Who answers the handshake.
        terms: What the peer may use, and how long to wait for it.

    Attributes:
        farewell: How a server that stops parts from the peer.
    """

    detached = True

    __slots__ = (
        "_going_on",
        "_gone",
        "_handshake",
        "_parser",
        "_session",
        "_timer",
        "_watch",
        "farewell",
        "heard",
        "reading",
        "terms",
    )

    def __init__(self, socket: asyncio.Transport, handshake: Handshake, terms: Terms) -> None:
        super().__init__(socket, terms.limits)
        self._handshake: Handshake | None = handshake
        self.terms = terms
        self._session = Session()
        self._parser: Parser | None = None
        self.reading = True
        self._going_on = False
        self.heard = False
        self._watch: Watch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gone: Callable[[DirectTransport, asyncio.Transport], None] | None = None
        # The server's, from when it hands over: one for all.
        self.farewell: Farewell

    def __repr__(self) -> str:
        return f"<DirectTransport {self._session.state.value}, {self._size} bytes waiting>"

    @property
    def connecting(self) -> bool:
        """Whether the handshake waits for its answer."""
        return self._handshake is not None

    @property
    def open(self) -> bool:
        """Whether the handshake is accepted, and neither side has closed."""
        return self._session.may_send

    @property
    def unfinished(self) -> object | None:
        """What stands for the message that has begun and is not complete, if there is one."""
        return None if self._parser is None else self._parser.unfinished

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to take them."""
        return self.socket.get_write_buffer_size()

    def when_gone(self, callback: Callable[[DirectTransport, asyncio.Transport], None]) -> None:
        """Have a function called with the socket, when it is gone and what came is taken or dropped."""
        self._gone = callback

    def attach(self, receiver: Receiver) -> None:
        """Tell this receiver what happens from now on."""
        self.receiver = receiver
        if self._session.drop:
            # The client did not wait for an application that took its time.
            self._lose(1006, "")

    async def finish(self) -> None:
        """Nothing waits for the application: what was written leaves by itself."""

    # --- The contract of a transport -----------------------------------------------------------------

    def accept(self, subprotocol: str | None, headers: Headers) -> None:
        handshake = self._handshake
        assert handshake is not None
        response, agreement = handshake.accept(subprotocol, headers, self.terms.compression)
        self._session.accepted()
        self._handshake = None
        inflater = None
        if agreement is not None:
            inflater, self._compression = agreement.inflater(), Compression(agreement)
        self._parser = Parser(self.terms.parsing, inflater)
        self.socket.set_write_buffer_limits(high=self.terms.limits.high_water)
        early = handshake.hand_over(self)
        self._write(response)
        self._look_after()
        if early:
            # The parser keeps it until then, so that what is read meanwhile comes after it.
            self._parser.feed(early, 0)
            self._take_turns()

    def reject(self, status: int, headers: Headers, body: bytes) -> None:
        handshake = self._handshake
        assert handshake is not None
        response = handshake.refuse(status, headers, body)
        self._handshake = None
        self._session.refused()
        handshake.hand_over(None)
        self._write(response)
        self._close_socket()
        self._lose(1006, "")

    def close(self, code: int, reason: str, *, discard: bool = False) -> None:
        if discard:
            self._forget()
        self._pong = b""
        self._out.append(self._session.close(code, reason))
        self.flush()
        self._set_deadline()

    def pause_reading(self) -> None:
        if self.reading:
            self.reading = False
            self.socket.pause_reading()

    def resume_reading(self) -> None:
        if not self.reading:
            self.reading = True
            self._read_on()

    # --- asyncio's protocol --------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse a chunk, and hand its messages up; of many, the rest when the others have had their turn."""
        self.heard = True
        parser, receiver = self._parser, self.receiver
        if parser is None or receiver is None:
            return
        try:
            events = parser.feed(data, AT_ONCE)
            if parser.control:
                self._deliver(events, receiver)
            elif events:
                # Without control frames all are messages; a cast would be paid for with each read.
                receiver.messages_received(events)  # type: ignore[arg-type]
        except ProtocolError as error:
            self.fail(error)
            return
        if parser.more and self.reading:
            self._take_turns()

    def resume_writing(self) -> None:
        """The peer has read: it is there."""
        self.heard = True
        super().resume_writing()

    def eof_received(self) -> None:
        """The peer sends no more; without a close frame that is an abnormal end (RFC 6455 § 7.1.5)."""
        # The event loop closes the socket now, and takes nothing more.
        self.flush()
        self._set_deadline()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, whoever closed it: who has room takes what was read before, then is told."""
        if self._watch is not None:
            self._watch.stop()
        self.part()
        self._read_on()

    def _let_go(self, socket: asyncio.Transport) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._handshake = self._parser = None
        self._session.lost()
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(self, socket)
        self._lose(self._session.code or 1006, self._session.reason)

    def _take_turns(self) -> None:
        """Go on with what was read when the others have had their turn."""
        # Over TLS the end comes though reading is paused, and some event loops send nothing after that: so
        # only when more comes than one read.
        if (self._going_on or self.socket.can_write_eof()) and not self.socket.is_closing():
            self.socket.pause_reading()
        self._read_on()

    def _read_on(self) -> None:
        """Take the rest of what was read, and only then what comes, or more and more would wait."""
        if self.reading and self._parser is not None and self._parser.more:
            if not self._going_on:
                self._going_on = True
                self._loop.call_soon(self._go_on)
        elif self.parted is not None:
            # A receiver that is held back has no room, and may never have: the rest goes with its peer.
            self._let_go(self.parted)
        elif self.reading and not self.socket.is_closing():
            self.socket.resume_reading()

    def _go_on(self) -> None:
        self._going_on = False
        try:
            if self.reading:
                self.data_received(b"")
        finally:
            self._read_on()

    # --- Control frames, keepalive and the end -------------------------------------------------------

    def _deliver(self, events: list[Event], receiver: Receiver) -> None:
        """Hand messages up, with the control frames between them at their places."""
        assert self._parser is not None
        self._parser.control = False
        for event in events:
            if isinstance(event, (str, bytes)):
                receiver.messages_received((event,))
            else:
                self._control(event)

    def _control(self, event: Ping | Pong | Close) -> None:
        if isinstance(event, Close):
            self.flush()
            self._forget()
            self._write(self._session.receive(event))
            self._close_socket()
            self._lose(event.code, event.reason)
        elif isinstance(event, Ping) and self._session.may_send:
            self.answer(frame(Opcode.PONG, event.payload))

    def ping(self) -> None:
        """Ask the peer for a sign of life, unless it has enough to read."""
        if self._writable:
            self._write(PING)

    def shutdown(self) -> None:
        """The server stops (uvicorn calls this): part from the peer, some time within ``Timeouts.spread``."""
        farewell = self.farewell
        seconds = min(self.terms.timeouts.spread, farewell.within)
        if seconds:
            delay = random.uniform(0, seconds)  # noqa: S311 - no secret
            asyncio.get_running_loop().call_later(delay, self.take_leave, farewell.code, farewell.reason)
        else:
            self.take_leave(farewell.code, farewell.reason)

    def take_leave(self, code: int, reason: str) -> None:
        """Close the connection, if it is open, for an application that is told but not asked."""
        if self.open:
            self.close(code, reason)
            # Nothing is sent after a close frame (RFC 6455 § 5.5.1): whoever would is told that it is over,
            # and the peer's answer is still waited for.
            self._lose(code, reason)
            self.receiver = NOBODY
            self.resume_reading()

    def abort(self) -> None:
        """Let the socket go at once, whatever waits."""
        self.socket.abort()

    def fail(self, error: ProtocolError) -> None:
        """End the connection: say why, and listen no more."""
        logger.info("a connection failed: %s", error)
        self.flush()
        self._forget()
        self._write(self._session.fail(error))
        self._parser = None
        # Its frames hold what was received, and some of them hold the error.
        error.__traceback__ = None
        end_writing(self.socket)
        self._set_deadline()
        self._lose(error.code, error.reason)
        self.resume_reading()

    def _look_after(self) -> None:
        """Have the peer's messages counted where the terms ask for that, and its silence noticed."""
        limits, timeouts = self.terms.limits, self.terms.timeouts
        guard = None
        if limits.messages_per_second is not None or timeouts.idle is not None:
            assert self.receiver is not None
            guard = self.receiver = Guard(self.receiver, limits.messages_per_second, self._loop.time)
        self._watch = Watch(self, timeouts, wheel_of(self._loop), guard)

    def _close_socket(self) -> None:
        """Let the socket go when what was written has left, or when the deadline has come."""
        self.socket.close()
        self._set_deadline()

    def _set_deadline(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self.terms.timeouts.close, self.socket.abort)

    def _lose(self, code: int, reason: str) -> None:
        receiver, self.receiver = self.receiver, None
        self._wake(over=True)
        if receiver is not None:
            receiver.connection_lost(code, reason)
