"""Masonite's driver classes, by the names that ``masonite.drivers`` has them under."""

from __future__ import annotations

from antiphon.broadcast.drivers import AblyDriver, PusherDriver


class BroadcastPusherDriver(PusherDriver):
    """Sends to Pusher, with the settings that ``DRIVERS`` has for ``pusher``."""


class BroadcastAblyDriver(AblyDriver):
    """Sends to Ably, with the settings that ``DRIVERS`` has for ``ably``."""
