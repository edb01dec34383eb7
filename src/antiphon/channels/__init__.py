"""Named streams of publications, and who receives them. Knows no sockets."""

from antiphon.channels.broker import Broker, Deliver
from antiphon.channels.channel import Channel, excluded_ids
from antiphon.channels.feed import Feed, FeedOverflow
from antiphon.channels.hub import Hub, Subscriber
from antiphon.channels.names import INTERNAL, check
from antiphon.channels.publication import Batch, Position, Publication

__all__ = [
    "INTERNAL",
    "Batch",
    "Broker",
    "Channel",
    "Deliver",
    "Feed",
    "FeedOverflow",
    "Hub",
    "Position",
    "Publication",
    "Subscriber",
    "check",
    "excluded_ids",
]
