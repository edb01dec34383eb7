"""A WebSocket whose peer may leave without the sender noticing.

Bocadillo and Ravyn let a program send to a client that has gone; their programs loop over lists of
clients and rely on it. What is wrong on this side stays an error: using a connection that this side closed.
"""

from __future__ import annotations

from antiphon.connection import WebSocket
from antiphon.errors import WebSocketDisconnect


class LenientWebSocket(WebSocket):
    """A WebSocket that drops what it is given to send once its peer has gone."""

    async def write(self, message: str | bytes) -> None:
        """Send a message, or drop it when the peer has gone.

        Raises:
            RuntimeError: This side closed the connection.
            WebSocketDisconnect: This side refused the handshake.
        """
        try:
            await super().write(message)
        except WebSocketDisconnect:
            if self.closed_here:
                raise

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection; when the peer has gone there is nothing left to close.

        Raises:
            RuntimeError: This side closed it before.
            ValueError: The code may not be sent, or the reason is too long.
        """
        if self.closed_here or not self.closed:
            await super().close(code, reason or "")
