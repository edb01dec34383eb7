"""Bocadillo's WebSocket views.

A view is bound when the application starts, as the providers that it asks for may be declared after it.
An unforeseen exception closes with 1011, also when it comes before the first use of the connection: in
Bocadillo a view begins with an accepted connection.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, TypedDict

import starlette.exceptions
from starlette.exceptions import HTTPException

from antiphon.app import ViewEndpoint
from antiphon.app.binding import Session
from antiphon.codec import MessageType
from antiphon.compat.bocadillo.websocket import WebSocket
from antiphon.compat.paths import to_path
from antiphon.connection import Options, Phase
from antiphon.connection import WebSocket as Connection
from antiphon.errors import AntiphonError

# What the built-in ``all`` stands for: the codes of RFC 6455 § 7.4.1, not those of applications.
CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1015})
CAUGHT_BY_DEFAULT = (1000, 1001)

# Exceptions that say themselves how a connection ends.
_FORESEEN = (AntiphonError, HTTPException, starlette.exceptions.WebSocketException)

CloseCodes = Container[int] | Callable[..., Any]


class RouteOptions(TypedDict, total=False):
    """How the WebSockets of a route behave.

    Attributes:
        auto_accept: Whether the first use accepts the connection.
        receive_type: What ``receive`` gives: ``"text"`` (the default), ``"bytes"``, ``"json"``, a type to
            validate, or ``"event"`` for raw ASGI events.
        send_type: What ``send`` takes, likewise.
        value_type: Both at once; it comes before the two.
        caught_close_codes: Close codes of a leaving client that end the view quietly, 1000 and 1001 by
            default; the built-in ``all`` for those of the standard.
    """

    auto_accept: bool
    receive_type: MessageType
    send_type: MessageType
    value_type: MessageType
    caught_close_codes: CloseCodes | None


class View(ViewEndpoint):
    """A path whose connections are each served by one run of a coroutine function.

    Attributes:
        receives_events: Whether ``receive`` gives raw ASGI events.
        sends_events: Whether ``send`` takes them.
    """

    websocket_class = WebSocket

    def __init__(self, pattern: str, view: Callable[..., Any], given: RouteOptions) -> None:
        both = given.get("value_type")
        receive_type = both or given.get("receive_type") or "text"
        send_type = both or given.get("send_type") or "text"
        self.receives_events = receive_type == "event"
        self.sends_events = send_type == "event"
        options = Options(
            receive_type=None if self.receives_events else receive_type,
            send_type=None if self.sends_events else send_type,
            auto_accept=given.get("auto_accept", True),
            caught_close_codes=_codes(given.get("caught_close_codes")),
        )
        super().__init__(to_path(pattern), view, options)

    def bind(self) -> None:
        """Leave it for later: the view may ask for what is not declared yet."""

    def bind_now(self) -> None:
        """Bind the view's parameters, unless that is done.

        Raises:
            BindingError: A parameter can be bound to nothing.
        """
        if self._plan is None:
            super().bind()

    async def serve(self, ws: Connection, session: Session) -> None:
        """Run the view for one connection."""
        self.bind_now()
        await super().serve(ws, session)

    def conclude(self, ws: Connection, error: Exception) -> Exception | None:
        """End a connection as what its view raised demands; return what belongs into the log."""
        if ws.phase is Phase.CONNECTING and not isinstance(error, _FORESEEN):
            ws.open() if self._options.auto_accept else ws.refuse(403)
        return super().conclude(ws, error)


def _codes(given: CloseCodes | None) -> CloseCodes:
    if given is None:
        return CAUGHT_BY_DEFAULT
    return CLOSE_CODES if given is all else given
