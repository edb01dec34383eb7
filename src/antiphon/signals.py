"""What an application can be told about itself, for logs and metrics.

Each record says that one thing happened; an ``Observer`` is any callable that takes one. Observers are
called on the event loop, synchronously, and must be quick. Nothing here is on the per-message path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A connection reached an endpoint and its handshake was accepted."""

    endpoint: str
    connection: str


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """An accepted connection is over."""

    endpoint: str
    connection: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class HandlerFailed:
    """A handler raised what nobody caught."""

    endpoint: str
    connection: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class OutboxOverflowed:
    """A peer read too slowly and its outbox was full."""

    endpoint: str
    connection: str
    waiting_bytes: int


@dataclass(frozen=True, slots=True)
class PublicationsDropped:
    """A peer read too slowly for a channel whose policy is to drop; it is told how many it did not get, or
    its subscription has ended before it could be."""

    endpoint: str
    connection: str
    channel: str
    dropped: int


Signal = ConnectionOpened | ConnectionEnded | HandlerFailed | OutboxOverflowed | PublicationsDropped
Observer = Callable[[Signal], None]


def ignore(signal: Signal) -> None:
    """Observe nothing; the default observer."""
