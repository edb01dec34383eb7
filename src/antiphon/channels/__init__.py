"""Named streams of publications, and who receives them. Knows no sockets."""

from antiphon.channels.audience import Joined, Statistics, Subscriber
from antiphon.channels.broker import Broker, Listener
from antiphon.channels.channel import Channel, excluded_ids
from antiphon.channels.definition import (
    INTERNAL,
    RULES,
    Authorize,
    ChannelLimits,
    Definition,
    Definitions,
    History,
    Overflow,
    Presence,
    Retention,
    check,
)
from antiphon.channels.feed import Feed, FeedOverflow
from antiphon.channels.hub import RULES_KEPT, Hub
from antiphon.channels.members import (
    JOIN,
    LEAVE,
    Attendance,
    Roll,
    joined,
    left,
    presence_channel,
    shown_channel,
)
from antiphon.channels.publication import Batch, Page, Publication
from antiphon.channels.stream import Stream
from antiphon.subscription import Member, Position

__all__ = [
    "INTERNAL",
    "JOIN",
    "LEAVE",
    "RULES",
    "RULES_KEPT",
    "Attendance",
    "Authorize",
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
    "Joined",
    "Listener",
    "Member",
    "Overflow",
    "Page",
    "Position",
    "Presence",
    "Publication",
    "Retention",
    "Roll",
    "Statistics",
    "Stream",
    "Subscriber",
    "check",
    "excluded_ids",
    "joined",
    "left",
    "presence_channel",
    "shown_channel",
]
