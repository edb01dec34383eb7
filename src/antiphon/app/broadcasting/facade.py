"""The application's own ``Broadcast``: given to handlers, ready when it starts, drained when it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from antiphon.app.binding import Provider, Providers
from antiphon.broadcast import Broadcast
from antiphon.broadcast.settings import OpenChannel
from antiphon.loop import WorkerThreads


class Broadcasting:
    """Holds the facade of an application, and provides it by type.

    It is made when it is first needed, since configuration may come from a module that imports the
    application.

    Args:
        channels: Opens a channel of the application.
        providers: Where handlers find it.
    """

    def __init__(self, channels: OpenChannel, providers: Providers) -> None:
        self._channels = channels
        self._facade: Broadcast | None = None
        providers.add(Broadcast, Provider(factory=self._current, derived=True))

    def __repr__(self) -> str:
        return f"<Broadcasting {self._facade!r}>"

    @property
    def facade(self) -> Broadcast:
        """What handlers are given.

        Raises:
            ConfigurationError: It is made now, and its configuration is wrong.
        """
        if self._facade is None:
            self.facade = Broadcast()
        assert self._facade is not None
        return self._facade

    @facade.setter
    def facade(self, facade: Broadcast) -> None:
        self._facade = facade.inside(self._channels)

    @asynccontextmanager
    async def running(self, patience: Callable[[], float]) -> AsyncIterator[None]:
        """Have it ready within the block; afterwards what waits in the background is sent.

        Args:
            patience: Asked afterwards how many seconds that may take.

        Raises:
            ConfigurationError: It cannot work as it is configured.
        """
        threads = WorkerThreads(1)
        await threads.run(self.facade.open)
        try:
            yield
        finally:
            await threads.run(self.facade.close, patience())

    async def _current(self, kind: type[Broadcast] = Broadcast) -> Broadcast:
        return kind.of(self.facade)
