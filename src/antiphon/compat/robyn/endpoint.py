"""Robyn's ``WebSocket``: an event endpoint that registers itself.

What differs from our own: connections are accepted before ``connect`` runs, handlers and dependencies may
be added in any order, and a handler added again replaces the first. So handlers are bound when the
application starts, and again when something was added since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from antiphon.app import Antiphon, EventEndpoint
from antiphon.app.binding import Providers, Session, Site
from antiphon.app.endpoints.conversation import Event
from antiphon.app.endpoints.events import EVENTS
from antiphon.compat.paths import to_path
from antiphon.compat.robyn.config import Config
from antiphon.compat.robyn.connector import WebSocketConnector
from antiphon.compat.robyn.dependencies import CONNECTION_NAMES, MESSAGE_NAMES, DependencyMap
from antiphon.connection import Options
from antiphon.connection import WebSocket as Connection
from antiphon.errors import BindingError

H = TypeVar("H", bound=Callable[..., Any])


class WebSocket(EventEndpoint):
    """A path that accepts WebSockets, with handlers for ``connect``, ``message`` and ``close``.

    Handlers may take nothing, the connector, the message (by the names ``message`` or ``msg``, or second),
    dependencies by name, path and query parameters.

    Args:
        robyn_object: The application.
        endpoint: The path, with parameters as ``/room/<room_id>``, ``/room/:room_id`` or ``/room/{room_id}``.
        config: Taken as Robyn takes it; the application's counts.
        dependencies: Shared with other endpoints; None for a map of its own.

    Raises:
        ConfigurationError: There is an endpoint for this path already.
    """

    websocket_class = WebSocketConnector
    accepts_first = True

    def __init__(
        self,
        robyn_object: Antiphon,
        endpoint: str,
        config: Config | None = None,
        dependencies: DependencyMap | None = None,
    ) -> None:
        super().__init__(to_path(endpoint), Options())
        self.config = config
        self.dependencies = DependencyMap() if dependencies is None else dependencies
        self._functions: dict[Event, tuple[Callable[..., Any], bool]] = {}
        self._bound_to: object = None
        robyn_object.add(self)

    def on(self, type: str, *, inline: bool = False) -> Callable[[H], H]:
        """Register the handler of an event; a handler registered before is replaced.

        Args:
            type: ``"connect"``, ``"message"`` or ``"close"``; also ``"error"``, for what others raise.
            inline: Run a plain function on the event loop itself, rather than in a worker thread.

        Raises:
            BindingError: There is no such event.
        """
        if type not in EVENTS:
            raise BindingError(f"there is no event {type!r}; there are {', '.join(EVENTS)}")

        def register(function: H) -> H:
            self._functions[type] = (function, inline)
            self._bound_to = None
            return function

        return register

    def inject(self, **kwargs: Any) -> None:
        """Let this endpoint's handlers ask for values by name, before or after they are registered.

        Raises:
            ConfigurationError: A name means something else already.
        """
        self.dependencies.add_router_dependency(self, **kwargs)

    def inject_global(self, **kwargs: Any) -> None:
        """Let the handlers of all endpoints with this dependency map ask for values by name.

        Raises:
            ConfigurationError: A name means something else already.
        """
        self.dependencies.add_global_dependency(**kwargs)

    def bind(self) -> None:
        """Work out how to call the handlers, unless that is done and nothing was added since.

        Raises:
            BindingError: A handler has a parameter that nothing can fill.
        """
        if self._bound_to != self.dependencies.changes:
            self.handlers = {
                event: self.handler(event, function, inline=inline)
                for event, (function, inline) in self._functions.items()
            }
            self._calls = None
            self._bound_to = self.dependencies.changes

    def site(self, subject: str | None = None) -> Site:
        """What the parameters of a handler can mean here."""
        providers = Providers(self.services.providers)
        # Robyn gives connect and close handlers an empty message, when they ask for one.
        providers.constants({**self.dependencies.names(self), "msg": ""})
        return replace(
            super().site(subject),
            providers=providers,
            connection_names=CONNECTION_NAMES,
            subject_names=MESSAGE_NAMES if subject == "message" else (),
        )

    async def serve(self, ws: Connection, session: Session) -> None:
        """Run the handlers of one connection."""
        self.bind()
        await super().serve(ws, session)
