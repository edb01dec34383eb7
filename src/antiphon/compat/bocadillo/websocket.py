"""The connection as Bocadillo's views hold it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, cast

from starlette.datastructures import QueryParams

from antiphon.compat.lenient import LenientWebSocket
from antiphon.connection import Phase

FORBIDDEN = 403
POLICY_VIOLATION = 1008


class WebSocket(LenientWebSocket):
    """A client's connection.

    What is sent to a client that has left is dropped; after ``close`` it is a ``RuntimeError``.
    """

    @property
    def query_parameters(self) -> QueryParams:
        """Another name of ``query_params``."""
        return self.query_params

    @property
    def caught_close_codes(self) -> Container[int]:
        """Close codes of a leaving client that end the view, or an ``async with``, quietly."""
        return cast("Container[int]", self._options.caught_close_codes)

    async def receive(self) -> Any:
        """Receive the next message, as the route's ``receive_type`` says.

        Raises:
            WebSocketDisconnect: The client has left.
            InvalidMessage: The message does not fit the type.
        """
        if self.endpoint.receives_events:
            return await self.receive_event()
        return await super().receive()

    async def message(self) -> Any:
        """Another name of ``receive``."""
        return await self.receive()

    async def __anext__(self) -> Any:
        # Iterating is receiving for ever: the client's leaving is an exception here, too.
        return await self.receive()

    async def send(self, message: Any) -> None:
        """Send a message, as the route's ``send_type`` says.

        Raises:
            RuntimeError: This side closed the connection.
            TypeError: The message does not fit the type, or JSON.
        """
        if self.endpoint.sends_events:
            await self.send_event(message)
        else:
            await super().send(message)

    async def reject(self, *args: Any, **kwargs: Any) -> None:
        """Refuse the handshake, with 403; a connection that is accepted already is closed with 1008.

        What the view does with the WebSocket afterwards ends the view quietly. Takes what our own
        ``reject`` does.
        """
        if self.phase is Phase.OPEN:
            await self.close(POLICY_VIOLATION)
        else:
            await super().reject(*args, **kwargs)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection; 403, which is no close code, rejects it.

        Raises:
            RuntimeError: This side closed it before.
            ValueError: The code may not be sent, or the reason is too long.
        """
        if code == FORBIDDEN:
            await self.reject()
        else:
            await super().close(code, reason)
