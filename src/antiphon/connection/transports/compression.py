"""Frames for a client that agreed on permessage-deflate (RFC 7692)."""

from __future__ import annotations

from functools import lru_cache

from antiphon.connection.prepared import Prepared, deflated_frame
from antiphon.wire import Agreement, Deflater


class Compression:
    """Turns messages into frames as one client agreed on.

    A deflater that keeps no context serves all connections that agreed on the same, and what was
    prepared for many is deflated once for all of them.

    Args:
        agreement: What was agreed on.
    """

    __slots__ = ("_deflater", "_shares", "_threshold")

    def __init__(self, agreement: Agreement) -> None:
        settings = agreement.settings
        self._shares = agreement.shareable
        self._threshold = settings.threshold
        self._deflater = (
            _shared(agreement.server_max_window_bits, settings.level, settings.mem_level)
            if self._shares
            else agreement.deflater()
        )

    def frames(self, message: str | bytes | Prepared) -> bytes:
        """A message, or several, as frames."""
        if not isinstance(message, Prepared):
            return deflated_frame(message, self._deflater, self._threshold)
        if self._shares:
            return message.deflated(self._deflater, self._threshold)
        return b"".join(deflated_frame(each, self._deflater, self._threshold) for each in message.messages)

    def start_over(self) -> None:
        """The client will not get the frames made last: refer to nothing in them."""
        self._deflater.start_over()


@lru_cache
def _shared(window_bits: int, level: int, mem_level: int) -> Deflater:
    return Deflater(window_bits, takeover=False, level=level, mem_level=mem_level)
