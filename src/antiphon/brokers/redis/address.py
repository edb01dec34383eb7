"""Where Redis is: what a URL says, and the connections made by it.

=============================================  ==========================================================
``redis://user:password@host:port/db``         one server
``rediss://…``                                 the same over TLS
``unix:///path``, ``redis+unix:///path``       the same over a Unix socket
``redis+cluster://host:port,host:port``        a cluster, by some of its nodes
``rediss+cluster://…``                         the same over TLS
=============================================  ==========================================================

``?prefix=`` is ours; all other parameters are redis-py's, ``ssl_ca_certs`` for one. No text of this module
shows a password.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import Connection, parse_url

from antiphon.errors import ConfigurationError

PREFIX = "antiphon"

#: Seconds for one connection to be made.
CONNECT = 2.0

_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "redis+unix": "unix",
    "redis+cluster": "redis",
    "rediss+cluster": "rediss",
}

#: What the broker needs of a connection, whatever the URL says.
_OURS = {
    "protocol": 2,
    "decode_responses": False,
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT,
    "health_check_interval": 0,
}

Node = tuple[str, int]


class Address:
    """The place of a server or a cluster.

    Args:
        url: See above.

    Attributes:
        prefix: What all keys begin with, as the URL has it; None: it says nothing.
        nodes: Nodes of a cluster that it names; empty for a single server.

    Raises:
        ConfigurationError: It is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            scheme = _SCHEMES[parts.scheme]
            credentials, at, place = parts.netloc.rpartition("@")
            query = dict(parse_qsl(parts.query))
            self.prefix = query.pop("prefix", None)
            self.nodes: tuple[Node, ...] = ()
            hosts = place
            if parts.scheme.endswith("+cluster"):
                self.nodes = tuple(_node(each) for each in place.split(","))
                hosts = place.partition(",")[0]
            self._text = f"{parts.scheme}://{place}{parts.path}"
            if scheme != "unix" and parts.path.strip("/") and not parts.path.strip("/").isdecimal():
                raise ValueError("redis-py would take database 0")
            plain = f"{scheme}://{credentials}{at}{hosts}{parts.path}?{urlencode(query)}"
            self._options: dict[str, Any] = {**parse_url(plain), **_OURS}
            self._kind = self._options.pop("connection_class", Connection)
            self._options.pop("max_connections", None)
            self.connection()
        except (KeyError, ValueError, TypeError):
            # The error may show the URL, and that a password, so it is not passed on.
            raise ConfigurationError(
                "that is no URL of Redis; there are redis://host:port/db, rediss://host:port/db (TLS), "
                "unix:///path/of/socket and redis+cluster://host:port,host:port, each with "
                "user:password@ before the host and redis-py's parameters after a question mark"
            ) from None

    def __repr__(self) -> str:
        return f"<Address {self}>"

    def __str__(self) -> str:
        return self._text

    def connection(self, node: Node | None = None) -> Connection:
        """Make a connection, not yet open, to the server or to a node of the cluster."""
        if node is None:
            connection: Connection = self._kind(**self._options)
        else:
            connection = self._kind(**{**self._options, "host": node[0], "port": node[1]})
        return connection


def _node(text: str) -> Node:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a node without a host")
    return parts.hostname, parts.port or 6379
