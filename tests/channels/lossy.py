"""Memory brokers that share what they remember, as processes share a server, over a bus that can be told to
lose, delay and repeat."""

import asyncio
from collections import deque
from secrets import token_hex

from antiphon.brokers import MemoryBroker
from antiphon.channels import INTERNAL, Listener, Page, Position, Publication, Retention


class Everything(set[str]):
    """What the server carries: all channels."""

    def __contains__(self, channel: object) -> bool:
        return True


class LossyServer:
    """What the brokers of several processes have in common.

    Attributes:
        brokers: The brokers.
    """

    def __init__(self, number: int) -> None:
        self.brokers = [LossyBroker(self) for _ in range(number)]
        first = self.brokers[0]
        for broker in self.brokers[1:]:
            broker._streams, broker._ids = first._streams, first._ids
        self.forget()

    def forget(self) -> None:
        """Lose all histories, as a server does that is restarted without its data."""
        self.brokers[0]._streams.clear()
        self.brokers[0]._ids.clear()
        epoch = token_hex(4)
        for broker in self.brokers:
            broker._epoch = epoch

    def carry(self, publication: Publication) -> None:
        """Put a publication on the way to everybody who may want it."""
        for broker in self.brokers:
            if not publication.channel.startswith(INTERNAL):
                broker.under_way.append(publication)

    def interrupted(self, error: Exception) -> None: ...

    def restored(self) -> None: ...

    received = carry


class LossyBroker(MemoryBroker):
    """One process's broker.

    Attributes:
        under_way: Publications that the bus has not brought yet.
        answers: Open when answers of the history arrive; otherwise they are under way, and grow old.
    """

    spans_processes = True

    def __init__(self, server: LossyServer) -> None:
        super().__init__()
        self.under_way: deque[Publication] = deque()
        self.answers = asyncio.Event()
        self.answers.set()
        self.hub: Listener | None = None
        self._server = server
        self._wanted: set[str] = set()
        self._subscribed = Everything()

    async def start(self, listener: Listener) -> None:
        self.hub = listener
        await super().start(self._server)

    async def subscribe(self, channel: str) -> None:
        self._wanted.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._wanted.discard(channel)

    async def history(
        self, channel: str, retention: Retention, since: Position | None = None, limit: int | None = None
    ) -> Page:
        page = await super().history(channel, retention, since, limit)
        await self.answers.wait()
        return page

    def bring(self, *, repeat: bool = False) -> None:
        """Have the bus bring what comes next; it may come once more."""
        if self.under_way:
            publication = self.under_way[0] if repeat else self.under_way.popleft()
            if publication.channel in self._wanted and self.hub is not None:
                self.hub.received(publication)

    def lose(self) -> None:
        """Have the bus lose what comes next."""
        if self.under_way:
            self.under_way.popleft()

    def bring_all(self) -> None:
        """Have the bus bring all that is under way."""
        while self.under_way:
            self.bring()
