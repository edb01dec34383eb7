"""A listener that keeps what it is told, and can be waited for."""

import asyncio
from collections.abc import Callable

from antiphon.channels import Publication

#: Seconds after which what was waited for has not come.
PATIENCE = 20.0


class Ear:
    """What a hub would be told."""

    def __init__(self) -> None:
        self.publications: list[Publication] = []
        self.interruptions: list[Exception] = []
        self.restorations = 0
        self._told = asyncio.Event()

    def received(self, publication: Publication) -> None:
        self.publications.append(publication)
        self._told.set()

    def interrupted(self, error: Exception) -> None:
        self.interruptions.append(error)
        self._told.set()

    def restored(self) -> None:
        self.restorations += 1
        self._told.set()

    def data(self, channel: str | None = None) -> list[object]:
        """What was heard, in order; on one channel or on all."""
        return [each.data for each in self.publications if channel in (None, each.channel)]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def hears(self, number: int) -> list[object]:
        """Wait for so many publications; return the data of all."""
        await self.until(lambda: len(self.publications) >= number)
        return self.data()
