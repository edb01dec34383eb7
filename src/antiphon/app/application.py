"""The application: a Starlette application with WebSocket endpoints and channels.

Routing, middleware, mounts, lifespan and exception handling are Starlette's. What is added is one table
of providers for all handlers, one hub for all channels, and the frame around WebSocket endpoints.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from antiphon.app.binding import Provider, Providers, Session
from antiphon.app.binding import Scope as Lifetime
from antiphon.app.broadcasting import Broadcasting, Broadcasts
from antiphon.app.channels import Channels
from antiphon.app.endpoints.endpoint import Endpoint, left_until
from antiphon.app.endpoints.events import EventEndpoint
from antiphon.app.endpoints.outcome import leave
from antiphon.app.endpoints.view import EndpointOptions, options_of, websocket
from antiphon.app.health import health_of, health_route
from antiphon.app.http import HttpRoutes
from antiphon.app.lifespan import told_plainly
from antiphon.app.routes import Straight, endpoint_route, not_found
from antiphon.app.security import OriginCheck, Origins
from antiphon.app.services import Services
from antiphon.brokers import MemoryBroker, broker_of
from antiphon.channels import Broker, Channel, Hub, check
from antiphon.connection import Farewell, Terms
from antiphon.errors import AntiphonError, ConfigurationError
from antiphon.limits import Limits, Timeouts
from antiphon.loop import WorkerThreads, spread
from antiphon.server import Listen, Tls, run
from antiphon.signals import Observer, Signal
from antiphon.wire import Deflate

logger = logging.getLogger("antiphon")

H = TypeVar("H", bound=Callable[..., Any])


class StarletteOptions(TypedDict, total=False):
    """What Starlette's own constructor takes besides the routes."""

    debug: bool
    middleware: Sequence[Middleware] | None
    exception_handlers: Mapping[Any, Callable[..., Any]] | None
    max_body_size: int | None


