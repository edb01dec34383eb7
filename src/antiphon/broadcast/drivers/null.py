"""Sends nothing, nowhere."""

from __future__ import annotations

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Driver, Failures


class NullDriver(Driver):
    """Takes every message and forgets it; for where nothing shall be broadcast."""

    needs_settings = False
    blocking = False

    def send(self, delivery: Delivery) -> Failures:
        return {}
