"""Bytes of a client in, messages and control frames out (RFC 6455 § 5 and § 6.2).

Most reads bring exactly one short message, so ``feed`` begins with that case and does nothing
that it does not need: one comparison with ``_short`` says at once that nothing is pending, that
no limit is near and that the chunk is small. Then comes one message with a 16-bit length, then
the general loop, which keeps what is incomplete in one of two places: ``_rest``, input that was
not looked at (part of a header, or what ``at_most`` left); and ``_chunks``, the payload of a
frame that has begun, joined once when it is complete. So every byte is copied a fixed number of
times however small the chunks are.

A broken rule makes the parser useless for good. Events that came before it are returned first: the
error is raised by the call that has no event to return, and ``more`` stays true until then.
"""

from __future__ import annotations

import sys
from typing import Any

from antiphon.errors import ProtocolError
from antiphon.wire.assembly import DEFAULT_LIMITS, Assembly, ParserLimits, not_utf8, too_big
from antiphon.wire.close import Close, CloseCode, parse_close
from antiphon.wire.deflate import Inflater
from antiphon.wire.frames import FIN, RSV1, SHORT, Opcode, Ping, Pong

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

#: A text message, a binary message, or a control frame.
Event = str | bytes | Ping | Pong | Close

# As plain numbers: looking a member up in its enumeration costs more than the comparison it is for.
_CONTINUATION, _TEXT_OPCODE, _CLOSE, _PING, _PONG = map(
    int, (Opcode.CONTINUATION, Opcode.TEXT, Opcode.CLOSE, Opcode.PING, Opcode.PONG)
)
_TEXT = FIN | _TEXT_OPCODE
_BINARY = FIN | int(Opcode.BINARY)
_PONG_FRAME = FIN | _PONG
_OPCODES = frozenset(map(int, Opcode))

_PROTOCOL = CloseCode.PROTOCOL_ERROR

_MASKED = 0x80
_LENGTH_16 = 126

#: A view costs more than a copy below about this many bytes.
_VIEW_PAYS = 16 * 1024

#: A frame that may have to be inflated is taken in pieces of so many bytes, a multiple of the mask's four.
_PIECE = 8 * 1024

#: So many small chunks of a payload are joined into one, or two-byte reads would cost twenty times
#: their size.
_CHUNKS = 256


