"""Messages to channels, wherever they are: the facade, its drivers, and events as classes."""

from antiphon.broadcast.auth import Credentials
from antiphon.broadcast.broadcast import Broadcast
from antiphon.broadcast.config import Config, load
from antiphon.broadcast.delivery import DEFAULT_EVENT, Delivery, Failure, Report, delivery
from antiphon.broadcast.events import BroadcastEvent, EncryptedChannel, PresenceChannel, PrivateChannel
from antiphon.broadcast.fake import Fake, Sent
from antiphon.broadcast.settings import Settings

__all__ = [
    "DEFAULT_EVENT",
    "Broadcast",
    "BroadcastEvent",
    "Config",
    "Credentials",
    "Delivery",
    "EncryptedChannel",
    "Failure",
    "Fake",
    "PresenceChannel",
    "PrivateChannel",
    "Report",
    "Sent",
    "Settings",
    "delivery",
    "load",
]
