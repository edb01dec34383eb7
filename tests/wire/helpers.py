"""The client's side of the wire, for tests: frames with masks, and what a parser makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from websockets.utils import apply_mask

from antiphon.errors import ProtocolError
from antiphon.wire import Event, Opcode, Parser

MASK = b"\x37\xfa\x21\x3d"  # that of the examples in RFC 6455 § 5.7


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length_bytes: int | None = None,
) -> bytes:
    """Build a frame as a client sends it, or, when asked to, as none should.

    `rsv` holds the three reserved bits, RSV1 being 4; `length_bytes` is the width of the extended
    length, the shortest form unless given.
    """
    size = len(payload)
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 0x10000 else 8
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    head = bytes((first, (0 if mask is None else 0x80) | short))
    head += size.to_bytes(length_bytes, "big") if length_bytes else b""
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def text(message: str, **options: Any) -> bytes:
    return client_frame(Opcode.TEXT, message.encode(), **options)


def binary(message: bytes, **options: Any) -> bytes:
    return client_frame(Opcode.BINARY, message, **options)


def close(code: int, reason: bytes = b"") -> bytes:
    return client_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason)


def run(
    parser: Parser, chunks: Iterable[bytes], at_most: int | None = None
) -> tuple[list[Event], int | None]:
    """Feed all chunks; return the events and the code of the error that ended them, if one did."""
    events: list[Event] = []
    try:
        for chunk in chunks:
            events += parser.feed(chunk, at_most)
            while parser.more:
                events += parser.feed(b"", at_most)
    except ProtocolError as error:
        return events, error.code
    return events, None


def broken_rule(parser: Parser, data: bytes) -> tuple[int, str]:
    """Return code and section of the rule that `data` breaks: (1002, "RFC 6455 § 5.1")."""
    try:
        events = parser.feed(data)
    except ProtocolError as error:
        return error.code, error.reason.partition("(")[2].rstrip(")")
    raise AssertionError(f"no rule was broken: {events}")
