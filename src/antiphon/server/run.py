"""Serving an application: uvicorn, with our limits and a way of stopping that keeps its deadline.

uvicorn stays the HTTP server and process manager. What differs from its own command: an occupied port is
an exception, sockets are told before the server stops, and stopping always ends.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.importer import import_from_string
from uvicorn.supervisors import ChangeReload

from antiphon.connection.transports.direct import DirectTransport
from antiphon.errors import AddressInUse, ConfigurationError
from antiphon.limits import Limits, Number, Timeouts, changed
from antiphon.loop import spread
from antiphon.server.doorway import Doorway
from antiphon.server.memory import settle
from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.reception import reception_of
from antiphon.server.tls import Tls
from antiphon.wire import CloseCode

logger = logging.getLogger("uvicorn.error")

#: Seconds that requests get to end when parting from the connections has taken all the time there was.
LEAST = 0.2


@runtime_checkable
class Drainable(Protocol):
    """An application that can part from its connections."""

    limits: Limits
    timeouts: Timeouts

    async def drain(self, code: int = ..., reason: str = ...) -> None:
        """Close every connection, and wait for it within a deadline."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen.

    Attributes:
        host: The address.
        port: The port.
        proxies: Addresses and networks of proxies that are believed when they say for whom they ask, with
            commas between; ``"*"`` for all. None: the environment's ``FORWARDED_ALLOW_IPS``, or else this
            machine only.
        tls: What to prove the server with, for ``https`` and ``wss``; None: no TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    proxies: str | None = None
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What whoever starts the server wants otherwise than the application says.

    Attributes:
        limits: Fields of ``Limits``.
        timeouts: Fields of ``Timeouts``.
    """

    limits: Mapping[str, Number] = field(default_factory=dict)
    timeouts: Mapping[str, Number] = field(default_factory=dict)


NO_CHANGES = Changes()


class Config(uvicorn.Config):
    """uvicorn's configuration, with what a peer may use and how long to wait for it.

    Args:
        app: The application, or where to find it, as ``"module:app"``.
        changes: What is to be otherwise than the application says.
        **options: uvicorn's.

    Attributes:
        limits: Those of the application, or of the first that is mounted in it.
        timeouts: Likewise.
    """

    def __init__(self, app: ASGIApp | str, changes: Changes, **options: Any) -> None:
        self.changes = changes
        self.limits = changed(Limits(), changes.limits)
        self.timeouts = changed(Timeouts(), changes.timeouts)
        super().__init__(app, http=Doorway, ws=WebSocketProtocol, lifespan="auto", **options)

    def load(self) -> None:
        """Load the application, and change what it says. Raises ``ConfigurationError``."""
        super().load()
        self.take_terms()

    def take_terms(self) -> None:
        """Take limits and timeouts from the application, and change them there as well."""
        applications = tuple(drainables(application_of(self)))
        for each in applications:
            each.limits = changed(each.limits, self.changes.limits)
            each.timeouts = changed(each.timeouts, self.changes.timeouts)
        if applications:
            self.limits, self.timeouts = applications[0].limits, applications[0].timeouts
        self.ws_max_size = self.limits.message
        self.ws_ping_interval = self.timeouts.ping_interval
        self.ws_ping_timeout = self.timeouts.ping


class Server(uvicorn.Server):
    """A uvicorn server that says where it serves, and parts from its connections before it stops."""

    config: Config

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()
        for sock in sockets or ():
            host, port = sock.getsockname()[:2]
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            scheme = "https" if self.config.is_ssl else "http"
            logger.info("Serving on %s://%s (press Ctrl-C to stop)", scheme, where)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, part from all connections, and be done when the time is over."""
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        applications = tuple(drainables(application_of(self.config)))
        timeouts = [each.timeouts for each in applications] or [self.config.timeouts]
        # One deadline for everything: uvicorn waits for what is left of it.
        deadline = loop.time() + max(each.drain for each in timeouts)
        loop.call_at(deadline, self._abort)
        code, reason = CloseCode.GOING_AWAY, "the server stops"
        if self.config.should_reload:
            code, reason = CloseCode.SERVICE_RESTART, "the server restarts"
        await asyncio.gather(self._part(code, reason), *(each.drain(code, reason) for each in applications))
        left = deadline - loop.time()
        self.config.timeout_graceful_shutdown = max(LEAST, left)  # type: ignore[assignment]
        await super().shutdown(sockets)

    async def _part(self, code: int, reason: str) -> None:
        """Part from those connections that no application of ours parts from."""
        bridged = tuple(reception_of(self.config, self.server_state).bridged)
        async for connection in spread(bridged, self.config.timeouts.spread):
            connection.shutdown(code, reason)

    def _abort(self) -> None:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, DirectTransport):
                connection.abort()


