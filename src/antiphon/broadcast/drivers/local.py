"""The channels of this project: those of the application around, or through its broker from elsewhere."""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol

from antiphon import brokers
from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Driver, Failures
from antiphon.broadcast.settings import OpenChannel, Settings
from antiphon.channels import check
from antiphon.errors import ConfigurationError


class Publisher(Protocol):
    """What publishes on channels."""

    async def publish(self, channel: str, data: Any, *, event: str | None, exclude: str | None) -> object:
        """Publish, and wait until the broker has it."""

    def publish_sync(self, channel: str, data: Any, *, event: str | None, exclude: str | None) -> object:
        """Publish from a plain function."""

    def close(self) -> None:
        """Let go of what is held open."""


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
        self._lock = threading.Lock()
        self.blocking = settings.channels is None

    def open(self) -> None:
        self._ready()

    def close(self) -> None:
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def check(self, delivery: Delivery) -> None:
        for channel in delivery.channels:
            check(channel)

    def send(self, delivery: Delivery) -> Failures:
        publish = self._ready().publish_sync
        failures: dict[str, Exception] = {}
        for channel in delivery.channels:
            try:
                publish(channel, delivery.message, event=delivery.event, exclude=delivery.exclude)
            except Exception as error:
                failures[channel] = error
        return failures

    async def publish(self, delivery: Delivery) -> Failures:
        publish = self._ready().publish
        failures: dict[str, Exception] = {}
        for channel in delivery.channels:
            try:
                await publish(channel, delivery.message, event=delivery.event, exclude=delivery.exclude)
            except Exception as error:
                failures[channel] = error
        return failures

    def _ready(self) -> Publisher:
        with self._lock:
            if self._publisher is None:
                inside = self._channels
                self._publisher = _outside(self._broker) if inside is None else _Application(inside)
            return self._publisher


class _Application:
    """Publishes on the channels of the application around."""

    def __init__(self, channels: OpenChannel) -> None:
        self._channels = channels

    async def publish(self, channel: str, data: Any, *, event: str | None, exclude: str | None) -> object:
        return await self._channels(channel).publish(data, event=event, exclude=exclude)

    def publish_sync(self, channel: str, data: Any, *, event: str | None, exclude: str | None) -> None:
        self._channels(channel).publish_nowait(data, event=event, exclude=exclude)

    def close(self) -> None:
        """The application's channels end with the application."""


def _outside(broker: str | None) -> Publisher:
    """What publishes on a broker from a program that is not the application.

    Raises:
        ConfigurationError: There is no such broker.
        MissingExtra: Its package is not installed.
    """
    if not broker or broker.startswith("memory:"):
        raise ConfigurationError(
            "the local driver has no application here to publish to. Inside an application take its own, "
            "app.broadcast. From another program the channels are reached through a broker that both use: "
            "set ANTIPHON_BROKER, or DRIVERS['local']['broker']"
        )
    return brokers.Publisher(broker)
