"""Raw ASGI events over a connection, whatever carries it.

https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antiphon.connection.connection import Connection
from antiphon.connection.phase import Phase
from antiphon.errors import WebSocketDisconnect


async def receive_event(connection: Connection) -> dict[str, Any]:
    """Wait for the next message or the end, as an ASGI event.

    Raises:
        RuntimeError: The end was received before: a loop that does not see it must not run for ever.
    """
    try:
        message = await connection.next_message()
    except WebSocketDisconnect as gone:
        if connection.end_received:
            raise RuntimeError("this WebSocket is disconnected, as an earlier event said") from None
        connection.end_received = True
        return {"type": "websocket.disconnect", "code": gone.code, "reason": gone.reason}
    kind = "text" if isinstance(message, str) else "bytes"
    return {"type": "websocket.receive", kind: message}


async def send_event(connection: Connection, event: Mapping[str, Any]) -> None:
    """Do what an ASGI event says.

    Raises:
        ValueError: No such event can be sent to a WebSocket.
        WebSocketDisconnect: The connection is gone.
    """
    match event["type"]:
        case "websocket.accept":
            connection.open(event.get("subprotocol"), tuple(event.get("headers", ())))
        case "websocket.send":
            text = event.get("text")
            await connection.write(event["bytes"] if text is None else text)
        case "websocket.close" if connection.phase is Phase.CONNECTING:
            connection.refuse()
        case "websocket.close":
            connection.end(event.get("code", 1000), event.get("reason") or "")
        case other:
            raise ValueError(f"{other!r} is no event that can be sent to a WebSocket")
