"""Frames that a server sends (RFC 6455 § 5.2).

A server's frame is never masked (§ 5.1), so its bytes are the same for every client: frame a
message once and send it to all. Headers of payloads under 126 bytes come from a table, as most
messages are short; ``struct`` builds the others. Nothing is fragmented here: a message is one
frame, unless the caller says ``fin=False``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

FIN = 0x80
RSV1 = 0x40

#: Longest payload of a control frame, and longest length that fits the second byte (§ 5.2, § 5.5).
SHORT = 125

_LENGTH_16 = struct.Struct("!BBH").pack
_LENGTH_64 = struct.Struct("!BBQ").pack


class Opcode(IntEnum):
    """What a frame is (RFC 6455 § 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer asks whether we are there; the answer is a Pong with the same payload (§ 5.5.2)."""

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer is there; it answers a Ping, or says so unasked (§ 5.5.3)."""

    payload: bytes = b""


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """Build one frame.

    Args:
        opcode: What the frame is.
        payload: Its content as it goes on the wire: text as UTF-8, already deflated with ``rsv1``.
        fin: Whether the message ends here.
        rsv1: Whether a deflated message begins here (RFC 7692 § 6).

    Raises:
        ValueError: A control frame is longer than 125 bytes, fragmented or deflated (§ 5.5).
    """
    if opcode >= Opcode.CLOSE and (len(payload) > SHORT or not fin or rsv1):
        raise ValueError(
            f"a {opcode.name} frame must be whole, not deflated and at most {SHORT} bytes (RFC 6455 § 5.5)"
        )
    return _header((fin and FIN) | (rsv1 and RSV1) | opcode, len(payload)) + payload


def text_frame(text: str) -> bytes:
    """Build the frame of a text message."""
    payload = text.encode()
    return text_header(len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """Build the frame of a binary message."""
    size = len(payload)
    return (_SHORT_BINARY[size] if size <= SHORT else binary_header(size)) + payload


def text_header(size: int) -> bytes:
    """Build what goes before the ``size`` bytes of a text message, to be its frame."""
    return _header(_TEXT, size)


def binary_header(size: int) -> bytes:
    """Build what goes before the ``size`` bytes of a binary message, to be its frame."""
    return _header(_BINARY, size)


@cache
def _short_headers(first: int) -> tuple[bytes, ...]:
    """The headers of all short frames that begin with one byte, indexed by length."""
    return tuple(bytes((first, size)) for size in range(SHORT + 1))


def _header(first: int, size: int) -> bytes:
    # § 5.2: the length must take the smallest of its three forms.
    if size <= SHORT:
        return _short_headers(first)[size]
    if size < 0x10000:
        return _LENGTH_16(first, 126, size)
    return _LENGTH_64(first, 127, size)


_TEXT = FIN | Opcode.TEXT
_BINARY = FIN | Opcode.BINARY
#: The headers of text frames of at most ``SHORT`` bytes, indexed by length.
SHORT_TEXT = _short_headers(_TEXT)
_SHORT_BINARY = _short_headers(_BINARY)
