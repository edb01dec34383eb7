"""Messages encoded once and sent to many.

A ``Prepared`` holds one message, or several that go out together, in the form every receiver shares.
Transports that write bytes themselves frame it once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable


class Prepared:
    """Messages ready to be sent to any number of connections.

    Args:
        messages: In order; a ``str`` goes out as a text message, ``bytes`` as a binary one.

    Attributes:
        messages: As given, as a tuple.
        size: Their payloads together, in bytes (a character of text counts as one: exact for ASCII).
    """

    __slots__ = ("messages", "size")

    def __init__(self, messages: Iterable[str | bytes]) -> None:
        self.messages = tuple(messages)
        self.size = sum(map(len, self.messages))

    def __repr__(self) -> str:
        return f"<Prepared {len(self.messages)} messages, {self.size} bytes>"
