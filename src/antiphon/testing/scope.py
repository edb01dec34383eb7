"""The scopes of a test client's requests, as a server would make them.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from antiphon.errors import ConfigurationError

HeaderInput = Mapping[str, str] | Iterable[tuple[str, str]]
HeaderPairs = list[tuple[bytes, bytes]]

_PORTS = {"http": 80, "https": 443}
_CLIENT = ("testclient", 50000)


class Address:
    """Where the application seems to be served.

    Args:
        base_url: As ``"http://testserver"`` or ``"https://example.org:8443"``.

    Raises:
        ConfigurationError: It is no such address.
    """

    __slots__ = ("host", "name", "port", "secure")

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise ConfigurationError(
                f"base_url is like 'http://testserver', without a path, not {base_url!r}"
            )
        self.host = parts.netloc
        self.name = parts.hostname
        self.port = parts.port or _PORTS[parts.scheme]
        self.secure = parts.scheme == "https"


def make_scope(
    kind: Literal["http", "websocket"],
    target: str,
    headers: HeaderPairs,
    address: Address,
    state: Mapping[str, Any],
) -> dict[str, Any]:
    """The scope of one request, without what only one kind of request has.

    Raises:
        ValueError: The target does not begin with a slash.
    """
    if not target.startswith("/"):
        raise ValueError(f"a path begins with '/', as in '/rooms/7?name=Ada'; not {target!r}")
    path, _, query = target.partition("#")[0].partition("?")
    scheme = ("https" if address.secure else "http") if kind == "http" else "wss" if address.secure else "ws"
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": _CLIENT,
        "server": (address.name, address.port),
        "state": dict(state),
    }


def header_pairs(*given: HeaderInput | None) -> HeaderPairs:
    """Headers as ASGI has them; a later one of the same name replaces the earlier ones."""
    pairs: HeaderPairs = []
    for each in filter(None, given):
        more = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (each.items() if isinstance(each, Mapping) else each)
        ]
        names = {name for name, _ in more}
        pairs = [pair for pair in pairs if pair[0] not in names] + more
    return pairs


def handshake_headers(subprotocols: Sequence[str], origin: str | None) -> dict[str, str]:
    """What a client adds to a request to make it a handshake (RFC 6455 § 4.1)."""
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if subprotocols:
        headers["sec-websocket-protocol"] = ", ".join(subprotocols)
    if origin is not None:
        headers["origin"] = origin
    return headers
