"""What a WebSocket needs beneath it, and what it offers upwards: two small contracts.

A transport carries the messages of one connection. Its methods return at once: what it cannot send yet
waits in its bounded outbox. Everything happens on the event loop of the connection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from antiphon.connection.prepared import Prepared
from antiphon.limits import Limits, Timeouts
from antiphon.wire import CloseCode, Deflate, ParserLimits, most_deflated

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms an application talks to its peers.

    Attributes:
        limits: How much a peer may use.
        timeouts: How long to wait for it.
        compression: What to agree on if the client offers permessage-deflate; None: nothing.
        parsing: The limits that parsers hold a peer to: one value for all connections.
    """

    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    compression: Deflate | None = None
    parsing: ParserLimits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits = self.limits
        frame = limits.frame or most_deflated(limits.message)
        parsing = ParserLimits(frame, limits.message, limits.fragments)
        object.__setattr__(self, "parsing", parsing)


@dataclass(slots=True)
class Farewell:
    """How a server that stops parts from its connections.

    Attributes:
        code: The close code.
        reason: Its reason.
        within: Seconds that it may take until all are told.
    """

    code: int = CloseCode.GOING_AWAY
    reason: str = "the server stops"
    within: float = math.inf


class Receiver(Protocol):
    """Whom a transport tells what happens on its connection."""

    def messages_received(self, messages: Sequence[str | bytes]) -> None:
        """Take what one read brought: text as ``str``, binary as ``bytes``, in the order it was sent."""

    def connection_lost(self, code: int, reason: str) -> None:
        """Learn that the connection is over: once, after the last message."""


class Transport(Protocol):
    """The carrier of one connection.

    Order: what is handed over leaves in that order, the accept or reject first. Errors: none of these
    methods raises because the peer is gone; the receiver is told once, through ``connection_lost``.
    """

    @property
    def detached(self) -> bool:
        """Whether the connection outlives the return of the ASGI application."""

    def accept(self, subprotocol: str | None, headers: Headers) -> None:
        """Answer the handshake with 101."""

    def reject(self, status: int, headers: Headers, body: bytes) -> None:
        """Refuse the handshake with an HTTP response, or 403 where the server can't say more."""

    def write(self, message: str | bytes | Prepared, now: bool = False) -> bool:
        """Hand over a message; False asks the caller to ``drain`` before the next.

        Args:
            message: Text, bytes, or what was prepared for many.
            now: It was prepared for many, and nothing follows in this tick: no need to wait for the tick's
                end, to leave together with what follows.

        Raises:
            OutboxFull: There is no room for it; nothing of it was taken.
        """

    async def drain(self) -> None:
        """Wait until the outbox is below its high-water mark, or the connection is gone."""

    def close(self, code: int, reason: str, *, discard: bool = False) -> None:
        """Send what waits (or discard it), then a close frame; the peer has a deadline to answer."""

    def pause_reading(self) -> None:
        """Deliver no more messages until told to; the peer is held back."""

    def resume_reading(self) -> None:
        """Deliver messages again."""
