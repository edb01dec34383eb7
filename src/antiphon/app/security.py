"""Which browsers' pages may connect: the check of the Origin header.

A browser sends a page's origin with every WebSocket handshake, and cookies with it whatever page it is;
without this check any page could act as the user (cross-site WebSocket hijacking, RFC 6455 § 10.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from antiphon.errors import ConfigurationError

Origins = Iterable[str] | Literal["*"] | None

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class OriginCheck:
    """Decides by the Origin header whether a handshake may go on.

    Without the header it may: only browsers send one, and only browsers hold somebody's cookies. By
    default the origin's host must be the one that the request asks for.

    Args:
        allowed: Origins as ``"https://example.org"``, with ``"https://*.example.org"`` for every host
            below it; ``"*"`` for all; None for the same host only.

    Raises:
        ConfigurationError: An entry is no origin.
    """

    def __init__(self, allowed: Origins = None) -> None:
        if isinstance(allowed, str) and allowed != "*":
            raise ConfigurationError(f"allowed_origins is a list of origins, or '*' for all: [{allowed!r}]")
        given = tuple(allowed or ())
        self._any = "*" in given
        self._allowed = [_origin(each) for each in given if each != "*"]

    def __repr__(self) -> str:
        return f"<OriginCheck {'any' if self._any else self._allowed or 'same host'}>"

    def __call__(self, headers: Headers) -> bool:
        """Whether a request with these headers may go on."""
        origins = headers.getlist("origin")
        if not origins or self._any:
            return True
        if len(origins) > 1:
            return False
        try:
            scheme, host, port = _split(origins[0])
        except ValueError:
            return False
        if any(_fits(each, (scheme, host, port)) for each in self._allowed):
            return True
        return _same_host(headers.get("host", ""), host, port, scheme)


def _same_host(asked: str, host: str, port: int, scheme: str) -> bool:
    try:
        parts = urlsplit(f"//{asked}")
        asked_port = parts.port or _PORTS[scheme]
    except ValueError:
        return False
    return parts.hostname == host and asked_port == port


def _origin(text: str) -> tuple[str, str, int]:
    try:
        return _split(text)
    except ValueError:
        raise ConfigurationError(
            f"allowed_origins: {text!r} is no origin; write it as 'https://example.org'"
        ) from None


def _split(text: str) -> tuple[str, str, int]:
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(text)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _fits(allowed: tuple[str, str, int], origin: tuple[str, str, int]) -> bool:
    if allowed[0] != origin[0] or allowed[2] != origin[2]:
        return False
    if allowed[1].startswith("*."):
        return origin[1].endswith(allowed[1][1:])
    return allowed[1] == origin[1]
