"""The life of one WebSocket as its handler sees it, as a table.

A move that is not in the table is a mistake of the caller or comes too late; the WebSocket says which.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a WebSocket stands."""

    # Members are unique; Enum's own way of hashing them is slower.
    __hash__ = object.__hash__

    CONNECTING = "connecting"
    #: Accepted because the handler takes long; to everybody but the client it still connects.
    ADMITTED = "admitted"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    REJECTED = "rejected"


class Move(Enum):
    """What can happen to a WebSocket."""

    # Members are unique; Enum's own way of hashing them is slower.
    __hash__ = object.__hash__

    ADMIT = "admit"
    ACCEPT = "accept"
    REJECT = "reject"
    CLOSE = "close"
    LOSE = "lose"


TRANSITIONS: dict[tuple[Phase, Move], Phase] = {
    (Phase.CONNECTING, Move.ADMIT): Phase.ADMITTED,
    (Phase.CONNECTING, Move.ACCEPT): Phase.OPEN,
    (Phase.CONNECTING, Move.REJECT): Phase.REJECTED,
    (Phase.CONNECTING, Move.CLOSE): Phase.REJECTED,
    (Phase.CONNECTING, Move.LOSE): Phase.CLOSED,
    (Phase.ADMITTED, Move.ACCEPT): Phase.OPEN,
    (Phase.ADMITTED, Move.CLOSE): Phase.CLOSING,
    (Phase.ADMITTED, Move.LOSE): Phase.CLOSED,
    (Phase.OPEN, Move.CLOSE): Phase.CLOSING,
    (Phase.OPEN, Move.LOSE): Phase.CLOSED,
    (Phase.CLOSING, Move.LOSE): Phase.CLOSED,
    (Phase.REJECTED, Move.LOSE): Phase.REJECTED,
    (Phase.CLOSED, Move.LOSE): Phase.CLOSED,
}
