"""Serving an application: uvicorn, with our limits and a way of stopping that keeps its deadline.

uvicorn stays the HTTP server and process manager. What differs from its own command: an occupied port is
an exception, sockets are told before the server stops, and stopping always ends.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.importer import import_from_string
from uvicorn.supervisors import ChangeReload

from antiphon.errors import AddressInUse, ConfigurationError
from antiphon.limits import Limits, Timeouts
from antiphon.server.protocol import WebSocketProtocol


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
    """A uvicorn server that parts from its connections before it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        application = application_of(self.config)
        if isinstance(application, Drainable):
            await application.drain()
        await super().shutdown(sockets)


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
    where = f"{listen.host}:{listen.port}"
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
            raise AddressInUse(
                errno.EADDRINUSE, f"{where} is taken by another program; choose another port"
            ) from None
        raise ConfigurationError(f"cannot listen on {where}: {error}") from None
    sock.set_inheritable(True)
    return sock
