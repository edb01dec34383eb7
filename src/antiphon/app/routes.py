"""The route to a WebSocket endpoint, and the answer where there is none."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from antiphon.app.endpoints.endpoint import Endpoint
from antiphon.connection import DENIAL


def endpoint_route(endpoint: Endpoint) -> WebSocketRoute:
    """The Starlette route to one of our endpoints."""
    return WebSocketRoute(endpoint.path, endpoint, name=endpoint.path)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a path that nobody serves: 404, or 403 where a server knows no better."""
    if scope["type"] == "http":
        if "app" in scope:
            # Starlette's exception handlers may have their own page for it.
            raise HTTPException(404)
        await PlainTextResponse("Not Found", 404)(scope, receive, send)
    elif DENIAL in (scope.get("extensions") or {}):
        await receive()
        await PlainTextResponse("Not Found", 404)(scope, receive, send)
    else:
        await WebSocketClose()(scope, receive, send)
