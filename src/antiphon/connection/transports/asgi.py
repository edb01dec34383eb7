"""The transport over plain ASGI events: runs on every ASGI server.

ASGI is pull and await; a transport is push and at once. So one task reads events for as long as the
connection lives, and one task sends them for as long as any wait. The application must not return before
``finish`` has sent what waits.

https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send

from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Headers, Receiver, Terms
from antiphon.connection.transports.outbox import Outbox
from antiphon.wire import refuse
from antiphon.wire.headers import check_field

DENIAL = "websocket.http.response"
Event = dict[str, Any]

_LAST = ("websocket.close", f"{DENIAL}.body")


class AsgiTransport:
    """One connection over the events of an ASGI server.

    Args:
        scope: The connection's ASGI scope.
        receive: The server's callable of that name.
        send: The server's callable of that name.
        terms: What the peer may use, and how long to wait for it.
    """

    detached = False

    def __init__(self, scope: Scope, receive: Receive, send: Send, terms: Terms) -> None:
        limits, timeouts = terms.limits, terms.timeouts
        self._can_deny = DENIAL in (scope.get("extensions") or {})
        self._receive = receive
        self._send = send
        self._largest = limits.message
        self._close_timeout = timeouts.close
        self._outbox: Outbox[tuple[Event, ...]] = Outbox(limits.outbox, limits.high_water)
        self._readable = asyncio.Event()
        self._readable.set()
        self._receiver: Receiver | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing = False

    def attach(self, receiver: Receiver) -> None:
        """Start reading, for this receiver."""
        self._receiver = receiver
        self._reader = asyncio.create_task(self._read(), name="antiphon: read ASGI events")

    async def finish(self) -> None:
        """Send what waits, within the close deadline, then let go of the connection."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=self._close_timeout)
        if self._deadline is not None:
            self._deadline.cancel()
        self._outbox.clear()
        self._lose(1006, "")
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, (self._reader, self._writer)), return_exceptions=True)

    # --- The contract of a transport -----------------------------------------------------------------

    def accept(self, subprotocol: str | None, headers: Headers) -> None:
        for header in headers:
            check_field(*header)
        accept = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers)}
        self._put((accept,))

    def reject(self, status: int, headers: Headers, body: bytes) -> None:
        # Not every server says what is wrong with a response.
        refuse(status, headers, body)
        self._begin_closing()
        if self._can_deny:
            start = {"status": status, "headers": _response_headers(headers, body)}
            self._put(({"type": f"{DENIAL}.start", **start}, {"type": f"{DENIAL}.body", "body": body}))
        else:
            self._put(({"type": "websocket.close", "code": 1008, "reason": ""},))

    def write(self, message: str | bytes | Prepared, now: bool = False) -> bool:
        if isinstance(message, Prepared):
            return self._put(tuple(map(_message_event, message.messages)), message.size)
        return self._put((_message_event(message),), len(message))

    async def drain(self) -> None:
        await self._outbox.drained()

    def close(self, code: int, reason: str, *, discard: bool = False) -> None:
        self._begin_closing()
        if discard:
            self._outbox.clear()
        self._put(({"type": "websocket.close", "code": code, "reason": reason},))

    def pause_reading(self) -> None:
        self._readable.clear()

    def resume_reading(self) -> None:
        self._readable.set()

    # --- Reading and writing -------------------------------------------------------------------------

    def _begin_closing(self) -> None:
        self._closing = True
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self._close_timeout, self._give_up)

    def _give_up(self) -> None:
        """Part from a peer that has not taken the last event in time."""
        if self._writer is not None:
            self._writer.cancel()
        self._outbox.clear()
        self._lose(1006, "")

    def _put(self, events: tuple[Event, ...], size: int = 0) -> bool:
        free = self._outbox.put(events, size)
        if self._writer is None:
            self._writer = asyncio.create_task(self._flush(), name="antiphon: send ASGI events")
        return free

    async def _flush(self) -> None:
        try:
            while self._outbox:
                for event in self._outbox.take():
                    if event["type"] == "websocket.close":
                        await self._stop_reading()
                    await self._send(event)
                    if event["type"] in _LAST:
                        self._lose(event.get("code", 1006), event.get("reason", ""))
        # Servers tell that the peer is gone each in their own way (ASGI demands an OSError, not all
        # comply), and for the sender it is always the same: the connection is over. How it ended, the
        # reader is told.
        except Exception:
            self._outbox.clear()
            self._readable.set()
            self._begin_closing()
            if self._reader is None:
                self._lose(1006, "")
        finally:
            self._writer = None

    async def _stop_reading(self) -> None:
        # Granian sends no close as long as anybody receives.
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])

    async def _read(self) -> None:
        while True:
            await self._readable.wait()
            try:
                event = await self._receive()
            # As with sending: however a server tells it, the connection is over.
            except Exception:
                event = {"type": "websocket.disconnect", "code": 1006}
            if event["type"] == "websocket.receive":
                self._deliver(event)
            elif event["type"] == "websocket.disconnect":
                self._outbox.clear()
                self._lose(event.get("code") or 1005, event.get("reason") or "")
                return

    def _deliver(self, event: Any) -> None:
        text = event.get("text")
        message = event["bytes"] if text is None else text
        # A character is up to four bytes: only long text is worth encoding to measure it.
        size = len(message)
        if text is not None and size <= self._largest < 4 * size:
            size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._largest:
            self._too_big()
        elif self._receiver is not None:
            self._receiver.messages_received((message,))

    def _too_big(self) -> None:
        if self._receiver is not None and not self._closing:
            reason = f"a message has at most {self._largest} bytes (RFC 6455 § 7.4.1)"
            self.close(1009, reason, discard=True)
            self._lose(1009, reason)

    def _lose(self, code: int, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.connection_lost(code, reason)


def _message_event(message: str | bytes) -> Event:
    return {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}


def _response_headers(headers: Headers, body: bytes) -> list[tuple[bytes, bytes]]:
    given = {name.lower() for name, _ in headers}
    standard = {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": str(len(body)).encode(),
    }
    return [*headers, *((name, value) for name, value in standard.items() if name not in given)]
