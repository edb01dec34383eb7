"""The life of one connection: handshake, open, closing, over.

Where it stands, how it may go on (the table in ``phase``), and what is left of it in the end. What is
sent and received meanwhile is for ``Connection``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from antiphon.connection.options import Options, Subscriptions
from antiphon.connection.phase import TRANSITIONS, Move, Phase
from antiphon.connection.transport import Headers, Transport
from antiphon.errors import ConnectionClosed, HandshakeRejected, WebSocketDisconnect
from antiphon.wire.close import is_valid_code

# Looking a member up in its enumeration costs more than the rest of the test it is for.
_ADMITTED = Phase.ADMITTED
_OPEN = Phase.OPEN
_CLOSED = Phase.CLOSED
_REJECTED = Phase.REJECTED
_USABLE = frozenset((Phase.CONNECTING, _ADMITTED, _OPEN))


class Keeper(Protocol):
    """Who keeps connections, and is told of their lives."""

    def opened(self, ws: Any) -> None:
        """Its handshake is accepted."""

    def ended(self, ws: Any) -> None:
        """It is over."""

    def overflowed(self, ws: Any, waiting: int) -> None:
        """It read too slowly and was disconnected, with so many bytes waiting."""

    def subscriptions(self, ws: Any) -> Subscriptions:
        """Make what it is subscribed to."""


class Life:
    """Where one connection stands.

    Args:
        transport: What carries it.
        options: What its endpoint decided.

    Attributes:
        keeper: Whoever keeps this connection and others, if anybody.
    """

    __slots__ = (
        "_close_code",
        "_close_reason",
        "_closed_here",
        "_options",
        "_phase",
        "_transport",
        "_when_lost",
        "keeper",
    )

    def __init__(self, transport: Transport, options: Options) -> None:
        self.keeper: Keeper | None = None
        self._transport = transport
        self._options = options
        self._phase = Phase.CONNECTING
        self._closed_here = False
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
        return self._phase not in _USABLE

    @property
    def accepted(self) -> bool:
        """Whether the handshake is accepted and the connection not closed."""
        return self._phase is _OPEN or self._phase is _ADMITTED

    @property
    def ended(self) -> bool:
        """Whether it is over for good: refused, or the peer is gone."""
        return self._phase is _CLOSED or self._phase is _REJECTED

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
        return self._closed_here or self._phase is _REJECTED

    def catches(self, code: int) -> bool:
        """Whether a disconnect with this code ends a view quietly."""
        return self.closed_here or self._options.catches(code)

    def gone(self) -> WebSocketDisconnect:
        """The exception that says how this connection ended."""
        code, reason = self._close_code or 1006, self._close_reason
        if self._phase is _REJECTED:
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
        if self._phase is _OPEN:
            raise RuntimeError("this WebSocket is accepted already")
        if self._phase is not _ADMITTED:
            self._answer(Move.ACCEPT, self._transport.accept, subprotocol, headers)
        elif subprotocol is None and not headers:
            self._move(Move.ACCEPT)
        else:
            raise RuntimeError(
                "too late for a subprotocol or headers: this handshake was accepted when Timeouts.accept had "
                "passed; raise that, or accept explicitly with auto_accept=False"
            )
        if self.keeper is not None:
            self.keeper.opened(self)

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
        if self._phase is _ADMITTED:
            # Nobody's mistake: the handler took long to decide. To the peer it is a policy violation.
            self.end(1008)
            return
        if self._phase is _OPEN:
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
            self.go_ahead()
            if self._phase is Phase.CLOSING:
                # What was published before did not fit into the outbox any more.
                return
        self._move(Move.CLOSE)
        self._closed_here = True
        self._close_code, self._close_reason = code, reason
        self._transport.close(code, reason, discard=discard)
        self.stop_receiving()

    def use(self) -> None:
        """Accept on first use.

        Raises:
            RuntimeError: The endpoint does not accept by itself.
            WebSocketDisconnect: The connection is gone.
        """
        if self._phase is _OPEN:
            return
        self.check_usable()
        self.open()

    def check_usable(self) -> None:
        """Raise as ``use`` does, and change nothing; from any thread."""
        if self.closed:
            raise self.gone()
        if self._phase is not _OPEN and not self._options.auto_accept:
            raise RuntimeError("this WebSocket is not accepted yet: await ws.accept() first")

    # --- What the transport tells --------------------------------------------------------------------

    def connection_lost(self, code: int, reason: str) -> None:
        """Learn from the transport that the connection is over."""
        self._move(Move.LOSE)
        if self._close_code is None:
            self._close_code, self._close_reason = code, reason
        if self.keeper is not None:
            self.keeper.ended(self)
        self.stop_waiting()
        callbacks, self._when_lost = self._when_lost, []
        for callback in callbacks:
            callback()

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Have a function called once when the connection is over; at once if it is."""
        if self._phase is _CLOSED:
            callback()
        else:
            self._when_lost.append(callback)

    # --- What else happens then ----------------------------------------------------------------------

    def go_ahead(self) -> None:
        """Let what was published before go first."""

    def stop_receiving(self) -> None:
        """Forget what was received: this side has closed."""

    def stop_waiting(self) -> None:
        """Let whoever waits for a message see that there will be none."""

    def _answer(self, move: Move, answer: Callable[..., None], *args: object) -> None:
        """Make a move and answer the handshake; what cannot be sent answers nothing."""
        before = self._phase
        self._move(move)
        try:
            answer(*args)
        except Exception:
            self._phase = before
            raise

    def _move(self, move: Move) -> None:
        try:
            self._phase = TRANSITIONS[self._phase, move]
        except KeyError:
            raise self.gone() from None


def nothing(*args: object) -> None:
    """Nobody wants to know."""
