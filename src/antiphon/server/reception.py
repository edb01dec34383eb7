"""Who may come in: what the connections of one server share, and how many there are of each address.

A connection is counted when its socket opens, under the address of that socket. A trusted proxy is not
counted by its address: the client that it speaks for is, once the handshake has said which it is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.server import ServerState

from antiphon.connection import Farewell, Terms
from antiphon.connection.transports.direct import DirectTransport
from antiphon.limits import Limits, Timeouts
from antiphon.wire import CloseCode, Deflate, HandshakeError, header_lines

logger = logging.getLogger("uvicorn.error")

#: Connections above the limit that are told so with a response; more are dropped.
SPARE = 64

#: Seconds after which a refused client may come back, when somebody has to leave first.
LATER = 5


class Reception:
    """What the connections of one server share.

    Args:
        terms: What a peer may use, and how long to wait for it.
        connections: Those that uvicorn tells when the server stops.
        trusted: Addresses of proxies that are believed.
        farewell: How the server parts from its connections.
        blind: Whether the server knows of no application that has terms of its own.
        clock: Seconds that only grow.

    Attributes:
        bridged: The connections that an application serves by plain ASGI events.
        when_gone: What an open connection calls when its socket is gone.
    """

    def __init__(
        self,
        terms: Terms,
        connections: set[Any],
        trusted: Container[str] = (),
        *,
        farewell: Farewell | None = None,
        blind: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terms = terms
        self.bridged: set[DirectTransport] = set()
        self.farewell = farewell or Farewell()
        self.blind = blind
        # One for all: each connection keeps it.
        self.when_gone: Callable[[DirectTransport, asyncio.Transport], None] = self._gone
        self._connections = connections
        self._trusted = trusted
        self._clock = clock
        self._inside: dict[asyncio.BaseTransport, str] = {}
        self._by_address: dict[str, int] = {}
        # The headers that every answer has, and the same as lines.
        self._headers: Sequence[tuple[bytes, bytes]] | None = None
        self._lines = b""
        # How many came from each address in this second, and whether a refusal was told of.
        self._second = 0
        self._new: dict[str, int] = {}
        self._told = False

    def __repr__(self) -> str:
        return f"<Reception {len(self._inside)} connections of {len(self._by_address)} addresses>"

    @property
    def overrun(self) -> bool:
        """Whether there are so many that they cannot even be told."""
        most = self.terms.limits.connections
        return most is not None and len(self._inside) >= most + SPARE

    def enter(self, socket: asyncio.BaseTransport, address: str | None) -> None:
        """Count a connection, unless it is counted already.

        Raises:
            HandshakeError: There are too many; it is counted all the same until it leaves.
        """
        if socket in self._inside:
            return
        most = self.terms.limits.connections
        self._inside[socket] = ""
        if most is not None and len(self._inside) > most:
            raise self._full(f"more than {most} connections (Limits.connections)", LATER)
        if address is not None and address not in self._trusted:
            self._count(socket, address)

    def recognise(
        self, socket: asyncio.BaseTransport, address: str | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> str | None:
        """Say whom a trusted proxy speaks for, and count its connection under that address, once.

        Raises:
            HandshakeError: There are too many of that address.
        """
        if address not in self._trusted:
            return None
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if not values:
            return None
        hosts = [_bare(host) for host in b",".join(values).decode("latin-1").split(",")]
        # Each proxy adds at the end whom it got the request from; what is before may be made up.
        client = next((host for host in reversed(hosts) if host and host not in self._trusted), None)
        if client is None and "*" in self._trusted:
            # Where everybody is trusted, the first is believed.
            client = hosts[0] or None
        if client is None or not _is_address(client):
            return None
        if not self._inside.get(socket):
            self._count(socket, client)
        return client

    def meet(self) -> None:
        """An application with terms of its own takes a connection: it should be known to the server."""
        if self.blind:
            self.blind = False
            logger.warning(
                "an Antiphon application is inside of something that the server cannot see into: neither get "
                "its limits and time-outs to the server, nor those of the command line to it; keep it in an "
                "attribute `app` of what wraps it"
            )

    def exchange(self, below: asyncio.BaseTransport, above: asyncio.BaseTransport) -> None:
        """Count a connection by its transport of TLS, no more by the one below that."""
        self._inside[above] = self._inside.pop(below)

    def leave(self, socket: asyncio.BaseTransport) -> None:
        """Count a connection no more, if it is counted."""
        address = self._inside.pop(socket, "")
        if address:
            left = self._by_address[address] - 1
            if left:
                self._by_address[address] = left
            else:
                del self._by_address[address]

    def lines(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The headers of every answer as lines; made anew when the server has made others.

        Raises:
            ValueError: One of them is none.
        """
        if headers is not self._headers:
            self._lines = header_lines(headers)
            self._headers = headers
        return self._lines

    def _gone(self, connection: DirectTransport, socket: asyncio.Transport) -> None:
        self._connections.discard(connection)
        self.bridged.discard(connection)
        self.leave(socket)

    def _count(self, socket: asyncio.BaseTransport, address: str) -> None:
        limits, network = self.terms.limits, _network(address)
        self._inside[socket] = network
        here = self._by_address[network] = self._by_address.get(network, 0) + 1
        self._turn_over()
        new = self._new[network] = self._new.get(network, 0) + 1
        most = limits.connections_per_address
        if most is not None and here > most:
            raise self._full(
                f"more than {most} connections of {network} (Limits.connections_per_address)", LATER
            )
        most = limits.connections_per_second
        if most is not None and new > most:
            raise self._full(
                f"more than {most} new ones of {network} a second (Limits.connections_per_second)", 1
            )

    def _turn_over(self) -> None:
        """Begin to count anew when another second has begun."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._new.clear()
            self._told = False

    def _full(self, why: str, seconds: int) -> HandshakeError:
        self._turn_over()
        if not self._told:
            self._told = True
            logger.warning("connections are refused: %s; trust a proxy with --forwarded-allow-ips", why)
        return HandshakeError(503, "too many connections", [(b"retry-after", b"%d" % seconds)])


def _bare(host: str) -> str:
    """A forwarded address without its port."""
    host = host.strip()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _is_address(host: str) -> bool:
    """Whether this is an address, and not something else that somebody would like to see in a log."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    # The zone of an IPv6 address is free text, and means nothing to another machine.
    return "%" not in host


