"""Messages on their way out: framed, kept for a moment, sent together.

Frames leave at the end of the event loop's tick, those of all connections one after the other: a write may
wake up whoever waits for it, and a row of them wakes up fewer. They leave at once only where the writer has
such a row of its own (``now``). A peer that does not read fills the event loop's buffer up to the high-water
mark, then ``_out`` up to the outbox limit.
"""

from __future__ import annotations

import asyncio
import contextlib

from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Receiver
from antiphon.connection.transports.compression import Compression
from antiphon.connection.transports.nowhere import NOWHERE
from antiphon.connection.transports.outbox import OutboxFull
from antiphon.limits import Limits
from antiphon.loop import tick_of, write_pieces
from antiphon.wire import SHORT, SHORT_TEXT, binary_frame, binary_header, text_frame, text_header

#: Bytes after which a sender lets the others have their turn, however fast its peer reads.
BURST = 1024 * 1024

#: What a frame counts for in that, beside its bytes: many small messages take long, too.
PER_FRAME = 128

#: A payload above so many bytes waits beside its header: a copy behind it would cost more.
LARGE = 16 * 1024

#: Pieces of more bytes on average are sent unjoined. Half of the above: beside each payload is a header.
PIECE = LARGE // 2


class FrameWriter:
    """The sending half of one connection.

    Args:
        socket: The event loop's transport.
        limits: How much may wait.

    Attributes:
        receiver: Who is told what happens; None when the connection is over.
        parted: What the socket was, when nothing can be sent any more.
    """

    __slots__ = (
        "_breathing",
        "_burst",
        "_compression",
        "_dirty",
        "_drained",
        "_high_water",
        "_loop",
        "_most",
        "_out",
        "_pong",
        "_size",
        "_tick",
        "_writable",
        "_write",
        "parted",
        "receiver",
        "socket",
    )

    def __init__(self, socket: asyncio.Transport, limits: Limits) -> None:
        self.receiver: Receiver | None = None
        self.socket = socket
        self.parted: asyncio.Transport | None = None
        self._write = socket.write
        self._loop = asyncio.get_running_loop()
        self._tick = tick_of(self._loop)
        self._compression: Compression | None = None
        self._out: list[bytes] = []
        self._pong = b""
        self._size = 0
        self._high_water = limits.high_water
        self._most = limits.outbox
        self._dirty = False
        self._writable = True
        self._burst = 0
        self._breathing = False
        self._drained: asyncio.Future[bool] | None = None

    def write(self, message: str | bytes | Prepared, now: bool = False) -> bool:
        """Take a message; False asks the caller to ``drain`` before the next.

        Raises:
            OutboxFull: There is no room for it.
        """
        # The most common first; it has to be an exact comparison, which costs half of isinstance.
        if self._compression is not None:
            data = self._compressed(self._compression, message)
        elif message.__class__ is str:
            payload = message.encode()
            length = len(payload)
            if length <= SHORT:
                # What ``text_header`` does, without a call for each message.
                data = SHORT_TEXT[length] + payload
            elif length <= LARGE:
                data = text_header(length) + payload
            else:
                return self._write_large(text_header(length), payload)
        elif isinstance(message, Prepared):
            data = message.frames
        elif isinstance(message, str):
            data = text_frame(message)
        elif message.__class__ is bytes and len(message) > LARGE:
            return self._write_large(binary_header(len(message)), message)
        else:
            data = binary_frame(message)
        size = self._size + len(data)
        if size > self._high_water:
            size = self._make_room(len(data))
        elif now and self._writable and not self._out:
            self._write(data)
            return self._writable
        self._out.append(data)
        self._size = size
        if now:
            self.flush()
        elif not self._dirty:
            self._flush_soon()
        return self._writable

    def answer(self, pong: bytes) -> None:
        """Take a pong; for a peer that does not read only the latest is kept (RFC 6455 § 5.5.3)."""
        if not self._writable:
            self._pong = pong
            return
        self._out.append(pong)
        self._size += len(pong)
        if self._size > self._high_water:
            self.flush()
        elif not self._dirty:
            self._flush_soon()

    async def drain(self) -> None:
        """Wait until the peer reads on, or is gone."""
        while not self._writable and self.receiver is not None:
            if self._drained is None:
                self._drained = self._loop.create_future()
            if await asyncio.shield(self._drained):
                return

    def pause_writing(self) -> None:
        """The event loop's buffer is above the high-water mark."""
        self._writable = self._breathing = False

    def resume_writing(self) -> None:
        """The event loop's buffer is empty enough again."""
        self._write_on()

    def part(self) -> None:
        """The socket takes nothing any more: what is written goes nowhere, and nobody waits for it."""
        self.parted, self.socket = self.socket, NOWHERE
        self._write = NOWHERE.write
        self._compression = None
        self._forget()
        self._write_on()

    def flush(self) -> None:
        """Send what was written, together, if the socket takes any."""
        self._dirty = False
        out = self._out
        # When the sender is to take breath, what it has sent need not wait.
        if not out or not (self._writable or self._breathing):
            return
        self._out = []
        size, self._size = self._size, 0
        if len(out) == 1:
            self._write(out[0])
        elif size > len(out) * PIECE:
            write_pieces(self.socket, out)
        else:
            self._write(b"".join(out))

    def _compressed(self, compression: Compression, message: str | bytes | Prepared) -> bytes:
        """A message as frames; what it was before counts for the burst, for that takes the time."""
        data = compression.frames(message)
        if not isinstance(message, Prepared):
            if not self._dirty:
                self._burst = 0
            self._burst += len(message)
            if self._burst > BURST and self._writable:
                self._take_breath()
        return data

    def _write_large(self, header: bytes, payload: bytes) -> bool:
        """Take a message whose payload is not copied behind its header; none of these is to leave ``now``."""
        added = len(header) + len(payload)
        size = self._size + added
        if size > self._high_water:
            size = self._make_room(added)
        self._out += header, payload
        self._size = size
        if not self._dirty:
            self._flush_soon()
        return self._writable

    def _flush_soon(self) -> None:
        self._dirty = True
        self._tick.flush_at_end(self)

    def _make_room(self, added: int) -> int:
        """Flush what waits; return the bytes that will wait with so many more."""
        dirty = self._dirty
        if not dirty:
            # The first of this tick: the others have had their turn since the last.
            self._burst = 0
        self._burst += self._size + PER_FRAME * len(self._out)
        self.flush()
        # It stands in the tick all the same, and needs to once only.
        self._dirty = dirty
        if self._is_lost():
            # The event loop is about to say so: until then the sender waits.
            self._forget()
            self.pause_writing()
            return added
        if self._writable or self._breathing:
            if self._burst > BURST:
                self._take_breath()
            return added
        waiting = self._size + self.socket.get_write_buffer_size()
        if waiting + added > self._most:
            if self._compression is not None:
                # What is not sent is no context for what comes next.
                self._compression.start_over()
            raise OutboxFull(waiting)
        return self._size + added

    def _is_lost(self) -> bool:
        """Whether the socket is closing with nothing left to send; with something left, it is half-closed."""
        return self.socket.is_closing() and not self.socket.get_write_buffer_size()

    def _forget(self) -> None:
        """Send nothing of what waits."""
        self._out.clear()
        self._size = 0
        self._pong = b""

    def _take_breath(self) -> None:
        """Have the sender wait until the event loop has come round to the others."""
        self._writable = False
        if not self._breathing:
            self._breathing = True
            self._loop.call_soon(self._breathe)

    def _breathe(self) -> None:
        if self._breathing:
            self._breathing = False
            self._write_on()

    def _write_on(self) -> None:
        self._writable = True
        if self._pong:
            self._out.insert(0, self._pong)
            self._pong = b""
        self.flush()
        if self._writable:
            self._wake()

    def _wake(self, over: bool = False) -> None:
        """Have those go on who wait to write; they look first whether they may, unless all is over."""
        if self._drained is not None:
            self._drained.set_result(over)
            self._drained = None


def end_writing(socket: asyncio.Transport) -> None:
    """Send what was written, then no more, and leave it to the peer to close.

    Were the socket closed while the peer is still sending, TCP would throw away what was written last, and
    the peer would never learn why (RFC 6455 § 7.1.1).
    """
    if socket.can_write_eof():
        # Who has reset the connection is gone, which the event loop is about to say.
        with contextlib.suppress(OSError):
            socket.write_eof()
    else:
        socket.close()
