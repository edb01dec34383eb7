"""What becomes of a connection when its handler ends: one table for views and event handlers.

Clients are told a code and, where the application chose it, a reason; never the text of an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException, WebSocketException

from antiphon.codec import WrongKind, encode_json
from antiphon.connection import Phase, WebSocket
from antiphon.errors import (
    BrokerUnavailable,
    InvalidChannel,
    InvalidMessage,
    InvalidParameter,
    SubscriptionRefused,
    WebSocketDisconnect,
)
from antiphon.wire import CloseCode, is_valid_code

logger = logging.getLogger("antiphon")


def conclude(ws: WebSocket, error: Exception) -> Exception | None:
    """End a connection as the exception of its handler demands.

    Returns:
        What belongs into the server's log, if anything.
    """
    try:
        if _do_as_demanded(ws, error):
            return None
    except Exception as unsendable:
        untold = RuntimeError(f"the client cannot be told what its handler raised: {unsendable}")
        untold.__cause__, error = error, untold
    _end(ws, 500, 1011, "")
    return error


def leave(ws: WebSocket, code: int = 1001, reason: str = "the server stops") -> None:
    """Part from a connection because this server stops."""
    if ws.phase is Phase.CONNECTING:
        ws.refuse(503)
    elif ws.accepted:
        ws.end(code, reason)


def give_up(ws: WebSocket) -> None:
    """Part from a connection because its handshake is cancelled, by whomever: maybe nobody else tells."""
    if not ws.closed:
        logger.warning("%r: what serves its handshake was cancelled", ws)
        leave(ws)


def _do_as_demanded(ws: WebSocket, error: Exception) -> bool:
    """End a connection; False when the exception demands nothing."""
    match error:
        # Another connection's disconnect, which the handler let through, is not this one's end.
        case WebSocketDisconnect() if ws.closed:
            return ws.catches(error.code)
        case InvalidParameter() | InvalidChannel():
            _end(ws, 400, 1008, str(error))
        case WrongKind():
            _end(ws, 400, 1003, str(error))
        case InvalidMessage():
            _end(ws, 400, 1007, str(error))
        case SubscriptionRefused():
            _end(ws, 403, 4403, str(error))
        case BrokerUnavailable():
            _end(ws, 503, 1013, "try again later")
        case WebSocketException():
            _end(ws, 403, error.code, error.reason or "")
        case HTTPException():
            # FastAPI's have a detail of any type.
            detail: Any = error.detail
            reason = detail if isinstance(detail, str) else encode_json(detail)
            _end(ws, error.status_code, 4000 + error.status_code, reason, error.headers)
        case _:
            return False
    logger.info("%r ended: %s", ws, error)
    return True


def _end(
    ws: WebSocket, status: int, code: int, reason: str, headers: Mapping[str, str] | None = None
) -> None:
    if ws.phase is Phase.CONNECTING:
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        ws.refuse(status, pairs, reason.encode())
    elif ws.accepted:
        ws.end(code if is_valid_code(code) else CloseCode.INTERNAL_ERROR, _short(reason))


def _short(reason: str) -> str:
    """As much of a reason as a close frame can hold (RFC 6455 § 5.5)."""
    return reason.encode()[:123].decode("utf-8", "ignore")
