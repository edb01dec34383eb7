"""Serving an application: uvicorn, in one process, in several, or anew with each change of a source.

uvicorn stays the HTTP server and process manager. What differs from its own command: an occupied port is
an exception, sockets are told before the server stops, and stopping always ends.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload

from antiphon.errors import AddressInUse, ConfigurationError
from antiphon.server.serving import NO_CHANGES, Changes, Config, Server
from antiphon.server.tls import Tls
from antiphon.server.workers import HEALTH, Workers


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


def run(
    app: ASGIApp | str,
    listen: Listen,
    *,
    log_level: str = "info",
    reload: bool = False,
    workers: int = 1,
    loop: str = "auto",
    changes: Changes = NO_CHANGES,
) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        app: The application, or where to find it, as ``"module:app"``.
        listen: Where to listen.
        log_level: The level of uvicorn's logs.
        reload: Serve anew when a source file changes; needs ``"module:app"``.
        workers: How many processes serve. Several need ``"module:app"``, or an application that the running
            program has under a name of its own; and a broker that spans processes.
        loop: The event loop: ``auto`` (uvloop where it is installed), ``asyncio``, or ``aiofastnet``.
        changes: What limits and timeouts are to be, other than the application says.

    Raises:
        AddressInUse: Another program listens there.
        ConfigurationError: The address cannot be listened on, a limit cannot be, or the workers cannot.
        MissingExtra: The event loop is not installed.
        SystemExit: The application did not start; the log says why.
    """
    if workers > 1 and not isinstance(app, str):
        app = name_of(app)
    config = configuration(
        app, listen, log_level=log_level, reload=reload, workers=workers, loop=loop, changes=changes
    )
    sock = bind(listen)
    try:
        if reload:
            ChangeReload(config, target=Server(config).run, sockets=[sock]).run()
        elif workers > 1:
            Workers(config, [sock]).run()
        else:
            Server(config).run(sockets=[sock])
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
    app: ASGIApp | str,
    listen: Listen,
    *,
    log_level: str,
    reload: bool,
    workers: int = 1,
    loop: str = "auto",
    changes: Changes = NO_CHANGES,
) -> Config:
    """uvicorn's configuration for an application, with the application's own limits.

    Raises:
        ConfigurationError: A change cannot be, the certificate or its key, the workers, the event loop, or a
            proxy.
    """
    if workers < 1:
        raise ConfigurationError(f"workers={workers}: at least one process serves")
    if reload and workers > 1:
        raise ConfigurationError("a server that reloads has one worker: leave out one or the other")
    tls = listen.tls
    if tls is not None:
        tls.check()
    config = Config(
        app,
        changes,
        loop=loop,
        host=listen.host,
        port=listen.port,
        log_level=log_level,
        reload=reload,
        workers=workers,
        timeout_worker_healthcheck=HEALTH,
        forwarded_allow_ips=listen.proxies,
        ssl_certfile=tls and tls.certfile,
        ssl_keyfile=tls and tls.keyfile,
        ssl_keyfile_password=tls and tls.password,
    )
    # What cannot be is said before anything listens.
    config.get_loop_factory()
    check_proxies(config.forwarded_allow_ips)
    if not reload:
        # A process that reloads leaves the application to its child.
        config.take_terms()
    return config


def check_proxies(proxies: Iterable[str] | str) -> None:
    """See that connections could come from each of these proxies, or from anybody (``"*"`` alone).

    Raises:
        ConfigurationError: One is neither an address, nor a network, nor the path of a Unix socket.
    """
    if proxies in ("*", ["*"]):
        return
    for proxy in proxies.split(",") if isinstance(proxies, str) else proxies:
        proxy = proxy.strip()
        if not proxy or proxy.startswith("/"):
            continue
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ConfigurationError(
                f"cannot trust {proxy!r} (--forwarded-allow-ips, or FORWARDED_ALLOW_IPS): {error}"
            ) from None


def name_of(app: ASGIApp) -> str:
    """Where other processes find an application: the name that the running program has for it.

    A worker is a new process that executes the program's file as a module, and looks there.

    Raises:
        ConfigurationError: The program has none; or this is a worker that executes the file, and has come
            to where it serves.
    """
    program = sys.modules["__main__"]
    names = [name for name, value in vars(program).items() if value is app]
    if not names or getattr(program, "__file__", None) is None:
        raise ConfigurationError(
            "each worker executes this program's file to find the application: give it a name at the top of "
            'the file, and serve under `if __name__ == "__main__":` only; or use `antiphon run module:app '
            "--workers N`"
        )
    return f"__main__:{names[0]}"


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
