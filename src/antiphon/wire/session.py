"""The closing handshake of one connection (RFC 6455 § 5.5.1 and § 7), without its IO and its clock.

A ``Session`` is told what happens and returns the bytes to send. When ``drop`` is true they are the
last ones: send them, then close the TCP connection. How long to wait for the peer's Close frame is
for the owner of a clock to say; when that time is over, drop the connection and call ``lost``.
"""

from __future__ import annotations

from antiphon.errors import ProtocolError
from antiphon.wire.close import Close, CloseCode, close_payload
from antiphon.wire.frames import Opcode, frame
from antiphon.wire.state import State, Step, advance


class Session:
    """Who has closed, with what code, and what is left to do.

    Attributes:
        state: Where the connection stands.
        sent: Our Close frame, once it was made.
        received: The peer's Close frame, once it came.
        closed_by_peer: Whether the peer's Close frame came before ours was made; ``None`` before
            both.
    """

    __slots__ = ("closed_by_peer", "received", "sent", "state")

    def __init__(self) -> None:
        self.state = State.CONNECTING
        self.sent: Close | None = None
        self.received: Close | None = None
        self.closed_by_peer: bool | None = None

    def __repr__(self) -> str:
        return f"<Session {self.state.name}, sent {self.sent}, received {self.received}>"

    @property
    def may_send(self) -> bool:
        """Whether messages may be sent: none after our Close frame (§ 5.5.1)."""
        return self.state is State.OPEN

    @property
    def drop(self) -> bool:
        """Whether the TCP connection is to be closed once everything has been sent (§ 7.1.1)."""
        return self.state is State.CLOSED

    @property
    def code(self) -> int | None:
        """The close code to report (§ 7.1.5): 1005 if the peer gave none, 1006 without its Close.

        ``None`` while the connection is not closed.
        """
        if self.received is not None:
            return self.received.code
        return CloseCode.ABNORMAL_CLOSURE if self.state is State.CLOSED else None

    @property
    def reason(self) -> str:
        """The close reason to report (§ 7.1.6)."""
        return self.received.reason if self.received is not None else ""

    def accepted(self) -> None:
        """The 101 response was sent."""
        self.state = advance(self.state, Step.ACCEPT)

    def refused(self) -> None:
        """Another response was sent."""
        self.state = advance(self.state, Step.REFUSE)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> bytes:
        """Begin to close; return the frame to send, nothing when our Close frame was sent before.

        Raises:
            ValueError: The code may not be sent.
            RuntimeError: The connection was never open.
        """
        if self.state in (State.CLOSE_SENT, State.CLOSED):
            return b""
        return self._send(Close(code, reason), Step.SEND_CLOSE)

    def receive(self, close: Close) -> bytes:
        """Take the peer's Close frame; return the answer, nothing when it is one itself."""
        self.state = advance(self.state, Step.RECEIVE_CLOSE)
        self.received = close
        if self.closed_by_peer is None:
            self.closed_by_peer = True
        return self.close(close.code)  # § 5.5.1: the answer typically echoes the code

    def fail(self, error: ProtocolError) -> bytes:
        """The peer broke a rule: return the frame that says which, to be sent before TCP goes.

        § 7.1.7 asks for no patience: what the peer sends from now on is not looked at.
        """
        if self.sent is not None or self.state is State.CLOSED:
            self.state = advance(self.state, Step.FAIL)
            return b""
        return self._send(Close(error.code, error.reason), Step.FAIL)

    def lost(self) -> None:
        """The TCP connection is gone, whoever closed it."""
        self.state = advance(self.state, Step.LOSE)

    def _send(self, close: Close, step: Step) -> bytes:
        closing = frame(Opcode.CLOSE, close_payload(close.code, close.reason))
        self.state = advance(self.state, step)
        self.sent = close
        if self.closed_by_peer is None:
            self.closed_by_peer = False
        return closing
