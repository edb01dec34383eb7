"""What ``masonite.broadcasting`` has: events, and the three kinds of channel."""

from __future__ import annotations

import antiphon.broadcast


class CanBroadcast(antiphon.broadcast.BroadcastEvent):
    """An event; ``broadcast_with`` is its attributes, ``broadcast_as`` its class's name."""


class Channel(str):
    """A public channel."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name."""
        return str(self)


class PrivateChannel(antiphon.broadcast.PrivateChannel):
    """A private channel; its name gets ``private-`` before it."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name, with the prefix."""
        return str(self)


class PresenceChannel(antiphon.broadcast.PresenceChannel):
    """A presence channel; its name gets ``presence-`` before it."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name, with the prefix."""
        return str(self)
