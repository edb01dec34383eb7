"""The contract of a broker: it carries publications between processes and hands them to each hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from antiphon.channels.publication import Position, Publication

Deliver = Callable[[Publication], None]


class Broker(ABC):
    """Keeps channels across processes.

    Guarantees: every hub that is subscribed to a channel is given its publications in one order, each
    once while the broker is reachable. ``deliver`` is called on the event loop that started the broker.

    Errors: whatever the library beneath raises is translated here, never passed on.
    """

    @abstractmethod
    async def start(self, deliver: Deliver) -> None:
        """Connect, and hand every publication of a subscribed channel to ``deliver`` from now on."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of everything; ``deliver`` is not called again."""

    @abstractmethod
    def publish(self, publication: Publication) -> Awaitable[Position | None]:
        """Carry a publication to every hub subscribed to its channel, this one included.

        It is taken when this returns, so the order of calls is the order of publications; awaiting the
        result waits until it is on its way.

        Returns:
            Its position, or None where the channel keeps no history.
        """

    @abstractmethod
    async def subscribe(self, channel: str) -> None:
        """Have this hub given a channel's publications; what is published after this is delivered."""

    @abstractmethod
    async def unsubscribe(self, channel: str) -> None:
        """Have this hub given a channel's publications no more."""