class Parser:
    """Parses what one client sends, in whatever pieces it arrives.

    Attributes:
        more: Call ``feed(b"")`` again: input may be left that was not parsed because ``at_most`` was
            reached, or an error waits to be raised.
        control: Some event since this was last set to False is no message but a control frame.
    """

    __slots__ = (
        "_assembly",
        "_at",
        "_beyond",
        "_chunks",
        "_closed",
        "_error",
        "_first",
        "_inflater",
        "_joined",
        "_limit",
        "_limits",
        "_mask",
        "_medium",
        "_missing",
        "_reserved",
        "_rest",
        "_short",
        "control",
        "more",
    )

    def __init__(self, limits: ParserLimits = DEFAULT_LIMITS, inflater: Inflater | None = None) -> None:
        """Begin after the handshake; ``inflater`` is given when permessage-deflate was agreed."""
        self._limits = limits
        self._limit = min(limits.frame, limits.message)
        self._inflater = inflater
        self._reserved = 0x70 if inflater is None else 0x70 ^ RSV1
        self._assembly: Assembly | None = None
        self._error: ProtocolError | None = None
        self._closed = False
        self.more = False
        self.control = False
        # Input not parsed yet: _rest from _at on.
        self._rest = b""
        self._at = 0
        # The frame whose payload, or piece of it, is not complete: nothing is _missing when there is none.
        self._missing = 0
        self._beyond = 0
        self._first = 0
        self._mask = b""
        self._chunks: list[bytes | memoryview] = []
        self._joined = 0
        self._settle()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "failed" if self._error else "open"
        waiting = len(self._rest) - self._at + sum(map(len, self._chunks))
        return f"<Parser {state}, {waiting} bytes waiting>"

    @property
    def unfinished(self) -> object | None:
        """What stands for the message that has begun and is not complete, as long as it is not."""
        if self._assembly is not None:
            return self._assembly
        return self._chunks if self._missing else None

    def feed(self, data: bytes, at_most: int | None = None) -> list[Event]:
        """Take a chunk of input; return the events that it completes.

        Args:
            data: What was read; empty to go on with what an earlier call left.
            at_most: Take no more frames than that, or what takes as long, and keep the rest of the input
                whole for later: whoever sets it should read no more while ``more`` is true.

        Raises:
            ProtocolError: The client broke a rule, and every event before that has been returned.
                The code is 1002, 1007 for text that is not UTF-8, 1009 for a size above its limit.
        """
        size = len(data)
        if 6 <= size <= self._short and data[1] == size + 122 and at_most != 0:
            first = data[0]
            if first == _TEXT:
                try:
                    return [apply_mask(data[6:], data[2:6]).decode()]
                except UnicodeDecodeError:
                    pass  # the general loop says what is wrong
            elif first == _BINARY:
                return [apply_mask(data[6:], data[2:6])]
            elif first == _PONG_FRAME:
                # What an idle connection sends: the answers to our pings.
                self.control = True
                return [Pong(apply_mask(data[6:], data[2:6]))]
        elif (
            134 <= size <= self._medium
            and data[1] == _MASKED | _LENGTH_16
            and data[2] << 8 | data[3] == size - 8
            and at_most != 0
        ):
            first = data[0]
            if first == _TEXT:
                try:
                    return [_unmask(data, 8, size, data[4:8]).decode()]
                except UnicodeDecodeError:
                    pass
            elif first == _BINARY:
                return [_unmask(data, 8, size, data[4:8])]
        room = sys.maxsize if at_most is None else at_most
        if 6 <= self._short < size:
            return self._several(data, room)
        return self._feed(data, room)

    def _several(self, data: bytes, room: int) -> list[Event]:
        """Take a chunk that begins where a frame does: most of them hold short messages and nothing else."""
        events: list[Event] = []
        try:
            at = _burst(data, 0, min(self._limit, SHORT), room, events)
        except UnicodeDecodeError:
            return self._fail(not_utf8(), events)
        if at == len(data):
            return events
        return self._go_on(data, at, room, events)

    def _feed(self, data: bytes, room: int) -> list[Event]:
        if self._error is not None:
            self.more = False
            raise self._error
        if self._closed:
            return []  # § 1.4: what comes after a Close frame is discarded
        at = 0
        if self._rest:
            if data:
                data = self._rest[self._at :] + data
            else:
                data, at = self._rest, self._at
        return self._go_on(data, at, room, [])

    def _go_on(self, data: bytes, at: int, room: int, events: list[Event]) -> list[Event]:
        """Parse from ``at`` on, and keep what is not complete."""
        try:
            at, full = self._parse(data, at, room, events)
        except ProtocolError as error:
            return self._fail(error, events)
        except UnicodeDecodeError:
            return self._fail(not_utf8(), events)
        if at == len(data):
            self._rest, self._at = b"", 0
            self.more = False
        else:
            self._rest, self._at = data, at
            self.more = full
        self._settle()
        return events

    def _parse(self, data: bytes, at: int, room: int, events: list[Event]) -> tuple[int, bool]:
        """Parse from ``at`` on, into ``events``; return where it stops, and whether there is no room left."""
        end = len(data)
        room -= len(events)
        while at < end and room > 0 and not self._closed:
            if not self._missing:
                if self._assembly is None:
                    before = len(events)
                    at = _burst(data, at, min(self._limit, SHORT), room, events)
                    room -= len(events) - before
                    if at == end or not room:
                        break
                start = self._header(data, at)
                if start < 0:
                    break
                at = start
            at = self._payload(data, at, events)
            # Fragments take their time as well, though they make no events.
            room -= 1 if self._inflater is None else 1 + self._inflater.spent()
        return end if self._closed else at, room <= 0

    def _header(self, data: bytes, at: int) -> int:
        """Begin the frame at ``at``; return where its payload starts, -1 if that is not known."""
        size = len(data) - at
        if size < 2:
            return -1
        first, second = data[at], data[at + 1]
        _check(first, second, self._reserved, self._assembly is not None)
        length = second & 0x7F
        start = at + 2
        if length >= _LENGTH_16:
            least, width = (126, 2) if length == _LENGTH_16 else (0x10000, 8)
            if size < 2 + width:
                return -1
            start += width
            length = int.from_bytes(data[at + 2 : start], "big")
            if length < least:
                raise _broken("length not in its shortest form", "5.2")
            if length >> 63:
                raise _broken("length with its highest bit set", "5.2")
        start += 4
        if len(data) < start:
            return -1
        self._admit(first, length)
        self._first = first
        self._mask = data[start - 4 : start]
        pieces = self._assembly is not None and self._inflater is not None and first & 0x0F < _CLOSE
        self._missing = min(length, _PIECE) if pieces else length
        self._beyond = length - self._missing
        return start

    def _admit(self, first: int, length: int) -> None:
        """Check the size of a frame against the limits, before its payload is read."""
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            return  # § 5.5 has a limit of its own for control frames
        if length > self._limits.frame:
            raise too_big(f"frame of more than {self._limits.frame} bytes")
        if self._assembly is None:
            if first & FIN and not first & RSV1:
                if length > self._limits.message:
                    raise too_big(f"message of more than {self._limits.message} bytes")
                return
            inflater = self._inflater if first & RSV1 else None
            self._assembly = Assembly(opcode, self._limits, inflater)
        self._assembly.admit(length)

    def _payload(self, data: bytes, at: int, events: list[Event]) -> int:
        """Take the payload that is missing, or what there is of it; return where it stops."""
        stop = at + self._missing
        chunks = self._chunks
        if stop > len(data):
            chunks.append(data if at == 0 else memoryview(data)[at:])
            self._missing = stop - len(data)
            if len(chunks) - self._joined == _CHUNKS:
                chunks[self._joined :] = [b"".join(chunks[self._joined :])]
                self._joined += 1
            return len(data)
        if chunks:
            chunks.append(memoryview(data)[at:stop])
            payload = apply_mask(b"".join(chunks), self._mask)
            self._chunks = []
            self._joined = 0
        else:
            payload = _unmask(data, at, stop, self._mask)
        self._missing = 0
        self._complete(payload, events)
        return stop

    def _complete(self, payload: bytes, events: list[Event]) -> None:
        """Make an event of the frame that is complete, if it is one."""
        opcode = self._first & 0x0F
        if opcode >= _CLOSE:
            self.control = True
        if opcode == _PING:
            events.append(Ping(payload))
        elif opcode == _PONG:
            events.append(Pong(payload))
        elif opcode == _CLOSE:
            events.append(parse_close(payload))
            self._closed = True
            self._assembly = None
        elif self._assembly is None:
            events.append(payload.decode() if opcode == _TEXT_OPCODE else payload)
        else:
            message = self._assembly.add(payload, bool(self._first & FIN) and not self._beyond)
            self._missing = min(self._beyond, _PIECE)
            self._beyond -= self._missing
            if message is not None:
                events.append(message)
                self._assembly = None

    def _settle(self) -> None:
        """Let ``feed`` take its fast paths when nothing is pending, and only then."""
        pending = self._rest or self._missing or self._assembly or self._closed or self._error
        self._short = -1 if pending else min(self._limit, SHORT) + 6
        self._medium = -1 if pending else min(self._limit, 0xFFFF) + 8

    def _fail(self, error: ProtocolError, events: list[Event]) -> list[Event]:
        """Keep the error for when its turn comes, and nothing else."""
        self._error = error
        self._rest, self._at = b"", 0
        self._chunks.clear()
        self._assembly = None
        self._settle()
        self.more = bool(events)
        if not events:
            raise error
        return events


