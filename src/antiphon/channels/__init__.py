"""Named streams of publications, and who receives them. Knows no sockets."""

from antiphon.channels.broker import Broker, Listener
from antiphon.channels.channel import Channel, excluded_ids
from antiphon.channels.definition import (
    ChannelLimits,
    Definition,
    Definitions,
    History,
    Overflow,
    Presence,
    Retention,
)
from antiphon.channels.feed import Feed, FeedOverflow
from antiphon.channels.hub import Hub, Subscriber
from antiphon.channels.members import (
    JOIN,
    LEAVE,
    Attendance,
    Member,
    Roll,
    joined,
    left,
    presence_channel,
)
from antiphon.channels.names import INTERNAL, check
from antiphon.channels.publication import Batch, Page, Position, Publication

__all__ = [
    "INTERNAL",
    "JOIN",
    "LEAVE",
    "Attendance",
    "Batch",
    "Broker",
    "Channel",
    "ChannelLimits",
    "Definition",
    "Definitions",
    "Feed",
    "FeedOverflow",
    "History",
    "Hub",
    "Listener",
    "Member",
    "Overflow",
    "Page",
    "Position",
    "Presence",
    "Publication",
    "Retention",
    "Roll",
    "Subscriber",
    "check",
    "excluded_ids",
    "joined",
    "left",
    "presence_channel",
]
