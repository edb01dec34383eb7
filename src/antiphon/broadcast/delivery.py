"""What is sent: one message to some channels, and what became of it.

A delivery is made and checked once, where the user calls; drivers take it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from antiphon.codec import encode
from antiphon.connection import WebSocket

#: The event of a message that names none, as in Masonite.
DEFAULT_EVENT = "base-event"

Names = str | Iterable[str]
Origin = str | HTTPConnection | None

#: Bytes that a delivery is taken to need beside its payload.
_ENVELOPE = 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to some channels.

    Attributes:
        channels: Their names, each once.
        event: What it is about.
        message: As it was given.
        payload: The message as text, JSON unless it was text before; bytes stay bytes.
        exclude: The id of the one connection that shall not get it, if any.
    """

    channels: tuple[str, ...]
    event: str
    message: Any
    payload: str | bytes
    exclude: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes it holds while it waits."""
        return len(self.payload) + _ENVELOPE


def delivery(names: Names, message: Any, event: str = DEFAULT_EVENT, exclude: Origin = None) -> Delivery:
    """Make a delivery of what a user gives.

    Args:
        names: One channel's name, or several.
        message: Text, bytes, or anything JSON can hold.
        event: What it is about.
        exclude: The connection that shall not get it; see ``connection_id``.

    Raises:
        TypeError: JSON cannot hold the message, or a name, the event or the origin is of the wrong type.
    """
    if not isinstance(event, str):
        raise TypeError(f"the event of a broadcast is text, not {type(event).__name__}")
    return Delivery(channel_names(names), event, message, encode(message), connection_id(exclude))


def channel_names(names: Names) -> tuple[str, ...]:
    """The names as plain text, each once, in order.

    Raises:
        TypeError: One is no text.
    """
    if isinstance(names, (Mapping, bytes)) or not isinstance(names, Iterable):
        raise TypeError(f"channels are named by text, one or a list of them, not {type(names).__name__}")
    found = [names] if isinstance(names, str) else list(names)
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"channels are named by text, one or a list of them, not {type(each).__name__}")
    return tuple(dict.fromkeys(map(str, found)))


def connection_id(origin: Origin) -> str | None:
    """The id of the connection behind something: itself, a WebSocket's, or an HTTP request's.

    Clients of Pusher's and Laravel Echo's kind send the id of their socket with their HTTP requests, in
    the header ``X-Socket-ID``; without it there is nobody to exclude.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(origin, WebSocket):
        return origin.id
    if isinstance(origin, HTTPConnection):
        return origin.headers.get("x-socket-id")
    if origin is not None and not isinstance(origin, str):
        raise TypeError(f"who is excluded is a WebSocket, a request or an id, not {type(origin).__name__}")
    return origin


@dataclass(frozen=True, slots=True)
class Failure:
    """What was not sent to one channel, and why.

    Attributes:
        driver: The driver's name.
        channel: The channel's name.
        error: Why.
    """

    driver: str
    channel: str
    error: Exception

    def __str__(self) -> str:
        return f"{self.channel} by {self.driver} ({type(self.error).__name__}: {self.error})"


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one message.

    Attributes:
        channels: The channels it was meant for; none if its event chose not to be sent.
        failures: What did not arrive, by driver and channel.
    """

    channels: tuple[str, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all of it was sent."""
        return not self.failures
