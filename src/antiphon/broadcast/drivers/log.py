"""Writes what would be sent into the log, for development."""

from __future__ import annotations

import logging

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Driver, Failures
from antiphon.broadcast.settings import Settings

logger = logging.getLogger("antiphon.broadcast")

#: Characters of a message that are shown.
SHOWN = 500


class LogDriver(Driver):
    """Logs each message, with the level INFO, and sends it nowhere.

    Settings: ``level``: another level, as ``"DEBUG"``.
    """

    needs_settings = False
    blocking = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        settings.only("level")
        level = (settings.text("level") or "INFO").upper()
        self._level = logging.getLevelNamesMapping().get(level, -1)
        if self._level < 0:
            raise settings.error("level", "is a level of Python's logging, such as 'INFO'")

    def send(self, delivery: Delivery) -> Failures:
        payload = delivery.payload
        # Escaped, so that no message forges a line of the log.
        shown = repr(payload) if len(payload) <= SHOWN else f"{payload[:SHOWN]!r}… ({len(payload)} in all)"
        logger.log(self._level, "%r on %s: %s", delivery.event, list(delivery.channels), shown)
        return {}
