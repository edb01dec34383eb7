"""permessage-deflate (RFC 7692): what is agreed at the handshake, and the two directions after it.

``Deflate`` is what the application wants; ``negotiate`` makes an ``Agreement`` of it and the
client's offers, or none; the agreement makes an ``Inflater`` for what comes and a ``Deflater``
for what goes.

A frame can go to many clients only if it was deflated without context takeover, which is
therefore the default: one ``Deflater`` then serves every connection whose agreement is
``shareable``. What comes is inflated against a maximum, so that a few bytes cannot become a
gigabyte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from antiphon.errors import ConfigurationError, ProtocolError
from antiphon.wire.close import CloseCode
from antiphon.wire.headers import Extension

NAME = "permessage-deflate"

#: § 7.2.1: the end of every sync flush; the sender removes it and the receiver puts it back.
_TAIL = b"\x00\x00\xff\xff"

#: A message may end the DEFLATE stream and begin another (§ 7.2.3.4). Each end costs us a new
#: decoder, so a message of nothing but ends would be an attack.
_MAX_STREAMS = 16

#: Below this size the ratio is not looked at: a short message of one letter is no bomb.
_RATIO_FLOOR = 64 * 1024

#: Bytes that can be inflated while a short frame is taken, about.
_IN_A_FRAMES_TIME = 4 * 1024

#: As many inflated bytes take as long as one that is to be inflated, which may become none at all: blocks
#: without a symbol take a hundred times as long as what a compressor makes.
_A_BYTES_TIME = 16

#: § 7.1.2: values are 8 to 15, in decimal and without leading zeros.
_WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}


@dataclass(frozen=True, slots=True)
class Deflate:
    """How the application wants messages compressed; names are those of RFC 7692 § 7.1.

    Attributes:
        server_no_context_takeover: Deflate each message on its own; needed to share frames.
        client_no_context_takeover: Ask clients for the same, which frees the decoder between
            messages.
        server_max_window_bits: Largest window of ours, 9 to 15 (zlib cannot deflate with 8).
        client_max_window_bits: Largest window asked of clients, 9 to 15; a client that does not
            let itself be asked uses 15.
        level: zlib's effort, 0 to 9.
        mem_level: zlib's memory for deflating, 1 to 9: 2 ** (mem_level + 9) bytes.
        threshold: Messages below this many bytes are better sent as they are.
        ratio: Most bytes that one received byte may become, in messages above 64 KiB and at any place
            within them; ``None``: as many as the message limit allows.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    server_no_context_takeover: bool = True
    client_no_context_takeover: bool = True
    server_max_window_bits: int = 12
    client_max_window_bits: int = 12
    level: int = 1
    mem_level: int = 5
    threshold: int = 256
    ratio: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("server_max_window_bits", 9, 15),
            ("client_max_window_bits", 9, 15),
            ("level", 0, 9),
            ("mem_level", 1, 9),
            ("threshold", 0, None),
            ("ratio", 1, None),
        ):
            value = getattr(self, name)
            if name == "ratio" and value is None:
                continue
            if not isinstance(value, int) or value < low or (high is not None and value > high):
                allowed = f"{low} or more" if high is None else f"{low} to {high}"
                raise ConfigurationError(f"Deflate.{name} must be {allowed}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What client and server have agreed on.

    Attributes:
        response: The value of our ``Sec-WebSocket-Extensions`` header.
    """

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int
    response: str
    settings: Deflate = field(repr=False)

    @property
    def shareable(self) -> bool:
        """Whether this client can read frames that another connection's deflater made.

        It must have been made with a window no larger than this ``server_max_window_bits``.
        """
        return self.server_no_context_takeover

    def inflater(self) -> Inflater:
        """Make what inflates this client's messages."""
        return Inflater(
            self.client_max_window_bits,
            takeover=not self.client_no_context_takeover,
            ratio=self.settings.ratio,
        )

    def deflater(self) -> Deflater:
        """Make what deflates messages to this client."""
        return Deflater(
            self.server_max_window_bits,
            takeover=not self.server_no_context_takeover,
            level=self.settings.level,
            mem_level=self.settings.mem_level,
        )


def negotiate(offers: Iterable[Extension], settings: Deflate) -> Agreement | None:
    """Accept the first offer of permessage-deflate that can be (§ 5.1), or none."""
    for name, parameters in offers:
        if name == NAME and (agreement := _agree(parameters, settings)) is not None:
            return agreement
    return None


def _agree(parameters: Iterable[tuple[str, str | None]], settings: Deflate) -> Agreement | None:
    offered: dict[str, str | None] = {}
    for name, value in parameters:
        # § 7.1: decline an offer with an unknown, invalid or repeated parameter.
        if name in offered or not _is_valid(name, value):
            return None
        offered[name] = value
    server_bits = settings.server_max_window_bits
    client_bits = 15
    if asked := offered.get("server_max_window_bits"):
        server_bits = min(server_bits, _WINDOW_BITS[asked])
        if server_bits < 9:
            return None
    if "client_max_window_bits" in offered:
        # § 7.1.2.2: only a client that names this parameter may be given a value for it.
        hint = offered["client_max_window_bits"] or "15"
        client_bits = min(settings.client_max_window_bits, _WINDOW_BITS[hint])
    server_alone = settings.server_no_context_takeover or "server_no_context_takeover" in offered
    client_alone = settings.client_no_context_takeover or "client_no_context_takeover" in offered
    response = [NAME]
    if server_alone:
        response.append("server_no_context_takeover")
    if client_alone:
        response.append("client_no_context_takeover")
    if server_bits < 15 or "server_max_window_bits" in offered:
        response.append(f"server_max_window_bits={server_bits}")
    if client_bits < 15:
        response.append(f"client_max_window_bits={client_bits}")
    return Agreement(server_alone, client_alone, server_bits, client_bits, "; ".join(response), settings)


def _is_valid(name: str, value: str | None) -> bool:
    match name:
        case "server_no_context_takeover" | "client_no_context_takeover":
            return value is None
        case "server_max_window_bits":
            return value in _WINDOW_BITS
        case "client_max_window_bits":
            return value is None or value in _WINDOW_BITS
    return False


class Inflater:
    """Inflates the messages of one client, frame by frame."""

    __slots__ = (
        "_decoder",
        "_produced",
        "_ratio",
        "_received",
        "_spent",
        "_streams",
        "_takeover",
        "_window_bits",
    )

    def __init__(self, window_bits: int = 15, *, takeover: bool = True, ratio: int | None = None) -> None:
        self._window_bits = window_bits
        self._takeover = takeover
        self._ratio = ratio
        self._decoder: zlib._Decompress | None = None
        self._received = self._produced = self._streams = 0
        self._spent = 0

    def inflate(self, payload: bytes, fin: bool, room: int) -> bytes:
        """Inflate the payload of one frame of a message, or a piece of it.

        Args:
            payload: The payload, unmasked.
            fin: Whether the message ends with it.
            room: Most bytes it may become; no more than one byte above is ever inflated.

        Raises:
            ProtocolError: It becomes more than ``room``, or than the ratio allows (1009), or it is no
                DEFLATE data (1002). The inflater is of no more use.
        """
        self._received += len(payload)
        if fin and not self._received:
            raise _broken("a deflated message of no bytes")  # § 7.2.3.6: an empty one is 0x00
        if self._ratio is not None:
            most = max(_RATIO_FLOOR, self._ratio * self._received)
            room = min(room, most - self._produced)
        try:
            inflated = self._inflate(payload + _TAIL if fin else payload, fin, room)
        except zlib.error as error:
            raise _broken("not DEFLATE data") from error
        self._produced += len(inflated)
        self._spent += max(len(inflated), _A_BYTES_TIME * len(payload))
        if fin:
            self._received = self._produced = self._streams = 0
            if not self._takeover:
                self._decoder = None
        return inflated

    def spent(self) -> int:
        """How many short frames could have been taken while inflating, since this was last asked."""
        frames, self._spent = self._spent // _IN_A_FRAMES_TIME, 0
        return frames

    def _inflate(self, data: bytes, fin: bool, room: int) -> bytes:
        parts: list[bytes] = []
        while data:
            if self._decoder is None:
                if fin and self._streams and data == _TAIL:
                    break  # ours, and the sender left out the octet that makes it a block
                self._decoder = zlib.decompressobj(-self._window_bits)
            # One byte more than there is room for: zlib takes 0 for "no limit", and a result that
            # fills all it was given does not tell whether there would be more.
            parts.append(self._decoder.decompress(data, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise ProtocolError(
                    CloseCode.MESSAGE_TOO_BIG, "message too big when inflated (RFC 7692 § 8.1)"
                )
            if not self._decoder.eof:
                break
            # § 7.2.3.4: a block with BFINAL ends the stream, but not the message.
            self._streams += 1
            if self._streams > _MAX_STREAMS:
                raise _broken("too many blocks with BFINAL in a message")
            data = self._decoder.unused_data
            self._decoder = None
        return b"".join(parts)


class Deflater:
    """Deflates messages: without context takeover for anyone, with it for one client in order."""

    __slots__ = ("_encoder", "_level", "_mem_level", "_takeover", "_window_bits")

    def __init__(
        self, window_bits: int = 15, *, takeover: bool = False, level: int = 1, mem_level: int = 5
    ) -> None:
        self._window_bits = window_bits
        self._takeover = takeover
        self._level = level
        self._mem_level = mem_level
        self._encoder: zlib._Compress | None = None

    def deflate(self, payload: bytes) -> bytes:
        """Deflate a message; its frame has RSV1 set (§ 6.1)."""
        encoder = self._encoder
        if encoder is None:
            encoder = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits, self._mem_level)
            if self._takeover:
                self._encoder = encoder
        # § 7.2.1: flush, and leave out the tail that every flush ends with.
        return (encoder.compress(payload) + encoder.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]

    def start_over(self) -> None:
        """Refer to nothing before the next message, which is always allowed (§ 7.1.1)."""
        self._encoder = None


def most_deflated(size: int, fragments: int = 1) -> int:
    """Bytes that so many may become by being deflated: what cannot be compressed grows by up to an eighth."""
    return size + size // 8 + 64 * fragments


def _broken(what: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_ERROR, f"{what} (RFC 7692 § 7.2)")
