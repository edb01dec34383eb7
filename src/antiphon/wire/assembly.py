"""One message on its way in: from its first frame to its last (RFC 6455 § 5.4, RFC 7692 § 6).

An ``Assembly`` lives as long as its message: it counts fragments and bytes against the limits
*before* a payload is read, inflates what is deflated, and checks UTF-8 fragment by fragment, so
that a broken text fails at its first broken fragment and not when megabytes of it have been kept.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

from antiphon.errors import ProtocolError
from antiphon.wire.close import CloseCode
from antiphon.wire.deflate import Inflater, most_deflated
from antiphon.wire.frames import Opcode

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What one peer may make the parser keep.

    Attributes:
        frame: Largest payload of a frame as it comes on the wire, in bytes.
        message: Largest message, in bytes, inflated.
        fragments: Most frames that one message may come in.
    """

    frame: int = 1024 * 1024
    message: int = 1024 * 1024
    fragments: int = 4096


#: One for all connections that need no other.
DEFAULT_LIMITS = ParserLimits()


class Assembly:
    """A message that is not complete yet."""

    __slots__ = ("_decoder", "_deflated", "_fragments", "_inflater", "_limits", "_parts", "_size")

    def __init__(self, opcode: int, limits: ParserLimits, inflater: Inflater | None) -> None:
        """Begin a message; ``inflater`` is given when the message is deflated."""
        self._limits = limits
        self._inflater = inflater
        self._decoder = _Utf8Decoder() if opcode == Opcode.TEXT else None
        self._parts: list[Any] = []  # all str, or all bytes
        self._fragments = 0
        self._size = 0
        self._deflated = 0

    def admit(self, length: int) -> None:
        """Agree to one more frame, whose payload of ``length`` bytes has not been read yet.

        Raises:
            ProtocolError: The message would have too many fragments or bytes (1009).
        """
        self._fragments += 1
        if self._fragments > self._limits.fragments:
            raise too_big(f"message of more than {self._limits.fragments} fragments")
        if self._inflater is None:
            if self._size + length > self._limits.message:
                raise too_big(f"message of more than {self._limits.message} bytes")
            return
        # What it will come to is the inflater's to watch; but that may be nothing.
        self._deflated += length
        if self._deflated > most_deflated(self._limits.message, self._fragments):
            raise too_big(f"deflated message of more than {self._limits.message} bytes")

    def add(self, payload: bytes, fin: bool) -> str | bytes | None:
        """Take a frame's payload, or a piece of it; return the message if it ends here.

        Raises:
            ProtocolError: The inflated message is too big (1009), cannot be inflated (1002), or is
                not UTF-8 although it is text (1007).
        """
        if self._inflater is not None:
            payload = self._inflater.inflate(payload, fin, self._limits.message - self._size)
        self._size += len(payload)
        self._parts.append(payload if self._decoder is None else self._decode(payload, fin))
        if not fin:
            return None
        if self._decoder is None:
            return b"".join(self._parts)
        return "".join(self._parts)

    def _decode(self, payload: bytes, fin: bool) -> str:
        assert self._decoder is not None
        try:
            return self._decoder.decode(payload, fin)
        except UnicodeDecodeError as error:
            raise not_utf8() from error


def too_big(what: str) -> ProtocolError:
    """The error for what is above a limit."""
    return ProtocolError(CloseCode.MESSAGE_TOO_BIG, f"{what} (RFC 6455 § 10.4)")


def not_utf8() -> ProtocolError:
    """The error for text that is none."""
    return ProtocolError(CloseCode.INVALID_PAYLOAD, "text is not UTF-8 (RFC 6455 § 8.1)")
