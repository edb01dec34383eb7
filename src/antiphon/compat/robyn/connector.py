"""The connection as Robyn's handlers hold it.

It is the WebSocket itself, with methods that may be called from a worker thread (``sync_*``, ``close``)
or awaited (``async_*``). Whom it sends to is named by an id, its own included.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from antiphon.compat.robyn.query_params import QueryParams
from antiphon.connection import WebSocket
from antiphon.errors import ConnectionClosed
from antiphon.wire import close_payload


class Done:
    """What has happened already: awaiting it changes nothing, and neither does forgetting to."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class WebSocketConnector(WebSocket):
    """A client's connection, and the way from it to all others of its endpoint.

    Attributes:
        id: A text that no other connection has.
    """

    _params: QueryParams | None = None
    _leaving = False

    # Robyn's is changeable and reads differently; what bindings need of it is the same.
    @property
    def query_params(self) -> QueryParams:  # type: ignore[override]
        """The query parameters; a path parameter takes the place of all of its name."""
        if self._params is None:
            self._params = QueryParams(super().query_params.multi_items())
            for name, value in self.path_params.items():
                self._params[name] = str(value)
        return self._params

    @property
    def closed_here(self) -> bool:
        """Whether it was this side that closed, which counts from the call of ``close`` in any thread."""
        return self._leaving or super().closed_here

    async def async_broadcast(self, message: Any, *, exclude: Any = None) -> None:
        """Send to every connection of this endpoint, this one included.

        Args:
            message: Text, bytes, or anything JSON can hold.
            exclude: Connections that shall not get it: one, several, or their ids.
        """
        await self.endpoint.broadcast(message, exclude=exclude)

    def sync_broadcast(self, message: Any, *, exclude: Any = None) -> None:
        """Send to every connection of this endpoint, from any thread. Takes what ``async_broadcast`` does."""
        self.endpoint.broadcast_nowait(message, exclude=exclude)

    async def async_send_to(
        self, sender_id: object = None, message: Any = None, *, recipient_id: object = None
    ) -> bool:
        """Send to one connection of this endpoint.

        Args:
            sender_id: Who shall get it. An id that nobody has is harmless, whatever it is.
            message: Text, bytes, or anything JSON can hold.
            recipient_id: Another name for the first.

        Returns:
            Whether there is an open connection with this id.

        Raises:
            ConnectionClosed: It is this connection's own id, and the connection is over.
        """
        recipient = self._recipient(sender_id, recipient_id, message)
        sent: bool = await self.endpoint.send_to(recipient, message)
        return sent

    def sync_send_to(
        self, sender_id: object = None, message: Any = None, *, recipient_id: object = None
    ) -> bool:
        """Send to one connection of this endpoint, from any thread. Does what ``async_send_to`` does."""
        recipient = self._recipient(sender_id, recipient_id, message)
        sent: bool = self.endpoint.send_to_nowait(recipient, message)
        return sent

    # Robyn's takes effect without being awaited, and from any thread; awaiting it is allowed.
    def close(self, code: int = 1000, reason: str = "") -> Done:  # type: ignore[override]
        """Close this connection, after what was sent before; a second time is no error.

        Raises:
            ValueError: The code may not be sent, or the reason is too long.
        """
        close_payload(code, reason)
        self._leaving = True
        self.call_soon(self._close, code, reason)
        return Done()

    def _close(self, code: int, reason: str) -> None:
        if not self.closed:
            self.end(code, reason)

    def _recipient(self, sender_id: object, recipient_id: object, message: Any) -> object:
        if message is None:
            raise TypeError("there is no message to send: send_to(id, message)")
        recipient = sender_id if recipient_id is None else recipient_id
        if recipient == self.id and (self.closed or self._leaving):
            raise ConnectionClosed(self.close_code or 1000, self.close_reason)
        return recipient