def _network(address: str) -> str:
    """What counts as one address: whoever has one of IPv6 has 2 ** 64 of them."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


_receptions: WeakKeyDictionary[ServerState, Reception] = WeakKeyDictionary()


def reception_of(config: Config, server: ServerState) -> Reception:
    """What the connections of a server share."""
    reception = _receptions.get(server)
    if reception is None:
        trusted: Any = ()
        if config.proxy_headers:
            believing: Any = ProxyHeadersMiddleware(config.loaded_app, config.forwarded_allow_ips)
            trusted = believing.trusted_hosts
        reception = _receptions[server] = Reception(
            terms_of(config),
            server.connections,
            trusted,
            farewell=farewell_of(config),
            blind=getattr(config, "blind", False),
        )
    return reception


def farewell_of(config: Config) -> Farewell:
    """How a server parts from its connections; they have half of the time that uvicorn has to answer."""
    farewell = Farewell()
    if config.should_reload:
        farewell.code, farewell.reason = CloseCode.SERVICE_RESTART, "the server restarts"
    if config.timeout_graceful_shutdown is not None:
        farewell.within = config.timeout_graceful_shutdown / 2
    return farewell


def terms_of(config: Config) -> Terms:
    """What peers may use: as the server's configuration says, or what uvicorn's own options stand for."""
    limits = getattr(config, "limits", None) or Limits(message=config.ws_max_size)
    timeouts = getattr(config, "timeouts", None) or Timeouts(
        ping_interval=config.ws_ping_interval or None, ping=config.ws_ping_timeout or Timeouts().ping
    )
    return Terms(limits, timeouts, Deflate() if config.ws_per_message_deflate else None)
