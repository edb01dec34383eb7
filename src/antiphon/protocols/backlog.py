"""What waits for one connection when its channels would rather drop than disconnect it.

While the peer keeps up, publications go straight into the outbox, as everywhere. When the outbox is above
its high-water mark, those of channels that may drop wait here, by the policy of their channel, and follow
when the peer has read on. Bounded in bytes, for all such channels of the connection together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from antiphon.channels import Batch, Overflow, Publication
from antiphon.connection import Connection
from antiphon.protocols.raw import Form, RawSubscriber, with_notice

#: What a publication costs besides its payload, in bytes.
OVERHEAD = 200


@dataclass(slots=True)
class _Waiting:
    owner: DroppingSubscriber
    publication: Publication
    size: int


class Backlog:
    """The publications that wait for one connection, oldest first.

    Args:
        connection: Whom they wait for.
        limit: Bytes that may wait.
        dropped: Told how many were dropped of which channel, when the peer is told.
    """

    def __init__(self, connection: Connection, limit: int, dropped: Callable[[str, int], None]) -> None:
        self._connection = connection
        self._limit = limit
        self._dropped = dropped
        self._size = 0
        self._next = 0
        self._waiting: dict[int, _Waiting] = {}
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Backlog {len(self._waiting)} publications, {self._size} of {self._limit} bytes>"

    @property
    def holds(self) -> bool:
        """Whether what comes has to wait here."""
        return self._task is not None

    def hold(self) -> None:
        """Have what comes wait here until the peer has read on."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._follow())

    def put(self, owner: DroppingSubscriber, publication: Publication) -> None:
        """Take a publication, or drop some, as its channel's policy says."""
        size = len(publication.payload) + OVERHEAD
        own = owner.own
        about = (publication.event, publication.key)
        if owner.policy is Overflow.LATEST and about in own:
            self._drop(owner, about)
        while self._size + size > self._limit:
            if owner.policy is Overflow.DROP_NEWEST or not own:
                owner.dropped += 1
                return
            self._drop(owner, next(iter(own)))
        self._next += 1
        place = about if owner.policy is Overflow.LATEST else self._next
        own[place] = self._next
        self._waiting[self._next] = _Waiting(owner, publication, size)
        self._size += size

    def forget(self, owner: DroppingSubscriber) -> None:
        """Let go of what waits for a subscription that has ended."""
        for place in list(owner.own):
            self._drop(owner, place)

    def close(self) -> None:
        """Let go of everything: the connection is over."""
        if self._task is not None:
            self._task.cancel()
        self._waiting.clear()
        self._size = 0

    def _drop(self, owner: DroppingSubscriber, place: object) -> None:
        self._size -= self._waiting.pop(owner.own.pop(place)).size
        owner.dropped += 1

    async def _follow(self) -> None:
        connection = self._connection
        try:
            while True:
                await connection.drained()
                if connection.closed or not self._waiting:
                    return
                while self._waiting and self._send_oldest():
                    pass
        finally:
            self._task = None

    def _send_oldest(self) -> bool:
        number = next(iter(self._waiting))
        waiting = self._waiting.pop(number)
        self._size -= waiting.size
        own = waiting.owner.own
        # The oldest of all is the oldest of its own.
        del own[next(iter(own))]
        return waiting.owner.send(waiting.publication)

    def tell(self, channel: str, dropped: int) -> None:
        """Note that the peer is told of what was dropped."""
        self._dropped(channel, dropped)


class DroppingSubscriber(RawSubscriber):
    """One connection's subscription to a channel that drops what a slow reader has no room for.

    Args:
        connection: Who receives it.
        form: What publications look like.
        policy: What is dropped.
        backlog: Where the connection's publications wait.

    Attributes:
        policy: Likewise.
        own: Its part of the backlog: the numbers of what waits, by event and key or by themselves.
        dropped: How many were dropped that the peer has not been told of.
    """

    __slots__ = ("_backlog", "dropped", "own", "policy")

    def __init__(self, connection: Connection, form: Form, policy: Overflow, backlog: Backlog) -> None:
        super().__init__(connection, form)
        self.policy = policy
        self.own: dict[object, int] = {}
        self.dropped = 0
        self._backlog = backlog

    def deliver(self, batch: Batch) -> None:
        """Send the batch, or have it wait behind what waits already."""
        connection, backlog = self._connection, self._backlog
        if batch.excluded and connection.id in batch.excluded:
            batch = batch.without(connection.id)
        if backlog.holds:
            for publication in batch.publications:
                backlog.put(self, publication)
        elif not connection.deliver(batch.form(self._form), batch.alone):
            backlog.hold()

    def send(self, publication: Publication) -> bool:
        """Send what has waited; False when the peer lags again."""
        if not self.dropped:
            return self._connection.deliver(self._form((publication,)))
        dropped, self.dropped = self.dropped, 0
        self._backlog.tell(publication.channel, dropped)
        return self._connection.deliver(with_notice(publication, self._form, dropped))