def _burst(data: bytes, at: int, longest: int, room: int, events: list[Event]) -> int:
    """Parse up to ``room`` messages of at most ``longest`` bytes that follow one another; return where."""
    end = len(data)
    last = end - 6
    longest += _MASKED
    for _ in range(room):
        if at > last:
            break
        length = data[at + 1]
        start = at + 6
        stop = start + length - _MASKED
        if not _MASKED <= length <= longest or stop > end:
            break
        first = data[at]
        if first == _TEXT:
            events.append(apply_mask(data[start:stop], data[at + 2 : start]).decode())
        elif first == _BINARY:
            events.append(apply_mask(data[start:stop], data[at + 2 : start]))
        else:
            break
        at = stop
    return at


def _check(first: int, second: int, reserved: int, within: bool) -> None:
    """Check all that the first two bytes of a frame can break; ``within`` a message that has begun or not."""
    opcode = first & 0x0F
    if first & reserved:
        raise _broken("reserved bit set", "5.2")
    if opcode not in _OPCODES:
        raise _broken(f"reserved opcode {opcode}", "5.2")
    if not second & _MASKED:
        raise _broken("frame not masked", "5.1")
    if opcode >= _CLOSE:
        if not first & FIN:
            raise _broken("control frame fragmented", "5.5")
        if second & 0x7F > SHORT:
            raise _broken("control frame of more than 125 bytes", "5.5")
        if first & RSV1:
            raise ProtocolError(_PROTOCOL, "control frame deflated (RFC 7692 § 6.1)")
    elif opcode == _CONTINUATION:
        if not within:
            raise _broken("continuation of no message", "5.4")
        if first & RSV1:
            raise ProtocolError(_PROTOCOL, "continuation with RSV1 set (RFC 7692 § 6.1)")
    elif within:
        raise _broken("new message before the last one ended", "5.4")


def _unmask(data: bytes, start: int, stop: int, mask: bytes) -> bytes:
    if stop - start >= _VIEW_PAYS:
        view: Any = memoryview(data)  # any buffer does; up to websockets 15 its types say bytes only
        return apply_mask(view[start:stop], mask)
    return apply_mask(data[start:stop], mask)


def _broken(what: str, section: str) -> ProtocolError:
    return ProtocolError(_PROTOCOL, f"{what} (RFC 6455 § {section})")
