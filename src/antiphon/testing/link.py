"""What a server is between one WebSocket client and the application: ASGI events, both ways.

It holds the application to the specification: an event that may not be sent in the connection's state is
a ``RuntimeError`` for the application, and sending to a client that has gone is an ``OSError``.

https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from enum import Enum
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp

from antiphon.errors import AntiphonError

DENIAL = "websocket.http.response"
Event = MutableMapping[str, Any]


class HandshakeRefused(AntiphonError):
    """The application refused a test client's handshake.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; a mapping that ignores case.
        body: The response's body.
    """

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        super().__init__(status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body

    def __str__(self) -> str:
        return f"the handshake was refused with {self.status} {self.body.decode(errors='replace')}".rstrip()


class ClientGone(OSError):
    """The application sends to a client that has gone; ASGI demands an OSError."""


class State(Enum):
    """How far the application has come with one connection."""

    CONNECTING = "connecting"
    DENYING = "being refused"
    OPEN = "open"
    CLOSED = "closed"


# What an application may send, and what becomes of the connection by it.
TRANSITIONS: dict[tuple[State, str], State] = {
    (State.CONNECTING, "websocket.accept"): State.OPEN,
    (State.CONNECTING, "websocket.close"): State.CLOSED,
    (State.CONNECTING, f"{DENIAL}.start"): State.DENYING,
    (State.DENYING, f"{DENIAL}.body"): State.DENYING,
    (State.OPEN, "websocket.send"): State.OPEN,
    (State.OPEN, "websocket.close"): State.CLOSED,
}


class Link:
    """The events between one client and the application.

    Args:
        app: The application.
        scope: The connection's scope.
        buffer: Messages that the client takes without reading them; when more wait, the application's
            ``send`` waits. None: without limit.

    Attributes:
        state: How far the application has come.
        code: The close code, once the connection is closed.
        reason: The close reason.
        left: Whether it was the client that closed it.
        unread: Messages from the application that the client has not received.
        untaken: Messages from the client that the application has not received.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any], buffer: int | None) -> None:
        self.state = State.CONNECTING
        self.code: int | None = None
        self.reason = ""
        self.left = False
        self.unread = 0
        self.untaken = 0
        self._buffer = buffer
        self._to_app = asyncio.Queue[Event]()
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._from_app = asyncio.Queue[Event | None]()
        self._room = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(app, scope))

    # --- The client's end ----------------------------------------------------------------------------

    def put(self, message: str | bytes) -> None:
        """Send a message to the application."""
        self.untaken += 1
        kind = "text" if isinstance(message, str) else "bytes"
        self._to_app.put_nowait({"type": "websocket.receive", kind: message})

    async def get(self) -> Event | None:
        """Wait for the application's next event; None when there will be none."""
        if self.left and self._from_app.empty():
            return None
        event = await self._from_app.get()
        if event is not None and event["type"] == "websocket.send":
            self.unread -= 1
            self._room.set()
        return event

    def leave(self, code: int, reason: str = "") -> None:
        """Tell the application that the client is gone; nothing reaches it any more."""
        if not self.left:
            self.left = True
            self._end(code, reason)
            self._room.set()

    # --- The application's end -----------------------------------------------------------------------

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except BaseException:
            self._end(1011, "")
            raise
        else:
            self._end(1006, "")
        finally:
            self._from_app.put_nowait(None)

    async def _receive(self) -> Event:
        event = await self._to_app.get()
        if event["type"] == "websocket.disconnect":
            # Whoever asks again is told again.
            self._to_app.put_nowait(event)
        elif event["type"] == "websocket.receive":
            self.untaken -= 1
        return event

    async def _send(self, event: Event) -> None:
        kind = event["type"]
        if self.left:
            raise ClientGone("the client has gone")
        try:
            self.state = TRANSITIONS[self.state, kind]
        except KeyError:
            state = self.state.value
            raise RuntimeError(f"the application may not send {kind!r}: the WebSocket is {state}") from None
        if kind == "websocket.send":
            _check(event)
            self.unread += 1
        elif kind == "websocket.close":
            self._end(event.get("code", 1000), event.get("reason") or "")
        self._from_app.put_nowait(event)
        while self._buffer is not None and self.unread > self._buffer and not self.left:
            self._room.clear()
            await self._room.wait()

    def _end(self, code: int, reason: str) -> None:
        if self.code is None:
            self.code, self.reason = code, reason
            self.state = State.CLOSED
            event = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._to_app.put_nowait(event)


def _check(event: Event) -> None:
    text, data = event.get("text"), event.get("bytes")
    if isinstance(text, str) and data is None:
        text.encode()
    elif not isinstance(data, bytes) or text is not None:
        raise TypeError(f"'websocket.send' has either text (str) or bytes, not {event!r}")