class Antiphon(HttpRoutes, Broadcasts):
    """A real-time application: an ASGI application that any ASGI server can run.

    Args:
        routes: Starlette's routes, and endpoints made by ``antiphon.websocket``.
        allowed_origins: Browsers' pages that may connect, as ``"https://example.org"``; ``"*"`` for all.
            None: pages of the same host only. Whoever is not a browser may always.
        limits: How much a peer may use.
        timeouts: How long to wait for it.
        broker: What carries channels between processes: a broker, or its URL as ``redis://host``. None: that
            of ``ANTIPHON_BROKER`` in the environment; without it, channels are those of one process.
        compression: What to agree on with clients that offer permessage-deflate; None: nothing.
        lifespan: What runs around the application's life, as in Starlette.
        **options: Starlette's other options: ``debug``, ``middleware``, ``exception_handlers``.

    Raises:
        ConfigurationError: Something of this cannot be.
        BindingError: A handler has a parameter that nothing can fill.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute | Endpoint] | None = None,
        *,
        allowed_origins: Origins = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        broker: Broker | str | None = None,
        compression: Deflate | None = None,
        lifespan: Lifespan[Antiphon] | None = None,
        **options: Unpack[StarletteOptions],
    ) -> None:
        super().__init__(lifespan=self._run_lifespan, **options)
        self._lifespan = lifespan
        self._deadline: float | None = None
        self._not_started: AntiphonError | None = None
        self.router.default = partial(not_found, self.router)
        terms = Terms(limits or Limits(), timeouts or Timeouts(), compression)
        self.providers = Providers()
        self.endpoints: dict[str, Endpoint] = {}
        self._observers: list[Observer] = []
        threads = WorkerThreads(terms.limits.worker_threads)
        self.services = Services(
            hub=Hub(chosen(broker)),
            threads=threads,
            providers=self.providers,
            session=Session(None, threads, None),
            allows_origin=OriginCheck(allowed_origins),
            terms=terms,
            observer=self._observe,
        )
        self.channels = Channels(self.services.hub)
        self._broadcasting = Broadcasting(self.channel, self.providers)
        for each in routes or ():
            self.add(each)

    def __repr__(self) -> str:
        return f"<Antiphon {len(self.routes)} routes, {self._connections} connections>"

    @property
    def _connections(self) -> int:
        return sum(len(each.connections) for each in self.endpoints.values())

    @property
    def limits(self) -> Limits:
        """How much a peer may use; what is set holds for connections from then on."""
        return self.services.terms.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.services.terms = replace(self.services.terms, limits=limits)
        self.services.threads.most = limits.worker_threads

    @property
    def timeouts(self) -> Timeouts:
        """How long to wait for a peer, likewise."""
        return self.services.terms.timeouts

    @timeouts.setter
    def timeouts(self, timeouts: Timeouts) -> None:
        self.services.terms = replace(self.services.terms, timeouts=timeouts)

    # --- Endpoints and routes ------------------------------------------------------------------------

    def add(self, route: BaseRoute | Endpoint) -> None:
        """Add a Starlette route, or an endpoint made by ``antiphon.websocket``.

        Raises:
            ConfigurationError: There is an endpoint for this path already.
        """
        if not isinstance(route, Endpoint):
            self.router.routes.append(route)
            return
        if route.path in self.endpoints:
            raise ConfigurationError(f"there is an endpoint for {route.path!r} already")
        route.install(self.services)
        self.endpoints[route.path] = route
        self.router.routes.append(endpoint_route(route))

    def websocket(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """Make a coroutine function the view of a path; options as of ``antiphon.websocket``.

        The function itself is returned; ``app.endpoints[path]`` is its endpoint.
        """
        decorate = websocket(path, **options)

        def register(view: H) -> H:
            self.add(decorate(view))
            return view

        return register

    def events(self, path: str, **options: Unpack[EndpointOptions]) -> EventEndpoint:
        """Make an event endpoint of a path, whose handlers are registered with its ``on``."""
        endpoint = EventEndpoint(path, options_of(options))
        self.add(endpoint)
        return endpoint

    # --- What handlers can ask for -------------------------------------------------------------------

    def inject_global(self, **values: Any) -> None:
        """Provide values to all handlers by name; do it before they are registered."""
        self.providers.constants(values)

    def provide(
        self, key: type[Any] | str, factory: Callable[..., Any], *, scope: Lifetime = "connection"
    ) -> None:
        """Provide what a factory makes to all handlers, by type or by name.

        Args:
            key: The type or name that handlers ask for.
            factory: Called with parameters bound as a handler's are. A generator function gives with
                ``yield`` and tears down behind it.
            scope: ``"connection"``: made for each connection or request; ``"app"``: made once.
        """
        self.providers.add(key, Provider(factory=factory, scope=scope))

    # --- Channels ------------------------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """A channel: a named stream of publications that many can subscribe to; see ``channels.define``.

        Raises:
            InvalidChannel: No channel can have that name.
        """
        return Channel(self.services.hub, check(name))

    # --- Running -------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> Observer:
        """Have a function told what happens; see ``antiphon.signals``."""
        self._observers.append(observer)
        return observer

    def health(self) -> dict[str, Any]:
        """How this process is: plain values, no secrets.

        Returns:
            ``ok``: whether it can do all it is there for; ``running``: whether it has been started;
            ``broker``; ``outage``: why that cannot be reached, or None; ``connections``; ``channels`` that
            have subscribers here; ``subscribers``.
        """
        return health_of(self.services.hub, self._connections)

    def health_check(self, path: str = "/health") -> None:
        """Answer GET on a path with ``health()`` as JSON: 200 if it is ok, otherwise 503."""
        self.add(health_route(path, self.health))

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        log_level: str = "info",
        tls: Tls | None = None,
        workers: int = 1,
        loop: str = "auto",
    ) -> None:
        """Serve this application until SIGINT or SIGTERM.

        Args:
            host: The address to listen on; ``"0.0.0.0"`` for all.
            port: The port to listen on.
            log_level: ``critical``, ``error``, ``warning``, ``info``, ``debug`` or ``trace``.
            tls: What to prove the server with, for ``https`` and ``wss``; None: no TLS.
            workers: How many processes serve. Several need a broker that spans processes; each executes the
                program's file and finds the application by its name there, so serve under
                ``if __name__ == "__main__"``.
            loop: The event loop: ``auto`` (uvloop where it is installed), ``asyncio``, or
                ``aiofastnet``.

        Raises:
            AddressInUse: Another program listens there.
            ConfigurationError: The certificate or its key cannot be used, there cannot be several workers, or
                there is no such event loop.
            MissingExtra: The event loop is not installed.
            SystemExit: The application did not start; the log says why.
        """
        run(self, Listen(host, port, tls=tls), log_level=log_level, workers=workers, loop=loop)

    async def drain(self, code: int = 1001, reason: str = "the server stops") -> None:
        """Part from all connections, and wait for them to end, within ``timeouts.drain``.

        Who is accepted from now on is told at once. Called again, the deadline stays.

        Args:
            code: The close code.
            reason: The close reason.
        """
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self.timeouts.drain
        deadline = self._deadline
        self.services.farewell = self.services.farewell or Farewell(code, reason)
        gone = []
        connections = [ws for endpoint in self.endpoints.values() for ws in endpoint.connections.values()]
        async for ws in spread(connections, min(self.timeouts.spread, left_until(deadline))):
            left = loop.create_future()
            gone.append(left)
            ws.when_lost(partial(left.set_result, None))
            leave(ws, code, reason)
        if gone:
            await asyncio.wait(gone, timeout=left_until(deadline))
        await asyncio.gather(*(endpoint.settle(deadline) for endpoint in self.endpoints.values()))

    def hurry(self) -> None:
        """Let the time to drain be over: what still runs is stopped."""
        self._deadline = asyncio.get_running_loop().time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._not_started = None
            send = told_plainly(send, lambda: self._not_started)
        # A client that leaves within the body of its request: nobody is left to answer.
        with suppress(ClientDisconnect):
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that a request goes through (Starlette builds them at the first)."""
        layers = super().build_middleware_stack()
        if self.user_middleware or self.exception_handlers:
            return layers
        return Straight(self.router, layers)

    def _time_left(self) -> float:
        """Seconds that are left for stopping; all of them before it has begun."""
        return self.timeouts.drain if self._deadline is None else left_until(self._deadline)

    @asynccontextmanager
    async def _run_lifespan(self, app: Any) -> AsyncIterator[Mapping[str, Any]]:
        try:
            await self.services.hub.start()
        except AntiphonError as error:
            self._not_started = error
            raise
        self._deadline = self.services.farewell = None
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._broadcasting.running(self._time_left))
                state = await stack.enter_async_context(self._lifespan(self)) if self._lifespan else None
                # Handlers and what was made for them end before what they may use.
                stack.push_async_callback(self.services.session.close)
                stack.push_async_callback(self.drain)
                yield state or {}
        finally:
            await self.services.hub.stop()
            self._deadline = self.services.farewell = None

    @property
    def spans_processes(self) -> bool:
        """Whether channels reach other processes: whether there may be several."""
        return self.services.hub.broker.spans_processes

    def _observe(self, signal: Signal) -> None:
        for observer in self._observers:
            try:
                observer(signal)
            # Whoever looks on must not end a connection.
            except Exception:
                logger.exception("an observer failed on %r", signal)


def chosen(broker: Broker | str | None) -> Broker:
    """The broker that is meant; without a word about it, that of ``ANTIPHON_BROKER`` or memory."""
    if broker is None:
        broker = os.environ.get("ANTIPHON_BROKER") or MemoryBroker()
    return broker_of(broker) if isinstance(broker, str) else broker
