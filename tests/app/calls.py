"""Calls of an application as another server than ours makes them."""

import asyncio
from typing import Any

from antiphon import Antiphon
from antiphon.signals import ConnectionEnded


class Call:
    """A call for a client that connects, sends some messages, and is not heard of again.

    Args:
        app: The application.
        messages: What the client sends.
        hold: Sending the close event takes until this is set.

    Attributes:
        task: The call.
        sent: The events that the application has sent.
        accepted: Set when the application has sent one.
    """

    def __init__(self, app: Antiphon, *messages: str, hold: asyncio.Event | None = None) -> None:
        self.sent: list[Any] = []
        self.accepted = asyncio.Event()
        self._hold = hold
        received = [{"type": "websocket.receive", "text": message} for message in messages]
        self._events = iter([{"type": "websocket.connect"}, *received])
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        return next(self._events, None) or await asyncio.Event().wait()

    async def _send(self, event: Any) -> None:
        self.sent.append(event)
        self.accepted.set()
        if event["type"] == "websocket.close" and self._hold is not None:
            await self._hold.wait()


def end_of(app: Antiphon) -> asyncio.Event:
    """What is set when a connection of an application has ended."""
    ended = asyncio.Event()
    app.observe(lambda signal: ended.set() if isinstance(signal, ConnectionEnded) else None)
    return ended
