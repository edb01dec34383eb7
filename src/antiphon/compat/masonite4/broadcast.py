"""Masonite 4's ``Broadcast``, whose arguments stand in another order, and its configuration.

``BROADCASTS`` in the module ``config.broadcast`` has the default driver's name beside the settings::

    BROADCASTS = {"default": "pusher", "pusher": {"driver": "pusher", "app_id": ..., ...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import antiphon.broadcast
from antiphon.broadcast import BroadcastEvent
from antiphon.broadcast.config import MODULE, Choices, stated_in
from antiphon.errors import ConfigurationError


class Broadcast(antiphon.broadcast.Broadcast):
    """Masonite 4's broadcasting: ``channel(channels, event, value)``.

    Args:
        broadcasts: ``BROADCASTS``; None: that of the module.
        config: The module.

    Raises:
        ConfigurationError: There is no ``BROADCASTS``, or something of it is wrong.
    """

    def __init__(self, broadcasts: Mapping[str, Any] | None = None, *, config: str = MODULE) -> None:
        if broadcasts is None:
            broadcasts = stated_in(config, "BROADCASTS").get("BROADCASTS")
        if not isinstance(broadcasts, Mapping) or not isinstance(broadcasts.get("default"), str):
            raise ConfigurationError(
                f"BROADCASTS in {config} is a dictionary with the name of a driver under 'default'"
            )
        drivers = {name: values for name, values in broadcasts.items() if name != "default"}
        super().__init__(broadcasts["default"], drivers, config=None)

    def channel(  # type: ignore[override]  # the order is Masonite 4's
        self, channels: Any, event: Any = None, value: Any = None, driver: Choices = None
    ) -> None:
        """Send an event to one channel or several.

        Args:
            channels: The channels, or an event object that knows them.
            event: The event's name, or an event object.
            value: What is sent.
            driver: Another driver, by name.
        """
        sender = self if driver is None else self.driver(driver)
        if isinstance(channels, BroadcastEvent):
            sender._send(channels)
        elif isinstance(event, BroadcastEvent):
            if event.broadcast_when():
                sender._send(channels, event.broadcast_with(), event.broadcast_as())
        else:
            sender._send(channels, value, event)

    def _send(self, *arguments: Any) -> None:
        super().channel(*arguments)
