"""The contract of a driver: where ``Broadcast`` sends.

``send`` is all that a driver must have; it may block, and is never called on an event loop. What can be
refused without asking anybody is refused by ``check``, so that the error meets whoever broadcasts, also
when sending happens later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.settings import Settings

#: Channels that a delivery did not reach, each with the reason.
Failures = Mapping[str, Exception]


class Driver(ABC):
    """Sends deliveries to a service, or wherever it will.

    An instance is used from several threads at the same time, and lives until ``close``; what it holds
    open (a connection, a session) it may keep for the next delivery. It is made anew in a child process
    after a fork.

    Args:
        settings: What ``DRIVERS`` has under its key.

    Attributes:
        name: That key.
        needs_settings: Whether it must have a key in ``DRIVERS``.
        blocking: Whether ``send`` may wait for anything. One that never does is called where the user
            calls, also on an event loop.

    Making one raises:
        ConfigurationError: A setting is missing or wrong. The service's package is not needed yet.
    """

    needs_settings: ClassVar[bool] = True
    blocking: bool = True

    def __init__(self, settings: Settings) -> None:
        self.name = settings.name
        self.threads = settings.threads

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def open(self) -> None:  # noqa: B027 - most drivers have nothing to do
        """Get ready: import the service's package, make its client. Called before anything is sent.

        Raises:
            DriverLibraryNotFound: The package is not installed.
        """

    def check(self, delivery: Delivery) -> None:  # noqa: B027 - likewise
        """Refuse what cannot be sent whoever is asked.

        Raises:
            InvalidChannel: A channel cannot have that name.
            InvalidBroadcast: The event's name, or the message, is too long or of the wrong kind.
        """

    @abstractmethod
    def send(self, delivery: Delivery) -> Failures:
        """Send to all channels of a delivery, in this thread, and wait until they are taken.

        A channel that fails keeps no other from its message.

        Returns:
            The channels that failed; empty when none did.

        Raises:
            Exception: All channels failed, for this reason.
        """

    def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Failures | Exception]:
        """Send several deliveries, in order; for services that take them in fewer requests.

        Returns:
            For each delivery what ``send`` returns, or would raise.
        """
        return [self.attempt(each) for each in deliveries]

    async def publish(self, delivery: Delivery) -> Failures:
        """Send as ``send`` does, without blocking the event loop.

        Cancelled, it no longer waits; the message may arrive all the same.
        """
        return await self.threads.run(self.send, delivery)

    def close(self) -> None:  # noqa: B027 - likewise
        """Let go of what is held open. It may be used again, and then opens anew."""

    def attempt(self, delivery: Delivery) -> Failures | Exception:
        """What ``send`` returns or raises."""
        try:
            return self.send(delivery)
        except Exception as error:
            return error
