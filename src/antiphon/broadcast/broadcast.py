"""The facade: one message to one or many channels, by one or many drivers, from anywhere.

Three ways to send, with the same arguments: ``publish`` is awaited, ``channel`` is for plain functions,
``later`` sends in the background. Each takes names and a message, or an event object that knows both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Sequence
from typing import Any, Self, TypeVar

from antiphon.broadcast.auth import Credentials
from antiphon.broadcast.config import MODULE, Choice, Choices, Drivers, choices, load
from antiphon.broadcast.delivery import DEFAULT_EVENT, Delivery, Failure, Names, Origin, Report, delivery
from antiphon.broadcast.drivers import Driver
from antiphon.broadcast.events import BroadcastEvent, origin_of
from antiphon.broadcast.fake import Fake, active
from antiphon.broadcast.lane import Lane
from antiphon.broadcast.pool import Changes, Pool
from antiphon.broadcast.settings import OpenChannel
from antiphon.errors import AntiphonError, BroadcastFailed, ConfigurationError, QueueFull

logger = logging.getLogger("antiphon.broadcast")

#: Seconds to wait for what is sent in the background, when nobody says how long.
PATIENCE = 5.0

_NONE: Any = object()

B = TypeVar("B", bound="Broadcast")


class Broadcast:
    """Sends messages to channels, wherever the chosen driver has them.

    HTTP and WebSocket handlers get the application's by asking for one with the annotation
    ``broadcast: Broadcast``; a script makes one. It may be used from any thread and after a fork.

    Args:
        driver: The driver, by name or class, or several; see ``antiphon.broadcast.config`` for where it
            comes from otherwise.
        drivers: The settings of each driver, by its name.
        config: The module with ``DRIVER`` and ``DRIVERS``, if there is one; None: look for none.

    Raises:
        ConfigurationError: Something of the configuration is wrong; the text names the setting.
    """

    def __init__(
        self, driver: Choices = None, drivers: Drivers | None = None, *, config: str | None = MODULE
    ) -> None:
        self._pool = Pool(load(driver, drivers, config))
        self._choices = self._pool.config.default
        self._changes: Changes = ()
        self._lanes()

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} by {' and '.join(type(each.driver).__name__ for each in self._lanes())}>"
        )

    @property
    def drivers(self) -> tuple[type[Driver], ...]:
        """The classes of the drivers that it sends by."""
        return tuple(map(self._pool.config.driver_class, self._choices))

    @staticmethod
    def fake() -> Fake:
        """Record instead of send, in a test: ``with Broadcast.fake() as sent: ...``.

        It stands in for every driver of the process; ``sent`` has the messages and assertions.
        """
        return Fake()

    @classmethod
    def of(cls, other: Broadcast) -> Self:
        """Another facade as one of this class."""
        return other if type(other) is cls else other._copy(cls)

    def driver(self, choice: Choices = None, **settings: Any) -> Self:
        """The same, by another driver; this one stays as it is.

        Args:
            choice: The driver, by name or class, or several; None: the configured one.
            **settings: Settings of it that shall be other than configured. With each set of them it is
                a driver of its own, kept until ``close``.

        Raises:
            DriverNotFound: No driver has that name.
            UnacceptableDriverType: It is neither a name nor a driver class.
            ConfigurationError: A setting of it is missing or wrong.
        """
        chosen = self._pool.config.default if choice is None else choices(choice)
        for name, value in settings.items():
            if not isinstance(value, Hashable):
                raise ConfigurationError(f"driver({name}=...) is a plain value, not {type(value).__name__}")
        return self._by(chosen, tuple(sorted(settings.items())))

    # --- Sending -------------------------------------------------------------------------------------

    def channel(
        self,
        names: Names | BroadcastEvent,
        message: Any = _NONE,
        event: str = DEFAULT_EVENT,
        *,
        exclude: Origin = None,
        rescue: bool = False,
    ) -> Any:
        """Send from a plain function, in any thread, and wait until it is sent.

        On an event loop, which it must not hold up, it sends in the background as ``later`` does. Within an
        application the driver ``local`` hands the message to it, and what goes wrong then is logged.

        Args:
            names: One channel's name, or several; or an event object, which says all of this itself.
            message: Text, bytes where the driver can, or anything JSON can hold.
            event: What it is about.
            exclude: The connection that shall not get it; as for ``BroadcastEvent.to_others``.
            rescue: Whether to log what fails instead of raising it.

        Returns:
            The message.

        Raises:
            BroadcastFailed: It did not reach some channels; it was sent to all others.
            ConfigurationError: It was sent nowhere, since the driver cannot work as it is set up.
            QueueFull: On an event loop: too much waits already.
            InvalidChannel: A driver's channels cannot have such a name.
            InvalidBroadcast: A driver cannot take the message or the event's name.
            TypeError: JSON cannot hold the message.
        """
        each = self._delivery(names, message, event, exclude)
        if each is None:
            return None
        lanes = self._checked(each, names)
        here = asyncio._get_running_loop() is None
        failures: list[Failure] = []
        for lane in lanes:
            failures += lane.send(each) if here or not lane.driver.blocking else lane.queue(each)
        self._conclude(each, failures, rescue)
        return each.message

    async def publish(
        self,
        names: Names | BroadcastEvent,
        message: Any = _NONE,
        event: str = DEFAULT_EVENT,
        *,
        exclude: Origin = None,
        rescue: bool = False,
    ) -> Report:
        """Send from a coroutine, and wait until it is sent. Arguments as of ``channel``.

        Returns:
            What was sent where; with ``rescue``, what failed.

        Raises:
            BroadcastFailed: It did not reach some channels; it was sent to all others.
            ConfigurationError: It was sent nowhere, since the driver cannot work as it is set up.
            InvalidChannel: A driver's channels cannot have such a name.
            InvalidBroadcast: A driver cannot take the message or the event's name.
            TypeError: JSON cannot hold the message.
        """
        each = self._delivery(names, message, event, exclude)
        if each is None:
            return Report(())
        lanes = self._checked(each, names)
        if len(lanes) == 1:
            return self._conclude(each, await lanes[0].publish(each), rescue)
        results = await asyncio.gather(*(lane.publish(each) for lane in lanes))
        return self._conclude(each, [failure for result in results for failure in result], rescue)

    def later(
        self,
        names: Names | BroadcastEvent,
        message: Any = _NONE,
        event: str = DEFAULT_EVENT,
        *,
        exclude: Origin = None,
    ) -> None:
        """Send in the background, in order, from anywhere. Arguments as of ``channel``.

        What fails is logged. What waits is sent before the application stops or the interpreter ends,
        as far as there is time; how much could not be sent is logged.

        Raises:
            QueueFull: Too much waits already for a driver, which does not send this.
            BroadcastFailed: Too much waits for several drivers; all others send it.
            InvalidChannel: A driver's channels cannot have such a name.
            InvalidBroadcast: A driver cannot take the message or the event's name.
            TypeError: JSON cannot hold the message.
        """
        each = self._delivery(names, message, event, exclude)
        if each is not None:
            lanes = self._checked(each, names)
            self._conclude(each, [failure for lane in lanes for failure in lane.queue(each)], rescue=False)

    # --- Life ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Get the configured driver ready, so that what it lacks shows now and not at the first message.

        Raises:
            DriverLibraryNotFound: Its package is not installed.
        """
        for lane in self._lanes():
            lane.driver.open()

    def close(self, timeout: float = PATIENCE) -> int:
        """Send what waits in the background, and let go of connections. It may be used again.

        Args:
            timeout: Seconds to wait.

        Returns:
            Messages that could not be sent in time.
        """
        return self._pool.close(timeout)

    def statistics(self) -> dict[str, dict[str, int]]:
        """For each driver in use, how many messages wait in the background, were sent there and failed."""
        numbers: dict[str, dict[str, int]] = {}
        for lane in self._pool.lanes:
            one = numbers.setdefault(lane.driver.name, {})
            for name, number in lane.statistics().items():
                one[name] = one.get(name, 0) + number
        return numbers

    def credentials(self, driver: str = "pusher") -> Credentials:
        """The key and secret of a driver, which answers to clients are signed with.

        Raises:
            ConfigurationError: One is not configured.
        """
        return Credentials.from_config(self._pool.config, driver)

    def inside(self, channels: OpenChannel) -> Self:
        """The same for an application, whose channels the local driver then publishes on.

        Args:
            channels: Opens one of its channels.
        """
        other = self._copy(type(self))
        other._pool = self._pool.inside(channels)
        other._lanes()
        return other

    # --- Within --------------------------------------------------------------------------------------

    def _by(self, chosen: tuple[Choice, ...], changes: Changes) -> Self:
        other = self._copy(type(self))
        other._choices, other._changes = chosen, changes
        other._lanes()
        return other

    def _copy(self, cls: type[B]) -> B:
        other = cls.__new__(cls)
        other._pool, other._choices, other._changes = self._pool, self._choices, self._changes
        return other

    def _lanes(self, event: BroadcastEvent | None = None) -> list[Lane]:
        fake = active()
        if fake is not None:
            return [fake.lane]
        via = None if event is None else event.broadcast_via()
        if via is not None:
            return [self._pool.lane(each) for each in choices(via)]
        return [self._pool.lane(each, self._changes) for each in self._choices]

    def _delivery(
        self, names: Names | BroadcastEvent, message: Any, event: str, exclude: Origin
    ) -> Delivery | None:
        if isinstance(names, BroadcastEvent):
            if message is not _NONE:
                raise TypeError(f"{type(names).__name__} is broadcast with what its broadcast_with returns")
            if not names.broadcast_when():
                return None
            origin = exclude if exclude is not None else origin_of(names)
            return delivery(names.broadcast_on(), names.broadcast_with(), names.broadcast_as(), origin)
        if message is _NONE:
            raise TypeError("a broadcast needs channels and a message, or an event object")
        return delivery(names, message, event, exclude)

    def _checked(self, each: Delivery, source: Names | BroadcastEvent) -> list[Lane]:
        """The lanes to send on, when all of them can take it."""
        if not each.channels:
            return []
        lanes = self._lanes(source if isinstance(source, BroadcastEvent) else None)
        for lane in lanes:
            lane.driver.check(each)
        fake = active()
        if fake is not None and isinstance(source, BroadcastEvent):
            fake.note(each, source)
        return lanes

    def _conclude(self, each: Delivery, failures: Sequence[Failure], rescue: bool) -> Report:
        if failures:
            error = _error(each, failures)
            if not rescue:
                raise error
            logger.error("%s", error)
        return Report(each.channels, tuple(failures))


def _error(each: Delivery, failures: Sequence[Failure]) -> AntiphonError:
    """What to raise: what is about one driver and no channel as what it is, everything else by channel."""
    errors = {id(failure.error): failure.error for failure in failures}
    (first, *others) = errors.values()
    if (
        isinstance(first, (ConfigurationError, QueueFull))
        and not others
        and len(failures) == len(each.channels)
    ):
        return first
    return BroadcastFailed(failures)
