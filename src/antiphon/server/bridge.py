"""Plain ASGI events over our own transport, for applications that do not know Antiphon.

https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from uvicorn.protocols.utils import ClientDisconnected

from antiphon.connection import DENIAL, Inbox, Terms
from antiphon.connection.transports.direct import DirectTransport
from antiphon.connection.transports.outbox import OutboxFull

Event = Any

_DENIAL_BODY = f"{DENIAL}.body"


class Offer(Protocol):
    """Who has a connection to give."""

    def direct(self, terms: Terms | None = None) -> DirectTransport:
        """The connection."""


class AsgiBridge:
    """The ``receive`` and ``send`` of one connection.

    Args:
        offer: Who has the connection; it is taken when the application first uses either.
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._transport: DirectTransport | None = None
        self._inbox: Inbox
        self._connect = True
        self._lost: tuple[int, str] | None = None
        self._denial: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._body = b""
        self._closed = False

    def __repr__(self) -> str:
        return f"<AsgiBridge over {self._transport!r}>"

    @property
    def attached(self) -> bool:
        """Whether the application speaks ASGI, rather than having taken the connection over."""
        return self._transport is not None

    @property
    def lost(self) -> bool:
        """Whether the connection is over."""
        return self._lost is not None

    async def receive(self) -> Event:
        """The next event: connect, receive or disconnect."""
        if self._connect:
            self._connect = False
            self._attach()
            return {"type": "websocket.connect"}
        inbox = self._inbox
        while not inbox.waiting:
            if self._lost is not None:
                code, reason = self._lost
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await inbox.wait()
        message = inbox.pop()
        if message.__class__ is str:
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, event: Event) -> None:
        """Do what an event says.

        Raises:
            OSError: The client is gone.
            RuntimeError: The event cannot come now.
        """
        transport = self._attach()
        if event["type"] != "websocket.send":
            self._handshake_or_close(transport, event)
            return
        message = event.get("text")
        if message is None:
            data = event.get("bytes")
            if data is None:
                raise RuntimeError("websocket.send with neither text nor bytes: one of them is the message")
            message = bytes(data)
        while True:
            if self._lost is not None:
                raise ClientDisconnected
            if transport.connecting or self._closed:
                raise RuntimeError("websocket.send before websocket.accept, or after websocket.close")
            try:
                free = transport.write(message)
            except OutboxFull:
                await transport.drain()
            else:
                break
        if not free:
            await transport.drain()

    def messages_received(self, messages: Sequence[str | bytes]) -> None:
        """Take messages from the transport."""
        if not self._closed:
            self._inbox.put(messages)

    def connection_lost(self, code: int, reason: str) -> None:
        """Learn that the connection is over."""
        self._lost = (code, reason)
        self._inbox.wake()

    def finish(self, code: int) -> None:
        """The application has returned: close what it left open."""
        if self._transport is not None and not self._closed and self._lost is None:
            self._transport.close(code, "")
            self._close()

    def _close(self) -> None:
        """Take no more messages; a client that was held back is read from again, for it to say goodbye."""
        self._closed = True
        self._inbox.clear()

    def _attach(self) -> DirectTransport:
        if self._transport is None:
            self._transport = self._offer.direct()
            limits = self._transport.terms.limits
            self._inbox = Inbox(self._transport, limits.inbound_messages, limits.inbound)
            self._transport.attach(self)
        return self._transport

    def _handshake_or_close(self, transport: DirectTransport, event: Event) -> None:
        kind = event["type"]
        if self._lost is not None:
            raise ClientDisconnected
        if transport.connecting and kind in _HANDSHAKE and (self._denial is None or kind == _DENIAL_BODY):
            _HANDSHAKE[kind](self, transport, event)
        elif kind == "websocket.close" and not (transport.connecting or self._closed):
            transport.close(event.get("code") or 1000, event.get("reason") or "")
            self._close()
        else:
            raise RuntimeError(f"the ASGI event {kind!r} cannot come now")

    def _accept(self, transport: DirectTransport, event: Event) -> None:
        headers = [(bytes(name).lower(), bytes(value)) for name, value in event.get("headers") or ()]
        transport.accept(event.get("subprotocol"), headers)

    def _refuse(self, transport: DirectTransport, event: Event) -> None:
        transport.reject(403, (), b"")

    def _start_denial(self, transport: DirectTransport, event: Event) -> None:
        self._denial = (event["status"], list(event.get("headers") or ()))

    def _finish_denial(self, transport: DirectTransport, event: Event) -> None:
        if self._denial is None:
            raise RuntimeError(f"{_DENIAL_BODY} before {DENIAL}.start")
        self._body += event.get("body", b"")
        if not event.get("more_body", False):
            transport.reject(*self._denial, self._body)
            self._denial = None


_HANDSHAKE: dict[str, Callable[[AsgiBridge, DirectTransport, Event], None]] = {
    "websocket.accept": AsgiBridge._accept,
    "websocket.close": AsgiBridge._refuse,
    f"{DENIAL}.start": AsgiBridge._start_denial,
    _DENIAL_BODY: AsgiBridge._finish_denial,
}