def drainables(app: Any, seen: frozenset[int] = frozenset()) -> Iterator[Drainable]:
    """An application, and those mounted in it, that can part from their connections."""
    if app is None or id(app) in seen:
        return
    seen |= {id(app)}
    if isinstance(app, Drainable):
        yield app
    for route in getattr(app, "routes", None) or ():
        yield from drainables(getattr(route, "app", None), seen)
    # Middleware around an application.
    yield from drainables(getattr(app, "app", None), seen)


def application_of(config: uvicorn.Config) -> Any:
    """The application that a configuration names, without the middleware of the server."""
    app = config.app
    if isinstance(app, str):
        return import_from_string(app)
    return app


def run(
    app: ASGIApp | str,
    listen: Listen,
    *,
    log_level: str = "info",
    reload: bool = False,
    changes: Changes = NO_CHANGES,
) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        app: The application, or where to find it, as ``"module:app"``.
        listen: Where to listen.
        log_level: The level of uvicorn's logs.
        reload: Serve anew when a source file changes; needs ``"module:app"``.
        changes: What limits and timeouts are to be, other than the application says.

    Raises:
        AddressInUse: Another program listens there.
        ConfigurationError: The address cannot be listened on, or a limit cannot be.
    """
    config = configuration(app, listen, log_level=log_level, reload=reload, changes=changes)
    sock = bind(listen)
    server = Server(config)
    try:
        if reload:
            ChangeReload(config, target=server.run, sockets=[sock]).run()
        else:
            server.run(sockets=[sock])
    except OSError as error:
        # Two programs can bind the same address; only one can listen.
        if error.errno == errno.EADDRINUSE:
            raise taken(listen) from None
        raise
    except KeyboardInterrupt:
        """uvicorn passes the signal on after it has stopped in good order."""
    finally:
        sock.close()


def configuration(
    app: ASGIApp | str, listen: Listen, *, log_level: str, reload: bool, changes: Changes = NO_CHANGES
) -> Config:
    """uvicorn's configuration for an application, with the application's own limits.

    Raises:
        ConfigurationError: A change cannot be, or the certificate or its key.
    """
    tls = listen.tls
    if tls is not None:
        tls.check()
    config = Config(
        app,
        changes,
        host=listen.host,
        port=listen.port,
        log_level=log_level,
        reload=reload,
        forwarded_allow_ips=listen.proxies,
        ssl_certfile=tls and tls.certfile,
        ssl_keyfile=tls and tls.keyfile,
        ssl_keyfile_password=tls and tls.password,
    )
    if not reload:
        # What cannot be is said before anything listens; a process that reloads leaves that to its child.
        config.take_terms()
    return config


def bind(listen: Listen) -> socket.socket:
    """Open the listening socket.

    Raises:
        AddressInUse: Another program listens there.
        ConfigurationError: The address cannot be listened on.
    """
    if not 0 <= listen.port <= 65535:
        # The resolver would take what is left of it, and serve on a port that nobody named.
        raise ConfigurationError(f"cannot listen on {listen.host}:{listen.port}: ports go up to 65535")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise taken(listen) from None
        raise ConfigurationError(f"cannot listen on {listen.host}:{listen.port}: {error}") from None
    sock.set_inheritable(True)
    return sock


def taken(listen: Listen) -> AddressInUse:
    """The error that says that an address is in use."""
    where = f"{listen.host}:{listen.port}"
    return AddressInUse(errno.EADDRINUSE, f"{where} is taken by another program; choose another port")
