"""Serving an application: uvicorn, with our limits and a way of stopping that keeps its deadline.

uvicorn stays the HTTP server and process manager. What differs from its own command: an occupied port is
an exception, sockets are told before the server stops, and stopping always ends.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.importer import import_from_string
from uvicorn.supervisors import ChangeReload

from antiphon.errors import AddressInUse, ConfigurationError
from antiphon.limits import Limits, Timeouts
from antiphon.server.protocol import WebSocketProtocol

logger = logging.getLogger("uvicorn.error")

#: Seconds that requests get to end when parting from the connections has taken all the time there was.
LEAST = 0.2


@runtime_checkable
class Drainable(Protocol):
    """An application that can part from its connections."""

    limits: Limits
    timeouts: Timeouts

    async def drain(self) -> None:
        """Close every connection, and wait for it within a deadline."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen.

    Attributes:
        host: The address.
        port: The port.
    """

    host: str = "127.0.0.1"
    port: int = 8000


class Server(uvicorn.Server):
    """A uvicorn server that says where it serves, and parts from its connections before it stops."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for sock in sockets or ():
            host, port = sock.getsockname()[:2]
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            logger.info("Serving on http://%s (press Ctrl-C to stop)", where)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        began = loop.time()
        applications = tuple(drainables(application_of(self.config)))
        if applications:
            await asyncio.gather(*(each.drain() for each in applications))
            # One deadline for everything: uvicorn waits for what is left of it.
            left = max(each.timeouts.drain for each in applications) - (loop.time() - began)
            self.config.timeout_graceful_shutdown = max(LEAST, left)  # type: ignore[assignment]
        await super().shutdown(sockets)


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


def run(app: ASGIApp | str, listen: Listen, *, log_level: str = "info", reload: bool = False) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        app: The application, or where to find it, as ``"module:app"``.
        listen: Where to listen.
        log_level: The level of uvicorn's logs.
        reload: Serve anew when a source file changes; needs ``"module:app"``.

    Raises:
        AddressInUse: Another program listens there.
        ConfigurationError: The address cannot be listened on.
    """
    config = configuration(app, listen, log_level=log_level, reload=reload)
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


def configuration(app: ASGIApp | str, listen: Listen, *, log_level: str, reload: bool) -> uvicorn.Config:
    """uvicorn's configuration for an application, with the application's own limits."""
    config = uvicorn.Config(
        app,
        host=listen.host,
        port=listen.port,
        log_level=log_level,
        reload=reload,
        ws=WebSocketProtocol,
        lifespan="auto",
    )
    application = app if reload else application_of(config)
    limits = getattr(application, "limits", Limits())
    timeouts = getattr(application, "timeouts", Timeouts())
    config.ws_max_size = limits.message
    config.ws_ping_interval = timeouts.ping_interval
    config.ws_ping_timeout = timeouts.ping
    config.timeout_graceful_shutdown = max(1, round(timeouts.drain))
    return config


def bind(listen: Listen) -> socket.socket:
    """Open the listening socket.

    Raises:
        AddressInUse: Another program listens there.
        ConfigurationError: The address cannot be listened on.
    """
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
