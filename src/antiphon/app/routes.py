"""The route to a WebSocket endpoint, a short way to it, and the answer where there is none."""

from __future__ import annotations

import itertools

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from antiphon.app.endpoints.endpoint import Endpoint
from antiphon.connection import DENIAL


def endpoint_route(endpoint: Endpoint) -> WebSocketRoute:
    """The Starlette route to one of our endpoints."""
    return WebSocketRoute(endpoint.path, endpoint, name=endpoint.path)


#: Routes that match by nothing but the path and whether it is HTTP.
_BY_PATH = (Route, WebSocketRoute, Mount)


class Straight:
    """The way of a handshake past layers that have nothing to do for it.

    Starlette's own layers turn exceptions into responses, which our endpoints do themselves, and try one
    route after the other. The first handshake for a path goes through them; where that shows that an
    endpoint with a fixed path serves it, those that follow go there straight.

    Args:
        router: Whose routes they are.
        layers: The way of everything else; no layer in it may be the application's own.
    """

    def __init__(self, router: Router, layers: ASGIApp) -> None:
        self._router = router
        self._layers = layers
        self._routes: list[BaseRoute] = []
        self._known: dict[str, WebSocketRoute] = {}

    def __repr__(self) -> str:
        return f"<Straight to {list(self._known)}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Elsewhere than at the root a path means something else.
        if scope["type"] != "websocket" or scope.get("root_path"):
            await self._layers(scope, receive, send)
            return
        if self._routes != self._router.routes:
            self._routes = list(self._router.routes)
            self._known.clear()
        route = self._known.get(scope["path"])
        if route is not None:
            scope.setdefault("router", self._router)
            # Parameters that are there are those of a host.
            scope.setdefault("path_params", {})
            scope.update(route=route, endpoint=route.endpoint)
            await route.app(scope, receive, send)
            return
        routes = self._routes
        await self._layers(scope, receive, send)
        # That may have taken as long as the connection, and what it found out may be out of date.
        if routes is self._routes:
            self._learn(scope)

    def _learn(self, scope: Scope) -> None:
        route = scope.get("route")
        if (
            isinstance(route, WebSocketRoute)
            and isinstance(route.endpoint, Endpoint)
            and route.path == scope["path"]
            and not route.param_convertors
            # What comes before it will not match another time either; a Host, say, might.
            and all(type(each) in _BY_PATH for each in itertools.takewhile(route.__ne__, self._routes))
        ):
            self._known[route.path] = route


_NO_HANDSHAKE = (
    "This is a WebSocket's path, and the request is no opening handshake: clients connect to it by ws:// or"
    " wss://, and a proxy in between has to pass on the headers Upgrade and Connection."
)


async def not_found(router: Router, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a path that a router does not serve: 404, or 403 where a server knows no better.

    A plain request for the path of a WebSocket is 426 (RFC 9110 § 15.5.22): most often a proxy in between
    lacks a setting.
    """
    if scope["type"] == "http":
        error = HTTPException(404)
        if _is_websocket(router, scope):
            error = HTTPException(426, _NO_HANDSHAKE, {"upgrade": "websocket", "connection": "upgrade"})
        if "app" in scope:
            # Starlette's exception handlers may have their own page for it.
            raise error
        await PlainTextResponse(error.detail, error.status_code, error.headers)(scope, receive, send)
    elif DENIAL in (scope.get("extensions") or {}):
        await receive()
        await PlainTextResponse("Not Found", 404)(scope, receive, send)
    else:
        await WebSocketClose()(scope, receive, send)


def _is_websocket(router: Router, scope: Scope) -> bool:
    """Whether an opening handshake would have found what this request did not."""
    handshake = {**scope, "type": "websocket"}
    return any(
        isinstance(route, WebSocketRoute) and route.matches(handshake)[0] is Match.FULL
        for route in router.routes
    )
