"""Masonite 4's broadcasting: ``channel(channels, event, value)``, and events as classes."""

from antiphon.compat.masonite4.broadcast import Broadcast
from antiphon.compat.masonite4.broadcasting import CanBroadcast, Channel, PresenceChannel, PrivateChannel

__all__ = ["Broadcast", "CanBroadcast", "Channel", "PresenceChannel", "PrivateChannel"]
