"""The broker of a single process: nothing to connect to, nothing to wait for."""

from __future__ import annotations

from collections.abc import Awaitable

from antiphon.channels import Broker, Deliver, Position, Publication


class MemoryBroker(Broker):
    """Carries publications within this process."""

    def __init__(self) -> None:
        self._deliver: Deliver | None = None

    def __repr__(self) -> str:
        return "<MemoryBroker>"

    async def start(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def stop(self) -> None:
        self._deliver = None

    def publish(self, publication: Publication) -> Awaitable[Position | None]:
        if self._deliver is not None:
            self._deliver(publication)
        return _nowhere()

    async def subscribe(self, channel: str) -> None:
        """Every publication passes by here anyway."""

    async def unsubscribe(self, channel: str) -> None:
        """Every publication passes by here anyway."""


async def _nowhere() -> None:
    """The position in a channel without history."""
