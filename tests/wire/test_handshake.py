"""The opening handshake: requests as raw bytes, responses as raw bytes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from antiphon.errors import ProtocolError
from antiphon.wire import (
    Deflate,
    HandshakeError,
    Opening,
    Request,
    accept,
    accept_key,
    negotiate,
    parse_request,
    read_opening,
    refuse,
    select_subprotocol,
)
from antiphon.wire.headers import extensions

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

#: The example of RFC 6455 § 1.2, with what most clients send besides.
FIELDS = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Origin": "http://example.com",
    "Sec-WebSocket-Protocol": "chat, superchat",
    "Sec-WebSocket-Version": "13",
}

OPENING = Opening("/chat", "", KEY, ("chat", "superchat"), ())


def head(line: str = "GET /chat HTTP/1.1", **changed: str | None) -> bytes:
    """The example with some fields changed, or left out if None; sec_websocket_key is a name."""
    fields: dict[str, str | None] = {name.lower(): value for name, value in FIELDS.items()}
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    given = [f"{name.title()}: {value}" for name, value in fields.items() if value is not None]
    lines = [line, *given, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def opening(data: bytes) -> Opening:
    return read_opening(parse_request(data))


def refusal(data: bytes) -> HandshakeError:
    with pytest.raises(HandshakeError) as raised:
        opening(data)
    assert "RFC" in raised.value.reason
    return raised.value


# The request head


def test_a_request_is_read_with_its_header_names_in_lower_case_and_in_order() -> None:
    data = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:1\r\nx-a: \t2 3\xe9\t \r\nX-Empty:\r\n\r\n"
    headers = [(b"host", b"h"), (b"x-a", b"1"), (b"x-a", b"2 3\xe9"), (b"x-empty", b"")]
    request = parse_request(data)
    assert request == Request("GET", "/a?b=c", "1.1", headers)
    assert request.values(b"x-a") == ["1", "2 3é"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/11\r\n\r\n",
        b"GET / ICY/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\n: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\nb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\nmore",
    ],
)
def test_what_is_no_request_head_is_400(data: bytes) -> None:
    with pytest.raises(HandshakeError) as raised:
        parse_request(data)
    assert raised.value.status == 400
    assert "RFC 9112" in raised.value.reason


@pytest.mark.parametrize("run", [b" ", b"\t", b" \t", b"a", b" a", b":", b",", b";", b"=", b'"', b"\\"])
@pytest.mark.parametrize("end", [b"", b"\x01", b"b", b" ", b'"', b"\r", b"\r\n "])
@pytest.mark.parametrize(
    "name", [b"X", b"Connection", b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions"]
)
def test_a_head_of_one_thing_over_and_over_is_answered_at_once(name: bytes, run: bytes, end: bytes) -> None:
    """Whatever an expression could take in several ways: if it tried all, it would take minutes."""
    for start in (b"", b"a", b'a; b="', b"a;b="):
        filler = run * (30_000 // len(run))
        with contextlib.suppress(HandshakeError):
            opening(head()[:-2] + name + b": " + start + filler + end + b"\r\n\r\n")


def test_what_does_not_fit_is_quoted_in_part() -> None:
    """An error is logged, and sent back: no client decides how long it is."""
    for name in ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"):
        refused = refusal(head()[:-2] + f"{name}: a;;{'x' * 9_000}/\r\n\r\n".encode())
        assert len(refused.reason) < 300


def test_a_head_above_the_limit_is_431() -> None:
    data = head()
    assert parse_request(data, limit=len(data)).method == "GET"
    with pytest.raises(HandshakeError) as raised:
        parse_request(data, limit=len(data) - 1)
    assert raised.value.status == 431


@given(st.binary(max_size=200))
def test_any_bytes_after_a_request_line_are_read_or_refused(data: bytes) -> None:
    try:
        request = parse_request(b"GET / HTTP/1.1\r\n" + data)
    except HandshakeError:
        return
    for name, value in request.headers:
        assert not set(name + value) & set(b"\r\n\x00")


# What an opening handshake must be, RFC 6455 § 4.2.1


def test_the_example_of_rfc_6455_is_an_opening_handshake() -> None:
    assert opening(head()) == OPENING


@pytest.mark.parametrize(
    "data",
    [
        head("GET http://server.example.com/chat HTTP/1.1"),
        head("GET /chat HTTP/2.0"),
        head(upgrade="WebSocket"),
        head(upgrade="h2c, websocket"),
        head(connection="keep-alive, Upgrade"),
        head(connection="UPGRADE"),
        head(origin=None),
        head(content_length="0"),
    ],
)
def test_what_may_vary_may_vary(data: bytes) -> None:
    assert opening(data).key == KEY


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b?c=%3F?&d", "/a%20b", "c=%3F?&d"),
        ("//a/b", "//a/b", ""),
        ("/http://a/b", "/http://a/b", ""),
        ("http://server.example.com", "/", ""),
        ("HTTPS://server.example.com:80/chat?x=http://y", "/chat", "x=http://y"),
        ("wss://[::1]?x", "/", "x"),
    ],
)
def test_where_to_is_read_from_a_path_or_an_absolute_uri(target: str, path: str, query: str) -> None:
    """RFC 6455 § 4.2.1, item 1."""
    read = opening(head(f"GET {target} HTTP/1.1"))
    assert (read.path, read.query) == (path, query)


def test_an_opening_handshake_may_come_without_subprotocols() -> None:
    assert opening(head(sec_websocket_protocol=None)) == Opening("/chat", "", KEY, (), ())


def test_lists_may_come_in_several_lines() -> None:
    """RFC 6455 § 11.3.2 and § 11.3.4."""
    data = head()[:-2] + (
        b"Sec-WebSocket-Protocol: third\r\n"
        b"Sec-WebSocket-Extensions: a; b=1\r\nSec-WebSocket-Extensions: c\r\n\r\n"
    )
    read = opening(data)
    assert read.subprotocols == ("chat", "superchat", "third")
    assert read.extensions == (("a", (("b", "1"),)), ("c", ()))


@pytest.mark.parametrize(
    ("data", "status", "headers"),
    [
        (head("POST /chat HTTP/1.1"), 405, {b"allow": b"GET"}),
        (head("get /chat HTTP/1.1"), 405, {b"allow": b"GET"}),
        (head("GET /chat HTTP/1.0"), 400, {}),
        (head("GET chat HTTP/1.1"), 400, {}),
        (head("GET * HTTP/1.1"), 400, {}),
        (head("GET ?chat HTTP/1.1"), 400, {}),
        (head("GET localhost:80 HTTP/1.1"), 400, {}),
        (head("GET ftp://localhost/chat HTTP/1.1"), 400, {}),
        (head("GET /chat HTTP/0.9"), 400, {}),
        (head(host=None), 400, {}),
        (head(host=""), 400, {}),
        (head(upgrade=None), 426, {b"upgrade": b"websocket"}),
        (head(upgrade="h2c"), 426, {b"upgrade": b"websocket"}),
        (head(upgrade="websockets"), 426, {b"upgrade": b"websocket"}),
        (head(connection=None), 426, {b"upgrade": b"websocket"}),
        (head(connection="keep-alive"), 426, {b"upgrade": b"websocket"}),
        (head(connection="a b"), 400, {}),
        (head(sec_websocket_version=None), 426, {b"sec-websocket-version": b"13"}),
        (head(sec_websocket_version="8"), 426, {b"sec-websocket-version": b"13"}),
        (head(sec_websocket_version="13, 8"), 426, {b"sec-websocket-version": b"13"}),
        (head(sec_websocket_key=None), 400, {}),
        (head(sec_websocket_key=""), 400, {}),
        (head(sec_websocket_key="bm90IHNpeHRlZW4="), 400, {}),
        (head(sec_websocket_key=KEY[:-2]), 400, {}),
        (head(sec_websocket_key=KEY.replace("=", "A")), 400, {}),
        (head(sec_websocket_key="!" + KEY[1:]), 400, {}),
        (head(sec_websocket_key="é" + KEY[1:]), 400, {}),
        (head(sec_websocket_protocol="a b"), 400, {}),
        (head(sec_websocket_protocol="chat, chat"), 400, {}),
        (head(sec_websocket_extensions="foo; ="), 400, {}),
        (head(content_length="5"), 400, {}),
        (head(transfer_encoding="chunked"), 400, {}),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(
    data: bytes, status: int, headers: dict[bytes, bytes]
) -> None:
    error = refusal(data)
    assert error.status == status
    assert headers.items() <= dict(error.headers).items()


@pytest.mark.parametrize(
    "line",
    [
        b"Host: other.example.com",
        b"Origin: http://other.example.com",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"SEC-WEBSOCKET-VERSION: 13",
    ],
)
def test_a_single_valued_header_that_comes_twice_is_400(line: bytes) -> None:
    """RFC 6455 § 11.3, RFC 9110 § 7.2."""
    assert refusal(head()[:-2] + line + b"\r\n\r\n").status == 400


def test_two_content_lengths_are_a_body() -> None:
    assert refusal(head()[:-2] + b"Content-Length: 0\r\n" * 2 + b"\r\n").status == 400


def test_a_handshake_error_is_a_protocol_error_with_a_status() -> None:
    error = refusal(head(host=None))
    assert isinstance(error, ProtocolError)
    assert str(error) == "400 header host missing (RFC 6455 § 4.2.1)"


# The answers


def test_the_key_is_answered_as_in_rfc_6455_1_3() -> None:
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("supported", "selected"),
    [([], None), (["other"], None), (["superchat"], "superchat"), (["superchat", "chat"], "superchat")],
)  # fmt: skip
def test_the_first_subprotocol_of_ours_that_is_offered_is_selected(
    supported: list[str], selected: str | None
) -> None:
    assert select_subprotocol(OPENING.subprotocols, supported) == selected


def test_the_101_response_is_that_of_rfc_6455_1_2() -> None:
    assert accept(OPENING, subprotocol="chat") == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"upgrade: websocket\r\n"
        b"connection: Upgrade\r\n"
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"sec-websocket-protocol: chat\r\n"
        b"\r\n"
    )


def test_extensions_and_further_headers_stand_in_the_101_response() -> None:
    agreement = negotiate(extensions("permessage-deflate"), Deflate())
    assert agreement is not None
    response = accept(OPENING, agreement=agreement, headers=[(b"set-cookie", b"a=b")])
    assert b"\r\nsec-websocket-extensions: " + agreement.response.encode() + b"\r\n" in response
    assert response.endswith(b"\r\nset-cookie: a=b\r\n\r\n")
    assert b"sec-websocket-protocol" not in response


def test_a_subprotocol_that_was_not_offered_is_not_accepted() -> None:
    """RFC 6455 § 4.1: the client would fail the connection."""
    with pytest.raises(ValueError, match="'mqtt' was not offered"):
        accept(OPENING, subprotocol="mqtt")


@pytest.mark.parametrize(
    "name", [b"Upgrade", b"sec-websocket-accept", b"Sec-WebSocket-Extensions", b"content-length"]
)
def test_headers_of_the_handshake_are_not_for_applications(name: bytes) -> None:
    with pytest.raises(ValueError, match="belongs to the handshake"):
        accept(OPENING, headers=[(name, b"x")])


INJECTIONS = [
    (b"x-a", b"1\r\nSet-Cookie: admin=1"),
    (b"x-a", b"1\n\nHTTP/1.1 200 OK"),
    (b"x-a", b"1\x00"),
    (b"x-a: 1\r\nx-b", b"1"),
    (b"", b"1"),
]


@pytest.mark.parametrize("header", INJECTIONS)
def test_no_header_smuggles_in_another(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="RFC 9110"):
        accept(OPENING, headers=[header])
    with pytest.raises(ValueError, match="RFC 9110"):
        refuse(403, [header])


def test_a_refusal_has_its_length_and_closes_the_connection() -> None:
    assert refuse(403, [(b"x-why", b"origin")], b"no") == (
        b"HTTP/1.1 403 Forbidden\r\n"
        b"x-why: origin\r\n"
        b"content-type: text/plain; charset=utf-8\r\n"
        b"content-length: 2\r\n"
        b"connection: close\r\n"
        b"\r\n"
        b"no"
    )


def test_what_frames_a_refusal_is_replaced() -> None:
    headers = [
        (b"Content-Length", b"9"),
        (b"Connection", b"keep-alive"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Type", b"text/html"),
    ]
    assert refuse(404, headers, b"<p>") == (
        b"HTTP/1.1 404 Not Found\r\n"
        b"Content-Type: text/html\r\ncontent-length: 3\r\nconnection: close\r\n\r\n<p>"
    )


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_none(status: int) -> None:
    response = refuse(status, body=b"ignored")
    assert b"content-length" not in response
    assert response.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [100, 101, 199, 600, 0])
def test_a_status_that_cannot_refuse_is_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="200-599"):
        refuse(status)


def test_a_status_that_nobody_registered_has_no_phrase() -> None:
    assert refuse(499).startswith(b"HTTP/1.1 499 \r\n")


def test_an_error_knows_the_response_that_it_deserves() -> None:
    """RFC 6455 § 4.4, and RFC 9110 § 15.5.22: 426 says to what to upgrade."""
    response = refusal(head(sec_websocket_version="8")).response()
    assert response.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"\r\nsec-websocket-version: 13\r\n" in response
    assert b"\r\nupgrade: websocket\r\n" in response
    assert b"\r\nconnection: close, upgrade\r\n" in response
    content = response.partition(b"\r\n\r\n")[2]
    assert b"\r\ncontent-length: %d\r\n" % len(content) in response


def test_a_client_of_websockets_opens_with_us() -> None:
    client = ClientProtocol(parse_uri("ws://localhost/chat"), subprotocols=["chat"])
    client.send_request(client.connect())
    (sent,) = client.data_to_send()
    read = opening(sent)
    client.receive_data(accept(read, subprotocol="chat"))
    assert client.handshake_exc is None
    assert client.subprotocol == "chat"
