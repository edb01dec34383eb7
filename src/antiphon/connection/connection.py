"""One connection at work: what it received, what it sends.

Everything here is synchronous and happens on the connection's event loop, except ``call_soon``, which may
be called from any thread. ``WebSocket`` puts the handler's API on top; transports are beneath.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Sized
from os import urandom
from typing import Any, Protocol

from antiphon.connection.inbox import Inbox
from antiphon.connection.life import Life, nothing
from antiphon.connection.options import Options
from antiphon.connection.phase import Phase
from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Transport
from antiphon.connection.transports.outbox import OutboxFull
from antiphon.errors import WebSocketDisconnect
from antiphon.limits import Limits
from antiphon.loop import mailbox_of

TOO_SLOW = 4008

# Looking a member up in its enumeration costs more than the rest of the test it is for.
_OPEN = Phase.OPEN


class Ahead(Protocol):
    """Who may have something that goes before what a connection sends."""

    @property
    def pending(self) -> Sized:
        """What there is; empty when there is nothing."""

    def flush(self) -> None:
        """Let it go."""


class NothingAhead:
    """Nobody publishes anything."""

    pending: Sized = ()

    def flush(self) -> None:
        """There is nothing to let go."""


NOTHING_AHEAD = NothingAhead()


def new_id() -> str:
    """A random UUID as text (RFC 9562 § 5.4); ``uuid.uuid4`` takes three times as long to the same end."""
    text = urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


#: RFC 9562 § 4.1: the highest two bits of this digit are 10.
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


class Connection(Life):
    """One peer: its life, its inbox, and the transport beneath.

    Args:
        transport: What carries it.
        options: What its endpoint decided.
        limits: How much the peer may use.

    Attributes:
        id: A text that no other connection has.
        inbox: Messages that arrived and wait.
        messages_received: Who takes the messages from the transport; the inbox, unless an endpoint does.
        end_received: Whether the handler got the event that says so, when it reads raw events.
        ahead: What goes before anything that is sent or closed: publications that wait for the tick's end.
    """

    __slots__ = (
        "_loop",
        "_mailbox",
        "ahead",
        "end_received",
        "id",
        "inbox",
        "messages_received",
    )

    def __init__(self, transport: Transport, options: Options, limits: Limits) -> None:
        super().__init__(transport, options)
        self.id = new_id()
        self.inbox = Inbox(transport, limits.inbound_messages, limits.inbound)
        self.messages_received: Callable[[Sequence[str | bytes]], None] = self.inbox.put
        self.ahead: Ahead = NOTHING_AHEAD
        self.end_received = False
        self._loop = asyncio.get_running_loop()
        self._mailbox = mailbox_of(self._loop)

    async def next_message(self) -> str | bytes:
        """Wait for the next message; what arrived before the end is still delivered.

        Raises:
            WebSocketDisconnect: There will be none.
        """
        inbox = self.inbox
        while not inbox.waiting:
            self.use()
            await inbox.wait()
        return inbox.pop()

    async def write(self, message: str | bytes) -> None:
        """Send a message, waiting while too much waits before it.

        Raises:
            WebSocketDisconnect: The connection is gone.
        """
        while True:
            try:
                free = self.put(message)
            except OutboxFull:
                await self._transport.drain()
            else:
                break
        if not free:
            await self._transport.drain()

    def put(self, message: str | bytes) -> bool:
        """Send a message; False asks the caller to wait for ``drained`` before the next.

        Raises:
            WebSocketDisconnect: The connection is gone.
            OutboxFull: There is no room for it.
        """
        if self.ahead.pending:
            self.ahead.flush()
        if self._phase is not _OPEN:
            self.use()
        return self._transport.write(message)

    async def drained(self) -> None:
        """Wait until what waits to be sent is below the high-water mark."""
        await self._transport.drain()

    def write_nowait(self, prepared: Prepared) -> None:
        """Send a message now; if it cannot be, the connection ends or has ended already."""
        self.go_ahead()
        if self._phase is not Phase.OPEN and not self.closed and self._options.auto_accept:
            self.open()
        self.deliver(prepared)

    def deliver(self, prepared: Prepared, now: bool = False) -> bool:
        """Hand over what was prepared for many; False when it takes no more now: it is gone, or lags.

        ``now`` is as in ``Transport.write``.
        A full outbox disconnects this peer with 4008 and harms nobody else.
        """
        if self._phase is not _OPEN:
            return False
        try:
            return self._transport.write(prepared, now)
        except OutboxFull as full:
            self.overflow(full)
            return False

    def offer(self, prepared: Prepared, now: bool = False) -> bool:
        """Hand over what can wait elsewhere: as ``deliver``, but a full outbox is not the peer's end.

        Raises:
            OutboxFull: There is no room for it now.
        """
        return self._phase is _OPEN and self._transport.write(prepared, now)

    def overflow(self, full: OutboxFull) -> None:
        """Part from a peer that reads too slowly."""
        if self.keeper is not None:
            self.keeper.overflowed(self, full.waiting)
        self.end(TOO_SLOW, "too slow: the outbox is full", discard=True)

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on this connection's event loop; at once when that is the running one.

        Raises:
            WebSocketDisconnect: The loop has ended.
        """
        if asyncio._get_running_loop() is self._loop:
            function(*args)
            return
        try:
            self._mailbox.post(function, *args)
        except RuntimeError:
            raise WebSocketDisconnect(1006, "the event loop has ended") from None

    def go_ahead(self) -> None:
        """Let what was published before go first."""
        if self.ahead.pending:
            self.ahead.flush()

    def stop_receiving(self) -> None:
        """Forget what was received: this side has closed."""
        self.messages_received = nothing
        self.inbox.clear()
        self.inbox.wake()

    def stop_waiting(self) -> None:
        """Let whoever waits for a message see that there will be none."""
        self.inbox.wake()
