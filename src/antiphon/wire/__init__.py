"""WebSocket on the wire (RFC 6455, RFC 7692), server side: bytes in, events and bytes out.

No IO and no clock: ``docs/topics/wire.md`` tells how the parts fit.
"""

from antiphon.wire.assembly import ParserLimits
from antiphon.wire.close import Close, CloseCode, close_payload, is_valid_code, parse_close
from antiphon.wire.deflate import Agreement, Deflate, Deflater, Inflater, negotiate
from antiphon.wire.frames import Opcode, Ping, Pong, binary_frame, frame, header, text_frame
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
    "close_payload",
    "diagram",
    "frame",
    "header",
    "header_lines",
    "is_valid_code",
    "negotiate",
    "parse_close",
    "parse_request",
    "read_opening",
    "refuse",
    "select_subprotocol",
    "text_frame",
]
