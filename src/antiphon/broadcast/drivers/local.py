"""The channels of this project: those of the application around, or through its broker from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Driver, Failures
from antiphon.broadcast.settings import Settings
from antiphon.channels import check
from antiphon.errors import ConfigurationError


class Publisher(Protocol):
    """What publishes on a broker from outside of an application."""

    def publish_sync(self, channel: str, data: Any, *, event: str | None = None) -> object:
        """Publish, and wait until the broker has it."""

    async def publish(self, channel: str, data: Any, *, event: str | None = None) -> object:
        """Likewise."""


class LocalDriver(Driver):
    """Publishes on the channels of an Antiphon application.

    In the application it does so directly. A program of its own (a script, a Celery task) reaches the
    application through the broker that both use.

    Settings: ``broker``: the broker's URL; without it the environment's ``ANTIPHON_BROKER``.
    """

    needs_settings = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        settings.only("broker")
        self._channels = settings.channels
        self._broker = settings.text("broker") or os.environ.get("ANTIPHON_BROKER")
        self._publisher: Publisher | None = None
        self.blocking = settings.channels is None

    def open(self) -> None:
        if self._channels is None and self._publisher is None:
            self._publisher = _outside(self._broker)

    def close(self) -> None:
        self._publisher = None

    def check(self, delivery: Delivery) -> None:
        for channel in delivery.channels:
            check(channel)

    def send(self, delivery: Delivery) -> Failures:
        self.open()
        failures: dict[str, Exception] = {}
        for channel in delivery.channels:
            try:
                if self._channels is not None:
                    self._channels(channel).publish_nowait(
                        delivery.message, event=delivery.event, exclude=delivery.exclude
                    )
                else:
                    assert self._publisher is not None
                    self._publisher.publish_sync(channel, delivery.message, event=delivery.event)
            except Exception as error:
                failures[channel] = error
        return failures

    async def publish(self, delivery: Delivery) -> Failures:
        self.open()
        failures: dict[str, Exception] = {}
        for channel in delivery.channels:
            try:
                await self._publish(channel, delivery)
            except Exception as error:
                failures[channel] = error
        return failures

    def _publish(self, channel: str, delivery: Delivery) -> Awaitable[object]:
        if self._channels is not None:
            publish: Callable[..., Awaitable[object]] = self._channels(channel).publish
            return publish(delivery.message, event=delivery.event, exclude=delivery.exclude)
        assert self._publisher is not None
        return self._publisher.publish(channel, delivery.message, event=delivery.event)


def _outside(broker: str | None) -> Publisher:
    """What publishes on a broker from a program that is not the application.

    Raises:
        ConfigurationError: There is no such broker.
    """
    if not broker or broker.startswith("memory"):
        raise ConfigurationError(
            "the local driver has no application here to publish to. Inside an application take its own, "
            "app.broadcast. From another program the channels are reached through a broker that both use: "
            "set ANTIPHON_BROKER, or DRIVERS['local']['broker']"
        )
    raise ConfigurationError(
        "the local driver cannot reach an application from another program in this release, whatever the "
        "broker: broadcast in the application itself, with app.broadcast, or choose another driver"
    )
