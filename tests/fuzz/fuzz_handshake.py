"""Any request head: an opening handshake that can be accepted, or a refusal; no header injected."""

from __future__ import annotations

from fuzzing import fuzz

from antiphon.wire import (
    Deflate,
    HandshakeError,
    accept,
    negotiate,
    parse_request,
    read_opening,
    select_subprotocol,
)

#: What a mutation rarely finds: the fields that are demanded.
DEMANDED = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OURS = 3  # upgrade, connection, sec-websocket-accept


def answer(head: bytes) -> None:
    try:
        opening = read_opening(parse_request(head))
    except HandshakeError as error:
        response = error.response()
        assert response.startswith(b"HTTP/1.1 4"), response
    else:
        agreement = negotiate(opening.extensions, Deflate())
        subprotocol = select_subprotocol(opening.subprotocols, opening.subprotocols[-1:])
        response = accept(opening, subprotocol=subprotocol, agreement=agreement)
        lines = response.split(b"\r\n")
        expected = OURS + (agreement is not None) + (subprotocol is not None)
        assert len(lines) == expected + 3, response  # status line, and the end of the head
    response_head = response.partition(b"\r\n\r\n")[0]
    assert b"\x00" not in response_head
    assert response_head.count(b"\n") == response_head.count(b"\r\n") == response_head.count(b"\r")


def target(data: bytes) -> None:
    answer(data)
    answer(DEMANDED + data)
    answer(DEMANDED + b"Sec-WebSocket-Extensions: permessage-deflate" + data + b"\r\n\r\n")


if __name__ == "__main__":
    fuzz(target)
