"""What a subscriber says and is told: positions, members, and how it was let in.

Values that both a connection and a channel know; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where a publication stands in its channel's stream.

    As text it is ``offset.epoch``, which a client may keep and hand back; ``parse`` reads it.

    Attributes:
        offset: Grows with every publication; 0 is the beginning, before the first.
        epoch: The stream's life; a broker that lost its memory starts a new one.
    """

    offset: int
    epoch: str

    def __str__(self) -> str:
        return f"{self.offset}.{self.epoch}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position from its text.

        Raises:
            ValueError: It is none; the text may be shown to the client.
        """
        offset, dot, epoch = text.partition(".")
        if not (dot and epoch and offset.isascii() and offset.isdigit() and len(offset) < 20):
            raise ValueError("expected a position as a publication carries it, offset.epoch")
        return cls(int(offset), epoch)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is subscribed to a channel.

    Attributes:
        user: Who: the same for all connections of one person.
        info: What others may know, as JSON can hold it; that of the latest connection.
        connections: With how many connections.
    """

    user: str
    info: Any = None
    connections: int = 1


@dataclass(frozen=True, slots=True)
class Subscription:
    """How a WebSocket was subscribed to a channel.

    Attributes:
        channel: The channel's name.
        recovered: Whether it was sent all that it had missed; None if it gave no position, or the channel
            keeps no history. If False, nothing was sent of it: what the client has is out of date.
        position: Where it stands; None where the channel keeps no history.
        members: Who is present, if it asked for presence.
    """

    channel: str
    recovered: bool | None = None
    position: Position | None = None
    members: tuple[Member, ...] | None = None
