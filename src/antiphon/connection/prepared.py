"""Messages encoded once and sent to many.

A ``Prepared`` holds one message, or several that go out together, in the form every receiver shares.
Transports that write bytes themselves frame it once for all of them, and deflate it once for all that
agreed on the same compression.
"""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.wire import Deflater, Opcode, binary_frame, frame, text_frame


class Prepared:
    """Messages ready to be sent to any number of connections.

    Args:
        messages: In order; a ``str`` goes out as a text message, ``bytes`` as a binary one.

    Attributes:
        messages: As given, as a tuple.
        size: Their payloads together, in bytes (a character of text counts as one: exact for ASCII).
        frames: All of them as frames, joined (RFC 6455 § 5.2).
    """

    __slots__ = ("_deflated", "frames", "messages", "size")

    def __init__(self, messages: Iterable[str | bytes]) -> None:
        self.messages = tuple(messages)
        self.size = sum(map(len, self.messages))
        # Not made when first asked for: each subscriber would pay for the question.
        self.frames = b"".join(map(_frame, self.messages))
        self._deflated: dict[Deflater, bytes] | None = None

    def __repr__(self) -> str:
        return f"<Prepared {len(self.messages)} messages, {self.size} bytes>"

    def deflated(self, deflater: Deflater, threshold: int) -> bytes:
        """All messages as frames, those of at least ``threshold`` bytes deflated; made once.

        The deflater must keep no context between messages (RFC 7692 § 7.1.1.1).
        """
        if self._deflated is None:
            self._deflated = {}
        frames = self._deflated.get(deflater)
        if frames is None:
            frames = b"".join(deflated_frame(each, deflater, threshold) for each in self.messages)
            self._deflated[deflater] = frames
        return frames


def deflated_frame(message: str | bytes, deflater: Deflater, threshold: int) -> bytes:
    """One message as a frame, deflated if it has at least ``threshold`` bytes."""
    payload = message.encode() if isinstance(message, str) else message
    if len(payload) < threshold:
        return _frame(message)
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    return frame(opcode, deflater.deflate(payload), rsv1=True)


def _frame(message: str | bytes) -> bytes:
    return text_frame(message) if isinstance(message, str) else binary_frame(message)
