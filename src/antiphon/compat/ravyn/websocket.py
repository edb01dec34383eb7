"""The connection as Ravyn's handlers hold it: accepted by hand, with raw ASGI in ``receive`` and ``send``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

from antiphon.codec import decoder, encode_json
from antiphon.compat.lenient import LenientWebSocket
from antiphon.connection import Phase
from antiphon.errors import WebSocketDisconnect

Mode = Literal["text", "binary"]

_decode_json = decoder("json")


class WebSocket(LenientWebSocket):
    """A client's connection.

    It must be accepted before anything is received or sent. What is sent to a client that has left is
    dropped; after ``close`` it is a ``RuntimeError``.
    """

    _announced = False

    async def receive(self) -> dict[str, Any]:
        """Receive the next raw ASGI event, the first being ``websocket.connect``.

        Raises:
            RuntimeError: It is not accepted yet, or its end was received before.
        """
        if self.phase is Phase.CONNECTING and not self._announced:
            self._announced = True
            return {"type": "websocket.connect"}
        return await self.receive_event()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Do what a raw ASGI event says: accept, send or close.

        Raises:
            RuntimeError: It is not accepted yet, or closed.
        """
        await self.send_event(message)

    async def receive_json(self, mode: Mode = "text") -> Any:
        """Receive JSON in a text message, or in a binary one.

        Raises:
            WebSocketDisconnect: The client has left.
            InvalidMessage: The message is no JSON, or of the other kind.
            RuntimeError: It is not accepted yet, or closed.
        """
        binary = _is_binary(mode)
        return _decode_json(await self.receive_bytes() if binary else await self.receive_text())

    async def send_json(self, message: Any, mode: Mode = "text") -> None:
        """Send JSON in a text message, or in a binary one.

        Raises:
            RuntimeError: It is not accepted yet, or closed.
            TypeError: JSON cannot hold it.
        """
        text = encode_json(message)
        await self.write(text.encode() if _is_binary(mode) else text)

    async def iter_text(self) -> AsyncIterator[str]:
        """Receive text messages until the client leaves."""
        try:
            while True:
                yield await self.receive_text()
        except WebSocketDisconnect:
            """The end of the client is the end of its messages."""

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Receive binary messages until the client leaves."""
        try:
            while True:
                yield await self.receive_bytes()
        except WebSocketDisconnect:
            """The end of the client is the end of its messages."""

    async def iter_json(self, mode: Mode = "text") -> AsyncIterator[Any]:
        """Receive JSON messages until the client leaves."""
        try:
            while True:
                yield await self.receive_json(mode)
        except WebSocketDisconnect:
            """The end of the client is the end of its messages."""


def _is_binary(mode: str) -> bool:
    if mode not in ("text", "binary"):
        raise RuntimeError(f"mode is 'text' or 'binary', not {mode!r}")
    return mode == "binary"
