"""Close codes, and the payload of a Close frame (RFC 6455 § 5.5.1 and § 7.4).

The payload is empty, or a code of two bytes and a reason in UTF-8. 1005, 1006 and 1015 exist only
to be *reported*: that there was no code, no Close frame, no TLS. They never travel, and neither
do codes that nobody has registered below 3000.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from antiphon.errors import ProtocolError

#: A Close payload is at most 125 bytes (§ 5.5), and two of them are the code.
MAX_REASON = 123


class CloseCode(IntEnum):
    """The registered codes (RFC 6455 § 7.4.1 and the IANA registry)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


_REPORTED_ONLY = {
    CloseCode.NO_STATUS_RECEIVED,
    CloseCode.ABNORMAL_CLOSURE,
    CloseCode.TLS_HANDSHAKE,
}
_REGISTERED = frozenset(map(int, CloseCode)) - _REPORTED_ONLY


@dataclass(frozen=True, slots=True)
class Close:
    """A Close frame: its code, 1005 when it had none (§ 7.1.5), and its reason."""

    code: int = CloseCode.NO_STATUS_RECEIVED
    reason: str = ""


def is_valid_code(code: int) -> bool:
    """Tell whether a code may stand in a Close frame, sent or received (§ 7.4)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def parse_close(payload: bytes) -> Close:
    """Read the payload of a Close frame.

    Raises:
        ProtocolError: It is one byte long, its code may not travel (1002), or its reason is not
            UTF-8 (1007).
    """
    if not payload:
        return Close()
    if len(payload) == 1:
        raise ProtocolError(CloseCode.PROTOCOL_ERROR, "Close payload of one byte (RFC 6455 § 5.5.1)")
    code = int.from_bytes(payload[:2], "big")
    if not is_valid_code(code):
        raise ProtocolError(CloseCode.PROTOCOL_ERROR, f"close code {code} may not be sent (RFC 6455 § 7.4)")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_PAYLOAD, "close reason is not UTF-8 (RFC 6455 § 5.5.1)"
        ) from error


def close_payload(code: int = CloseCode.NO_STATUS_RECEIVED, reason: str = "") -> bytes:
    """Build the payload of a Close frame; 1005, which says that there is no code, makes it empty.

    A reason that is too long loses its end, at a character's boundary.

    Raises:
        ValueError: The code may not be sent, or there is a reason without a code.
    """
    if code == CloseCode.NO_STATUS_RECEIVED and not reason:
        return b""
    if not is_valid_code(code):
        raise ValueError(
            f"close code {code} may not be sent: choose from 1000-1003, 1007-1014 or 3000-4999"
            " (RFC 6455 § 7.4)"
        )
    encoded = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + encoded
