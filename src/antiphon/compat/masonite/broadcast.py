"""Masonite's ``Broadcast`` (1.4 to 3.0): what is handed to controllers, and its drivers by name."""

from __future__ import annotations

from typing import Any, Self

import antiphon.broadcast
from antiphon.broadcast.config import Choices
from antiphon.broadcast.drivers import PusherDriver

DEFAULT_EVENT = antiphon.broadcast.DEFAULT_EVENT


class Broadcast(antiphon.broadcast.Broadcast):
    """Masonite's broadcasting: text to Pusher is wrapped, and ``ssl`` chooses plain HTTP."""

    def __repr__(self) -> str:
        return f"<{' and '.join(_name(type(lane.driver)) for lane in self._lanes())}>"

    def driver(self, choice: Choices = None, **settings: Any) -> Self:
        """The same, by another driver, named in any case, or ``"default"``."""
        return super().driver(None if choice == "default" else choice, **settings)

    def channel(  # type: ignore[override]  # the first argument has Masonite's name
        self, channels: Any, message: Any = None, event: str = DEFAULT_EVENT, **options: Any
    ) -> Any:
        """Send a message to one channel or several.

        Returns:
            The message as it was sent: text to Pusher as ``{"message": text}``.
        """
        if isinstance(message, str) and any(issubclass(each, PusherDriver) for each in self.drivers):
            message = {"message": message}
        return super().channel(channels, message, event, **options)

    def ssl(self, boolean: bool) -> Self:
        """The same, with or without TLS to Pusher; for whoever holds it, not for everybody."""
        if not any(issubclass(each, PusherDriver) for each in self.drivers):
            return self
        return self._by(self._choices, (("ssl", boolean),))


def _name(driver: type) -> str:
    name = driver.__name__
    return name if name.startswith("Broadcast") else f"Broadcast{name}"
