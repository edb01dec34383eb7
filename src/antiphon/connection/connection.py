"""The mechanics of one connection: its state, what it received, what it sends.

Everything here is synchronous and happens on the connection's event loop, except ``call_soon``, which may
be called from any thread. ``WebSocket`` puts the handler's API on top; transports are beneath.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Sized
from typing import Any, Protocol
from uuid import uuid4

from antiphon.connection.inbox import Inbox
from antiphon.connection.options import Options
from antiphon.connection.outbox import OutboxFull
from antiphon.connection.phase import TRANSITIONS, Move, Phase
from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Headers, Transport
from antiphon.errors import ConnectionClosed, HandshakeRejected, WebSocketDisconnect
from antiphon.limits import Limits
from antiphon.loop import mailbox_of
from antiphon.wire.close import is_valid_code

TOO_SLOW = 4008


class Ahead(Protocol):
    """Who may have something that goes before what a connection sends."""

    @property
    def pending(self) -> Sized:
        """What there is; empty when there is nothing."""

    def flush(self) -> None:
        """Let it go."""


class NothingAhead:
    """Nobody publishes anything."""

    pending: Sized = ()

    def flush(self) -> None:
        """There is nothing to let go."""


NOTHING_AHEAD = NothingAhead()


class Connection:
    """One peer: its state, its inbox, and the transport beneath.

    Args:
        transport: What carries it.
        options: What its endpoint decided.
        limits: How much the peer may use.

    Attributes:
        id: A text that no other connection has.
        inbox: Messages that arrived and wait.
        messages_received: Who takes the messages from the transport; the inbox, unless an endpoint does.
        end_received: Whether the handler got the event that says so, when it reads raw events.
        answering: Whether the next message sent is likely the answer to the last one taken.
        on_open: Called when the handshake is accepted.
        on_overflow: Called with the waiting bytes when this peer reads too slowly and is disconnected.
        ahead: What goes before anything that is sent or closed: publications that wait for the tick's end.
    """

    def __init__(self, transport: Transport, options: Options, limits: Limits) -> None:
        self.id = str(uuid4())
        self.inbox = Inbox(transport, limits.inbound_messages)
        self.messages_received: Callable[[Sequence[str | bytes]], None] = self.inbox.put
        self.on_open: Callable[[], None] = _nothing
        self.on_overflow: Callable[[int], None] = _nothing
        self.ahead: Ahead = NOTHING_AHEAD
        self._transport = transport
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._mailbox = mailbox_of(self._loop)
        self._phase = Phase.CONNECTING
        self._closed_here = False
        self.answering = False
        self.end_received = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._when_lost: list[Callable[[], None]] = []

    @property
    def phase(self) -> Phase:
        """Where the connection stands."""
        return self._phase

    @property
    def closed(self) -> bool:
        """Whether nothing more can be sent: closed by either side, refused, or gone."""
        return self._phase not in (Phase.OPEN, Phase.CONNECTING, Phase.ADMITTED)

    @property
    def accepted(self) -> bool:
        """Whether the handshake is accepted and the connection not closed."""
        return self._phase is Phase.OPEN or self._phase is Phase.ADMITTED

    @property
    def ended(self) -> bool:
        """Whether it is over for good: refused, or the peer is gone."""
        return self._phase is Phase.CLOSED or self._phase is Phase.REJECTED

    @property
    def outlives_application(self) -> bool:
        """Whether the connection goes on when the ASGI application has returned."""
        return self._transport.detached

    @property
    def close_code(self) -> int | None:
        """The close code, once there is one (RFC 6455 § 7.1.5)."""
        return self._close_code

    @property
    def close_reason(self) -> str:
        """The close reason, empty as long as there is none (RFC 6455 § 7.1.6)."""
        return self._close_reason

    @property
    def closed_here(self) -> bool:
        """Whether it was this side that closed or refused."""
        return self._closed_here or self._phase is Phase.REJECTED

    def catches(self, code: int) -> bool:
        """Whether a disconnect with this code ends a view quietly."""
        return self.closed_here or self._options.catches(code)

    def gone(self) -> WebSocketDisconnect:
        """The exception that says how this connection ended."""
        code, reason = self._close_code or 1006, self._close_reason
        if self._phase is Phase.REJECTED:
            return HandshakeRejected(code, "the handshake was refused")
        if self._closed_here:
            return ConnectionClosed(code, reason)
        return WebSocketDisconnect(code, reason)

    # --- Handshake and close: from this side ---------------------------------------------------------

    def open(self, subprotocol: str | None = None, headers: Headers = ()) -> None:
        """Accept the handshake.

        Raises:
            RuntimeError: It was accepted before.
            WebSocketDisconnect: It was refused, or the peer is gone.
            ValueError: A header cannot be sent.
        """
        if self._phase is Phase.OPEN:
            raise RuntimeError("this WebSocket is accepted already")
        if self._phase is not Phase.ADMITTED:
            self._answer(Move.ACCEPT, self._transport.accept, subprotocol, headers)
        elif subprotocol is None and not headers:
            self._move(Move.ACCEPT)
        else:
            raise RuntimeError(
                "too late for a subprotocol or headers: this handshake was accepted when Timeouts.accept had "
                "passed; raise that, or accept explicitly with auto_accept=False"
            )
        self.on_open()

    def admit(self) -> None:
        """Accept for a handler that does not come round to it, so that the client does not hang.

        Nothing is delivered to it before the handler uses or accepts it: the handler may yet refuse.
        """
        self._answer(Move.ADMIT, self._transport.accept, None, ())

    def refuse(self, status: int = 403, headers: Headers = (), body: bytes = b"") -> None:
        """Refuse the handshake.

        Raises:
            RuntimeError: It was accepted before.
            WebSocketDisconnect: It was refused before, or the peer is gone.
            ValueError: No handshake can be refused with this status, or a header cannot be sent.
        """
        if self._phase is Phase.ADMITTED:
            # Nobody's mistake: the handler took long to decide. To the peer it is a policy violation.
            self.end(1008)
            return
        if self._phase is Phase.OPEN:
            raise RuntimeError("this WebSocket is accepted already: close it, it can't be refused")
        self._answer(Move.REJECT, self._transport.reject, status, headers, body)

    def end(self, code: int, reason: str = "", *, discard: bool = False) -> None:
        """Close with a code and a reason, after what waits to be sent or instead of it.

        Raises:
            RuntimeError: It was closed before.
            ValueError: The code may not be sent, or the reason is too long.
            WebSocketDisconnect: The peer is gone.
        """
        if not is_valid_code(code):
            raise ValueError(f"{code} is no close code that may be sent (RFC 6455 § 7.4)")
        if len(reason.encode()) > 123:
            raise ValueError("a close reason has at most 123 bytes (RFC 6455 § 5.5)")
        if self._closed_here:
            raise RuntimeError("this WebSocket is closed already; ensure_closed() is never an error")
        if not discard:
            self._let_go_ahead()
            if self._phase is Phase.CLOSING:
                # What was published before did not fit into the outbox any more.
                return
        self._move(Move.CLOSE)
        self._closed_here = True
        self._close_code, self._close_reason = code, reason
        self._transport.close(code, reason, discard=discard)
        self.messages_received = _nothing
        self.inbox.clear()
        self.inbox.wake()

    def use(self) -> None:
        """Accept on first use.

        Raises:
            RuntimeError: The endpoint does not accept by itself.
            WebSocketDisconnect: The connection is gone.
        """
        if self._phase is Phase.OPEN:
            return
        if self.closed:
            raise self.gone()
        if not self._options.auto_accept:
            raise RuntimeError("this WebSocket is not accepted yet: await ws.accept() first")
        self.open()

    # --- What the transport tells --------------------------------------------------------------------

    def connection_lost(self, code: int, reason: str) -> None:
        """Learn from the transport that the connection is over."""
        self._move(Move.LOSE)
        if self._close_code is None:
            self._close_code, self._close_reason = code, reason
        self.inbox.wake()
        callbacks, self._when_lost = self._when_lost, []
        for callback in callbacks:
            callback()

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Have a function called once when the connection is over; at once if it is."""
        if self._phase is Phase.CLOSED:
            callback()
        else:
            self._when_lost.append(callback)

    # --- Messages ------------------------------------------------------------------------------------

    async def next_message(self) -> str | bytes:
        """Wait for the next message; what arrived before the end is still delivered.

        Raises:
            WebSocketDisconnect: There will be none.
        """
        inbox = self.inbox
        while not inbox.waiting:
            self.use()
            await inbox.wait()
        self.answering = True
        return inbox.pop()

    async def write(self, message: str | bytes) -> None:
        """Send a message, waiting while too much waits before it.

        Raises:
            WebSocketDisconnect: The connection is gone.
        """
        if self.ahead.pending:
            self.ahead.flush()
        if self._phase is not Phase.OPEN:
            self.use()
        now = self.answering and not self.inbox.waiting
        if now:
            # What answers the last message that waits is worth sending at once.
            self.answering = False
        try:
            free = self._transport.write(message, now)
        except OutboxFull:
            await self._transport.drain()
            return await self.write(message)
        if not free:
            await self._transport.drain()
        return None

    async def drained(self) -> None:
        """Wait until what waits to be sent is below the high-water mark."""
        await self._transport.drain()

    def write_nowait(self, prepared: Prepared) -> None:
        """Send a message now; if it cannot be, the connection ends or has ended already."""
        self._let_go_ahead()
        if self._phase is not Phase.OPEN and not self.closed and self._options.auto_accept:
            self.open()
        self.deliver(prepared)

    def deliver(self, prepared: Prepared) -> bool:
        """Hand over what was prepared for many; False when it does not reach this connection.

        A full outbox disconnects this peer with 4008 and harms nobody else.
        """
        if self._phase is not Phase.OPEN:
            return False
        try:
            self._transport.write(prepared)
        except OutboxFull as full:
            self.on_overflow(full.waiting)
            self.end(TOO_SLOW, "too slow: the outbox is full", discard=True)
            return False
        return True

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on this connection's event loop; at once when that is the running one.

        Raises:
            WebSocketDisconnect: The loop has ended.
        """
        if asyncio._get_running_loop() is self._loop:
            function(*args)
            return
        try:
            self._mailbox.post(function, *args)
        except RuntimeError:
            raise WebSocketDisconnect(1006, "the event loop has ended") from None

    def _let_go_ahead(self) -> None:
        if self.ahead.pending:
            self.ahead.flush()

    def _answer(self, move: Move, answer: Callable[..., None], *args: object) -> None:
        """Make a move and answer the handshake; what cannot be sent answers nothing."""
        before = self._phase
        self._move(move)
        try:
            answer(*args)
        except ValueError:
            self._phase = before
            raise

    def _move(self, move: Move) -> None:
        try:
            self._phase = TRANSITIONS[self._phase, move]
        except KeyError:
            raise self.gone() from None


def _nothing(*args: object) -> None:
    """Nobody wants to know."""
