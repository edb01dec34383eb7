"""WebSocket on the wire (RFC 6455, RFC 7692), server side: bytes in, events and bytes out.

No IO and no clock: ``docs/topics/wire.md`` tells how the parts fit.
"""

from antiphon.wire.assembly import ParserLimits
from antiphon.wire.close import Close, CloseCode, close_payload, is_valid_code, parse_close
from antiphon.wire.deflate import Agreement, Deflate, Deflater, Inflater, most_deflated, negotiate
from antiphon.wire.frames import (
    SHORT,
    SHORT_TEXT,
    Opcode,
    Ping,
    Pong,
    binary_frame,
    binary_header,
    frame,
    text_frame,
    text_header,
)
from antiphon.wire.handshake import (
    HandshakeError,
    Opening,
    Request,
    accept,
    accept_key,
    header_lines,
    parse_request,
    read_opening,
    refuse,
    select_subprotocol,
)
from antiphon.wire.parser import Event, Parser
from antiphon.wire.session import Session
from antiphon.wire.state import State, Step, advance, diagram

__all__ = [
    "SHORT",
    "SHORT_TEXT",
    "Agreement",
    "Close",
    "CloseCode",
    "Deflate",
    "Deflater",
    "Event",
    "HandshakeError",
    "Inflater",
    "Opcode",
    "Opening",
    "Parser",
    "ParserLimits",
    "Ping",
    "Pong",
    "Request",
    "Session",
    "State",
    "Step",
    "accept",
    "accept_key",
    "advance",
    "binary_frame",
    "binary_header",
    "close_payload",
    "diagram",
    "frame",
    "header_lines",
    "is_valid_code",
    "most_deflated",
    "negotiate",
    "parse_close",
    "parse_request",
    "read_opening",
    "refuse",
    "select_subprotocol",
    "text_frame",
    "text_header",
]
