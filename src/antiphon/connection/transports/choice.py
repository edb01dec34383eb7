"""Which transport carries a connection: our own where our server offers it, ASGI's events elsewhere."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from antiphon.connection.transport import Terms
from antiphon.connection.transports.asgi import AsgiTransport
from antiphon.connection.transports.direct import EXTENSION, DirectTransport


def transport_of(scope: Scope, receive: Receive, send: Send, terms: Terms) -> DirectTransport | AsgiTransport:
    """The transport of the connection that an ASGI server calls its application for."""
    # It is taken once, and what gave it is not needed for as long as the connection lives.
    take_over = (scope.get("extensions") or {}).pop(EXTENSION, None)
    if take_over is None:
        return AsgiTransport(scope, receive, send, terms)
    transport: DirectTransport = take_over(terms)
    return transport
