"""Ravyn's ``@websocket``: a view that accepts by hand, with dependencies of its own.

What the handler raises decides how its client is told: an exception with an HTTP status closes with 4000
and that status, anything unforeseen with 1011 and no word about it. Before the client is accepted it
gets an HTTP response instead: the status, or 403.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import starlette.exceptions
from starlette.exceptions import HTTPException

from antiphon.app import ViewEndpoint
from antiphon.app.binding import Provider, Site
from antiphon.compat.paths import to_path
from antiphon.compat.ravyn.websocket import WebSocket
from antiphon.connection import Options, Phase
from antiphon.connection import WebSocket as Connection
from antiphon.errors import AntiphonError, ConfigurationError

CONNECTION_NAMES = ("socket", "websocket", "ws", "request")

_RESERVED = frozenset(
    {"state", "headers", "cookies", "request", "context", "socket", "data", "query", "payload"}
)
# Exceptions that say themselves how a connection ends.
_FORESEEN = (AntiphonError, HTTPException, starlette.exceptions.WebSocketException)


@dataclass(frozen=True, slots=True)
class Inject:
    """A dependency: what a function makes, with parameters bound as a handler's are.

    Attributes:
        dependency: The function.
        use_cache: Whether it is called once for all connections, rather than for each.
    """

    dependency: Callable[..., Any]
    use_cache: bool = False


Dependencies = Mapping[str, Inject | Callable[..., Any]]


def providers_of(dependencies: Dependencies | None) -> dict[str, Provider]:
    """Dependencies as our own binding knows them.

    Raises:
        ConfigurationError: A name means something else already.
    """
    found = {}
    for name, each in (dependencies or {}).items():
        if name in _RESERVED:
            raise ConfigurationError(
                f"{name!r} has a meaning of its own in handlers; name the dependency otherwise"
            )
        inject = each if isinstance(each, Inject) else Inject(each)
        found[name] = Provider(inject.dependency, scope="app" if inject.use_cache else "connection")
    return found


class WebSocketHandler(ViewEndpoint):
    """A view with Ravyn's connection, made by ``@websocket``, for ``Ravyn(routes=[...])``."""

    websocket_class = WebSocket

    def __init__(self, path: str, view: Callable[..., Any], dependencies: Dependencies | None) -> None:
        super().__init__(to_path(path), view, Options(auto_accept=False))
        for name, provider in providers_of(dependencies).items():
            self._providers.add(name, provider)

    def site(self, subject: str | None = None) -> Site:
        """What the parameters of the handler can mean."""
        return replace(super().site(subject), connection_names=CONNECTION_NAMES)

    def conclude(self, ws: Connection, error: Exception) -> Exception | None:
        """End a connection as what its handler raised demands; return what belongs into the log."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and not isinstance(error, HTTPException):
            error = HTTPException(status, str(getattr(error, "detail", "") or ""))
        if ws.phase is Phase.CONNECTING and not isinstance(error, _FORESEEN):
            ws.refuse(403)
        return super().conclude(ws, error)


def websocket(
    path: str = "/", *, dependencies: Dependencies | None = None
) -> Callable[[Callable[..., Any]], WebSocketHandler]:
    """Make a coroutine function the handler of a path, for ``Ravyn(routes=[...])``.

    Its connection is the parameter that is annotated so, or named ``socket``, ``websocket`` or ``ws``, or
    the first.

    Args:
        path: The path, with parameters as ``/rooms/{room}`` or ``/rooms/{number:int}``.
        dependencies: What the handler can ask for by name; they come before the application's.

    Raises:
        BindingError: It is not a coroutine function, or (when the application takes it) has a
            parameter that nothing can fill.
        ConfigurationError: A dependency's name means something else already.
    """

    def decorate(view: Callable[..., Any]) -> WebSocketHandler:
        return WebSocketHandler(path, view, dependencies)

    return decorate
