"""What every endpoint has: its connections, ways to reach them, and the frame of each one's life.

An endpoint is an ASGI application for one path. What it broadcasts goes through the hub like any
publication, on an internal channel that the endpoint itself subscribes to, so that it spans processes
where the broker does.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from antiphon.app.admission import Admission
from antiphon.app.binding import Provider, Providers, Session, Site, names_in
from antiphon.app.binding import Scope as Lifetime
from antiphon.app.endpoints.outcome import conclude, leave
from antiphon.app.endpoints.reach import Everybody, Somebody
from antiphon.app.services import Services
from antiphon.channels import Hub, Publication, excluded_ids
from antiphon.codec import encode
from antiphon.connection import Options, Phase, WebSocket, transport_of
from antiphon.errors import ConfigurationError, WebSocketDisconnect
from antiphon.protocols import RawSubscriptions
from antiphon.signals import (
    ConnectionEnded,
    ConnectionOpened,
    HandlerFailed,
    OutboxOverflowed,
    PublicationsDropped,
)

logger = logging.getLogger("antiphon")

#: Seconds that what has to be stopped gets to end in its own way.
GIVE_UP = 0.5


def left_until(when: float) -> float:
    """Seconds until a time of the event loop; 0 when it has passed."""
    return max(0.0, when - asyncio.get_running_loop().time())


class Endpoint(ABC):
    """A path that accepts WebSockets.

    Args:
        path: The path, with parameters as ``/rooms/{room}``.
        options: How its WebSockets behave.

    Raises:
        ConfigurationError: No route can have this path.
    """

    websocket_class: type[WebSocket] = WebSocket

    def __init__(self, path: str, options: Options) -> None:
        self.path = path
        self._path_names = names_in(path)
        self._options = options
        self._connections: dict[str, WebSocket] = {}
        self._everybody = Everybody(path, self._connections)
        self._somebody = Somebody(path, self._connections)
        self._providers = Providers()
        self._services: Services | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path} {len(self._connections)} connections>"

    @property
    def connections(self) -> Mapping[str, WebSocket]:
        """Its open connections in this process, by their ids, as they are now."""
        return dict(self._connections)

    # --- Set-up --------------------------------------------------------------------------------------

    def install(self, services: Services) -> None:
        """Become part of an application.

        Raises:
            ConfigurationError: It is part of another one.
        """
        if self._services is not None and self._services is not services:
            raise ConfigurationError(f"{self!r} belongs to another application already")
        self._services = services
        self._providers.outer = services.providers

    def inject(self, **values: Any) -> None:
        """Provide values to this endpoint's handlers by name; do it before they are registered."""
        self._providers.constants(values)

    def provide(
        self, key: type[Any] | str, factory: Callable[..., Any], *, scope: Lifetime = "connection"
    ) -> None:
        """Provide what a factory makes to this endpoint's handlers, by type or by name."""
        self._providers.add(key, Provider(factory=factory, scope=scope))

    def site(self, subject: str | None = None) -> Site:
        """What the parameters of a handler registered here can mean."""
        return Site(path_names=self._path_names, providers=self._providers, subject=subject)

    # --- Reaching its connections --------------------------------------------------------------------

    async def broadcast(self, message: Any, *, exclude: Any = None) -> None:
        """Send to every open connection of this endpoint, in every process.

        Args:
            message: Text, bytes, or anything JSON can hold.
            exclude: WebSockets that shall not get it: one, several, or their ids.
        """
        await self.services.hub.publish(self._publication(message, exclude))

    def broadcast_nowait(self, message: Any, *, exclude: Any = None) -> None:
        """Send to every open connection of this endpoint without waiting, from any thread."""
        self.services.hub.publish_nowait(self._publication(message, exclude))

    async def send_to(self, id: object, message: Any) -> bool:
        """Send to one connection of this endpoint, in whichever process it is.

        Returns:
            False if there is no open connection with this id. Where it is not in this process but may be in
            another, it is True. An id of any kind is harmless.
        """
        ws = self._find(id)
        if ws is None:
            elsewhere = self._elsewhere(id, message)
            if elsewhere is not None:
                await self.services.hub.publish(elsewhere)
            return elsewhere is not None
        try:
            await ws.write(encode(message))
        except WebSocketDisconnect:
            return False
        return True

    def send_to_nowait(self, id: object, message: Any) -> bool:
        """Send to one connection of this endpoint without waiting, from any thread.

        Returns:
            As ``send_to`` does.
        """
        ws = self._find(id)
        if ws is None:
            elsewhere = self._elsewhere(id, message)
            if elsewhere is not None:
                self.services.hub.publish_nowait(elsewhere)
            return elsewhere is not None
        try:
            ws.send_nowait(encode(message))
        except WebSocketDisconnect:
            return False
        return True

    # --- Each connection's life ----------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self.services
        scope["endpoint"] = self
        transport = transport_of(scope, receive, send, services.terms)
        ws = self.websocket_class(scope, transport, self._options, services.terms.limits)
        ws.keeper = self
        ws.ahead = services.hub
        transport.attach(ws)
        overdue = self._call_when_overdue(ws)
        try:
            if services.allows_origin(ws.headers):
                if not services.hub.subscribers(self._everybody.channel):
                    await self._listen(services.hub)
                await self.serve(ws, Session(ws, services.threads, services.session))
            elif not ws.closed:
                logger.info("%r refused: its origin %r", ws, ws.headers["origin"])
                ws.refuse(403, (), b"this origin may not connect")
        except asyncio.CancelledError:
            leave(ws)
            raise
        finally:
            overdue.cancel()
            await transport.finish()

    @abstractmethod
    async def serve(self, ws: WebSocket, session: Session) -> None:
        """Run the handlers of one connection, from its handshake to its end."""

    def conclude(self, ws: WebSocket, error: Exception) -> Exception | None:
        """End a connection as what its handler raised demands; return what belongs into the log."""
        return conclude(ws, error)

    def failed(self, ws: WebSocket, error: Exception) -> None:
        """Tell of an exception that nobody caught."""
        self.services.observer(HandlerFailed(self.path, ws.id, error))

    @abstractmethod
    async def settle(self, deadline: float) -> None:
        """See what still runs for connections that are over to its end.

        Args:
            deadline: When it is stopped, in the event loop's time; ``GIVE_UP`` later it is left alone.
        """

    @property
    def services(self) -> Services:
        """What the application shares.

        Raises:
            ConfigurationError: The endpoint is part of none.
        """
        if self._services is None:
            raise ConfigurationError(f"{self!r} is part of no application: Antiphon(routes=[endpoint])")
        return self._services

    def _find(self, id: object) -> WebSocket | None:
        return self._connections.get(id) if isinstance(id, str) else None

    def _publication(self, message: Any, exclude: Any) -> Publication:
        return Publication.of(self._everybody.channel, message, exclude=excluded_ids(exclude))

    def _elsewhere(self, id: object, message: Any) -> Publication | None:
        """What asks the other processes to send to one of theirs, if there may be any."""
        if not isinstance(id, str) or not self.services.hub.broker.spans_processes:
            return None
        return Publication.of(self._somebody.channel, message, key=id)

    async def _listen(self, hub: Hub) -> None:
        await hub.subscribe(self._everybody.channel, self._everybody)
        if hub.broker.spans_processes:
            await hub.subscribe(self._somebody.channel, self._somebody)

    # --- What a connection tells its keeper ----------------------------------------------------------

    def opened(self, ws: WebSocket) -> None:
        """Its handshake is accepted."""
        # What was broadcast before it came is not for it.
        self.services.hub.flush()
        self._connections[ws.id] = ws
        self.services.observer(ConnectionOpened(self.path, ws.id))
        if (farewell := self.services.farewell) is not None:
            # Whoever accepts it is still at it.
            asyncio.get_running_loop().call_soon(leave, ws, farewell.code, farewell.reason)

    def ended(self, ws: WebSocket) -> None:
        """It is over; a ``close`` handler, which runs after this, does not find it any more."""
        if self._connections.pop(ws.id, None) is None:
            return
        code, reason = ws.close_code or 1006, ws.close_reason
        self.services.observer(ConnectionEnded(self.path, ws.id, code, reason))

    def overflowed(self, ws: WebSocket, waiting: int) -> None:
        """It read too slowly and was disconnected, with so many bytes waiting."""
        logger.warning("%r reads too slowly: disconnected with %d bytes waiting", ws, waiting)
        self.services.observer(OutboxOverflowed(self.path, ws.id, waiting))

    def subscriptions(self, ws: WebSocket) -> RawSubscriptions:
        """Make what it is subscribed to."""
        services = self.services
        admit = Admission(ws, services.hub.definitions, services.threads)
        return RawSubscriptions(ws, services.hub, services.terms.limits, admit, partial(self._dropped, ws))

    def _dropped(self, ws: WebSocket, channel: str, number: int) -> None:
        self.services.observer(PublicationsDropped(self.path, ws.id, channel, number))

    def _call_when_overdue(self, ws: WebSocket) -> asyncio.TimerHandle:
        timeouts = self.services.terms.timeouts
        wait = timeouts.accept if self.accepts_in_time else timeouts.handshake
        return asyncio.get_running_loop().call_later(wait, self._overdue, ws)

    def _overdue(self, ws: WebSocket) -> None:
        if ws.phase is not Phase.CONNECTING:
            return
        if self.accepts_in_time:
            ws.admit()
        else:
            logger.warning("%r was neither accepted nor refused in time: refused", ws)
            ws.refuse(503, (), b"the handshake took too long")

    @property
    def accepts_in_time(self) -> bool:
        """Whether a handler that takes long is accepted; otherwise its handshake times out."""
        return self._options.auto_accept
