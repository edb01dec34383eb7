"""Who is there: members, and the publications that tell of joins and leaves.

A member is a user, however many connections it has. Its first connection is a join, the end of its last
a leave; both are publications on a channel beside the one they tell of, so that they take no place in its
stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from antiphon.channels.definition import INTERNAL
from antiphon.channels.publication import Publication
from antiphon.codec import encode_json
from antiphon.subscription import Member

JOIN = "join"
LEAVE = "leave"

_PREFIX = f"{INTERNAL}presence:"


@dataclass(frozen=True, slots=True)
class Attendance:
    """One connection of a member that comes or goes.

    Attributes:
        channel: The channel.
        connection: The connection's id.
        user: Whose it is.
        info: What others may know of the user.
        present: Whether it comes; coming or going twice changes nothing.
    """

    channel: str
    connection: str
    user: str
    info: Any = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class Roll:
    """A part of a channel's members.

    Attributes:
        members: Some of them, in an order that stays.
        count: How many there are in all.
        cursor: What to ask for the next part with; None: there is none.
    """

    members: tuple[Member, ...]
    count: int
    cursor: str | None = None

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


def shown_channel(channel: str) -> str:
    """The channel that a publication is about: for joins and leaves not that on which they travel."""
    return channel.removeprefix(_PREFIX)


def presence_channel(channel: str) -> str:
    """The channel on which a channel's joins and leaves are published."""
    return _PREFIX + channel


def joined(channel: str, user: str, info: Any, time: float) -> Publication:
    """The publication that says that a member has come."""
    return _told(channel, JOIN, {"user": user, "info": info}, time)


def left(channel: str, user: str, info: Any, time: float) -> Publication:
    """The publication that says that a member has gone."""
    return _told(channel, LEAVE, {"user": user, "info": info}, time)


def _told(channel: str, event: str, member: dict[str, Any], time: float) -> Publication:
    payload = encode_json({event: member})
    return Publication(presence_channel(channel), payload, is_json=True, event=event, time=time)
