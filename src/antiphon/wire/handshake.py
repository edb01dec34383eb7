"""The opening handshake (RFC 6455 § 4.2): a request head in, a 101 or a refusal out, as bytes.

``parse_request`` reads the head, ``read_opening`` checks all that the RFC demands of it,
``accept`` and ``refuse`` build the answer. A request that cannot be accepted is a
``HandshakeError``, which knows the answer it deserves. Names of header fields are lower case, as
in ASGI.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from antiphon.errors import ProtocolError
from antiphon.wire.close import CloseCode
from antiphon.wire.deflate import Agreement
from antiphon.wire.headers import Extension, check_field, extensions, tokens

Headers = Sequence[tuple[bytes, bytes]]

T = TypeVar("T")

#: Largest request head that is read, in bytes, unless the caller says otherwise.
MAX_HEAD = 32 * 1024

#: § 1.3: what proves that the server understood the key.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_request_line = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])\r\n"
).match
# The blanks around a value are left to ``strip``: an expression that could take them in two ways would try
# all, and a head of blanks take minutes.
_field = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)\r\n").match
#: A path with its query, after which of them an absolute URI has (§ 4.2.1, item 1; RFC 9112 § 3.2.2).
_target = re.compile(
    r"(?:(?:https?|wss?)://[^/?#]+(?=[/?]|$)|(?=/))(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?", re.IGNORECASE
).fullmatch
#: 16 bytes in base64 (§ 4.1, item 7).
_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch

#: § 11.3.1, § 11.3.5, RFC 9110 § 7.2 and RFC 6454 § 7.3: fields that come once or not at all.
_SINGLE = (b"host", b"origin", b"sec-websocket-key", b"sec-websocket-version")

#: What this module writes into its answers, and nobody else.
_OURS_ACCEPTED = {
    b"connection",
    b"content-length",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
    b"transfer-encoding",
    b"upgrade",
}
_OURS_REFUSED = {b"connection", b"content-length", b"transfer-encoding"}

_UPGRADE = (b"upgrade", b"websocket")

#: How every 101 response begins, up to the answer to the key.
_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
)

COMMON = {
    name: name
    for name in (
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"cookie",
        b"host",
        b"origin",
        b"pragma",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"upgrade",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    )
}


class HandshakeError(ProtocolError):
    """The request is no opening handshake that can be accepted.

    Attributes:
        status: The HTTP status that says so.
        headers: Header fields that belong to that status.
    """

    def __init__(self, status: int, reason: str, headers: Headers = ()) -> None:
        super().__init__(CloseCode.PROTOCOL_ERROR, reason)
        self.args = (status, reason, headers)
        self.status = status
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"

    def response(self) -> bytes:
        """Build the refusal."""
        return refuse(self.status, self.headers, self.reason.encode())


@dataclass(frozen=True, slots=True)
class Request:
    """The head of an HTTP request, with header names in lower case."""

    method: str
    target: str
    version: str
    headers: list[tuple[bytes, bytes]]
    _fields: dict[bytes, list[str]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        fields = self._fields
        for name, value in self.headers:
            if name in fields:
                fields[name].append(value.decode("latin-1"))
            else:
                fields[name] = [value.decode("latin-1")]

    @property
    def repeats(self) -> bool:
        """Whether some header field comes more than once."""
        return len(self._fields) < len(self.headers)

    def values(self, name: bytes) -> list[str]:
        """The values of one header field, in order."""
        return self._fields.get(name, [])


@dataclass(frozen=True, slots=True)
class Opening:
    """What a valid opening handshake asks for.

    Attributes:
        path: Where to, still with its percent signs.
        query: What came after the question mark.
        key: The nonce to be answered.
        subprotocols: What the client speaks, best first.
        extensions: The extensions it offers, best first.
    """

    path: str
    query: str
    key: str
    subprotocols: tuple[str, ...]
    extensions: tuple[Extension, ...]


def parse_request(head: bytes, limit: int = MAX_HEAD) -> Request:
    """Read a request head, from its first byte to the empty line that ends it.

    Raises:
        HandshakeError: It is larger than ``limit`` (431), or is not the head of an HTTP/1 request.
    """
    if len(head) > limit:
        raise HandshakeError(431, f"request head of more than {limit} bytes (RFC 6585 § 5)")
    line = _request_line(head)
    if line is None:
        raise HandshakeError(400, "malformed request line (RFC 9112 § 3)")
    headers: list[tuple[bytes, bytes]] = []
    at = line.end()
    while parsed := _field(head, at):
        name = parsed[1].lower()
        # One object for each common name: there are as many of them as open connections.
        headers.append((COMMON.get(name, name), parsed[2].strip(b" \t")))
        at = parsed.end()
    if head[at:] != b"\r\n":
        raise HandshakeError(400, "malformed header field (RFC 9112 § 5)")
    method, target, major, minor = (part.decode() for part in line.groups())
    return Request(method, target, f"{major}.{minor}", headers)


def read_opening(request: Request) -> Opening:
    """Check that a request is an opening handshake (RFC 6455 § 4.2.1).

    Whether its origin, path, subprotocols and extensions suit is for others to say.

    Raises:
        HandshakeError: It is not.
    """
    if request.method != "GET":
        raise HandshakeError(405, "method is not GET (RFC 6455 § 4.2.1)", [(b"allow", b"GET")])
    if request.version < "1.1":
        raise HandshakeError(400, "HTTP version below 1.1 (RFC 6455 § 4.2.1)")
    target = _target(request.target)
    if target is None:
        raise HandshakeError(400, "target is neither a path nor an absolute URI (RFC 6455 § 4.2.1)")
    if request.repeats:
        for name in _SINGLE:
            if len(request.values(name)) > 1:
                raise HandshakeError(400, f"header {name.decode()} repeated (RFC 6455 § 11.3)")
    if not _value(request, b"host"):
        raise HandshakeError(400, "header host missing (RFC 6455 § 4.2.1)")
    if request.values(b"transfer-encoding") or request.values(b"content-length") not in ([], ["0"]):
        # Its body would be taken for frames, or the other way round.
        raise HandshakeError(400, "opening handshake with a body (RFC 6455 § 4.1)")
    # What nearly all clients send needs no grammar.
    if request.values(b"upgrade") != ["websocket"] and "websocket" not in _listed(
        request, b"upgrade", _products
    ):
        raise HandshakeError(426, "header upgrade lacks websocket (RFC 6455 § 4.2.1)", [_UPGRADE])
    if request.values(b"connection") != ["Upgrade"] and "upgrade" not in (
        option.lower() for option in _listed(request, b"connection", tokens)
    ):
        raise HandshakeError(426, "header connection lacks upgrade (RFC 6455 § 4.2.1)", [_UPGRADE])
    if _value(request, b"sec-websocket-version") != "13":
        raise HandshakeError(
            426,
            "header sec-websocket-version is not 13 (RFC 6455 § 4.4)",
            [_UPGRADE, (b"sec-websocket-version", b"13")],
        )
    key = _value(request, b"sec-websocket-key")
    if not _is_key(key):
        raise HandshakeError(400, "header sec-websocket-key is not 16 bytes (RFC 6455 § 4.2.1)")
    subprotocols = tuple(_listed(request, b"sec-websocket-protocol", tokens))
    if len(set(subprotocols)) < len(subprotocols):
        raise HandshakeError(400, "subprotocol offered twice (RFC 6455 § 4.1)")
    offers = tuple(_listed(request, b"sec-websocket-extensions", extensions))
    return Opening(target["path"] or "/", (target["query"] or "?")[1:], key, subprotocols, offers)


def accept_key(key: str) -> str:
    """Compute the answer to a key (RFC 6455 § 4.2.2)."""
    return b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def select_subprotocol(offered: Sequence[str], supported: Iterable[str]) -> str | None:
    """Choose the first of ours that the client offers, if there is one (§ 4.2.2)."""
    return next((subprotocol for subprotocol in supported if subprotocol in offered), None)


def accept(
    opening: Opening,
    *,
    subprotocol: str | None = None,
    agreement: Agreement | None = None,
    headers: Headers = (),
    lines: bytes = b"",
) -> bytes:
    """Build the 101 response (RFC 6455 § 4.2.2).

    Args:
        opening: What is accepted.
        subprotocol: One of those offered, or none.
        agreement: On compression, or none.
        headers: Further header fields, written by the application.
        lines: Header fields that all answers have, as ``header_lines`` made them.

    Raises:
        ValueError: The subprotocol was not offered, or a header is none, or is ours to write.
    """
    if subprotocol is not None and subprotocol not in opening.subprotocols:
        raise ValueError(
            f"subprotocol {subprotocol!r} was not offered: {list(opening.subprotocols)} (RFC 6455 § 4.2.2)"
        )
    for name, _ in headers:
        if name.lower() in _OURS_ACCEPTED:
            raise ValueError(f"header {name.decode()} belongs to the handshake (RFC 6455 § 4.2.2)")
    fields: list[tuple[bytes, bytes]] = []
    if subprotocol is not None:
        fields.append((b"sec-websocket-protocol", subprotocol.encode()))
    if agreement is not None:
        fields.append((b"sec-websocket-extensions", agreement.response.encode()))
    if fields or headers:
        lines = header_lines([*fields, *headers]) + lines
    return b"%b%b\r\n%b\r\n" % (_ACCEPTED, accept_key(opening.key).encode(), lines)


def refuse(status: int, headers: Headers = (), body: bytes = b"") -> bytes:
    """Build a response that refuses the handshake, after which the connection is closed.

    Args:
        status: 200 to 599.
        headers: Its header fields; what frames the response is ours to write and is replaced.
        body: Its content, plain text unless ``headers`` says otherwise.

    Raises:
        ValueError: The status cannot refuse, or a header is none.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"status {status} cannot refuse a handshake: choose from 200-599")
    fields = [(name, value) for name, value in headers if name.lower() not in _OURS_REFUSED]
    names = {name.lower() for name, _ in fields}
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        body = b""  # RFC 9110 § 8.6: these have no content, and 204 not even its length
    else:
        if b"content-type" not in names:
            fields.append((b"content-type", b"text/plain; charset=utf-8"))
        fields.append((b"content-length", b"%d" % len(body)))
    # RFC 9110 § 7.8: who sends Upgrade names it in Connection as well.
    fields.append((b"connection", b"close, upgrade" if b"upgrade" in names else b"close"))
    return _head(status, fields) + body


def _head(status: int, headers: Headers) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""  # RFC 9112 § 4: a client ignores it anyhow
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, phrase.encode(), header_lines(headers))


def header_lines(headers: Headers) -> bytes:
    """Write header fields as the lines of a head, each with its end.

    Raises:
        ValueError: A header is none.
    """
    lines = []
    for name, value in headers:
        check_field(name, value)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def _value(request: Request, name: bytes) -> str:
    """The value of a single-valued header field, empty when there is none."""
    values = request.values(name)
    return values[0] if values else ""


def _listed(request: Request, name: bytes, grammar: Callable[[str], list[T]]) -> list[T]:
    """The elements of a list-valued header field, all its lines together (RFC 9110 § 5.3)."""
    try:
        return grammar(", ".join(request.values(name)))
    except ValueError as error:
        raise HandshakeError(400, f"header {name.decode()}: {error}") from error


def _products(value: str) -> list[str]:
    """Read a list of protocols, which may have versions (RFC 9110 § 7.8), in lower case."""
    return [product.strip(" \t").lower() for product in value.split(",")]
