"""What waits for one connection when its channels would rather drop than disconnect it.

While the peer keeps up, publications go straight into the outbox, as everywhere. When the outbox is above
its high-water mark, those of channels that may drop wait here, by the policy of their channel, and follow
when the peer has read on. Bounded in bytes, for all such channels of the connection together.

What is dropped is counted at once, and told to the peer with the publication that comes next: for
``DROP_NEWEST`` that after the gap, for the others the oldest that still waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from antiphon.channels import Batch, Overflow, Publication, Statistics
from antiphon.connection import Connection, OutboxFull, Prepared
from antiphon.protocols.raw import Form, RawSubscriber, with_notice

#: What a publication costs besides its payload, in bytes.
OVERHEAD = 200


@dataclass(slots=True)
class _Waiting:
    owner: DroppingSubscriber
    publication: Publication
    size: int
    dropped: int


class Backlog:
    """The publications that wait for one connection, oldest first.

    Args:
        connection: Whom they wait for.
        limit: Bytes that may wait.
        statistics: Counts what is dropped.
        told: Told how many were dropped of which channel, when the peer is told, or never will be.
    """

    def __init__(
        self, connection: Connection, limit: int, statistics: Statistics, told: Callable[[str, int], None]
    ) -> None:
        self._connection = connection
        self._limit = limit
        self._statistics = statistics
        self._told = told
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

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def hold(self) -> None:
        """Have what comes wait here until the peer has read on."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._follow())

    def put(self, owner: DroppingSubscriber, publication: Publication) -> None:
        """Take a publication, or drop some, as its channel's policy says."""
        size = _bytes_of(publication.payload) + OVERHEAD
        about = (publication.event, publication.key)
        if owner.policy is Overflow.LATEST and about in owner.own:
            self._drop(owner, about)
        if not self._make_room(owner, size):
            self._count(owner)
            return
        self._next += 1
        owner.own[about if owner.policy is Overflow.LATEST else self._next] = self._next
        waiting = self._waiting[self._next] = _Waiting(owner, publication, size, 0)
        self._size += size
        if owner.policy is Overflow.DROP_NEWEST:
            waiting.dropped, owner.dropped = owner.dropped, 0

    def tell(self, owner: DroppingSubscriber) -> None:
        """Note that the peer is told of all that was dropped."""
        dropped, owner.dropped = owner.dropped, 0
        self._told(owner.channel, dropped)

    def forget(self, owner: DroppingSubscriber) -> None:
        """Let go of what waits for a subscription that has ended."""
        dropped, owner.dropped = owner.dropped, 0
        for number in owner.own.values():
            waiting = self._waiting.pop(number)
            self._size -= waiting.size
            dropped += waiting.dropped
        owner.own.clear()
        if dropped:
            self._told(owner.channel, dropped)

    def close(self) -> None:
        """Wait for the peer no more: the connection is over."""
        if self._task is not None:
            self._task.cancel()

    def _make_room(self, owner: DroppingSubscriber, size: int) -> bool:
        if size > self._limit:
            return False
        while self._size + size > self._limit:
            if owner.policy is Overflow.DROP_NEWEST or not owner.own:
                return False
            self._drop(owner, next(iter(owner.own)))
        return True

    def _drop(self, owner: DroppingSubscriber, place: object) -> None:
        self._size -= self._waiting.pop(owner.own.pop(place)).size
        self._count(owner)

    def _count(self, owner: DroppingSubscriber) -> None:
        owner.dropped += 1
        self._statistics.dropped += 1

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
        number, waiting = next(iter(self._waiting.items()))
        owner = waiting.owner
        dropped = waiting.dropped
        if owner.policy is not Overflow.DROP_NEWEST:
            dropped += owner.dropped
        try:
            goes_on = self._connection.offer(owner.prepare(waiting.publication, dropped))
        except OutboxFull:
            return False
        del self._waiting[number]
        self._size -= waiting.size
        # The oldest of all is the oldest of its own.
        del owner.own[next(iter(owner.own))]
        if dropped:
            owner.dropped -= dropped - waiting.dropped
            self._told(owner.channel, dropped)
        return goes_on


class DroppingSubscriber(RawSubscriber):
    """One connection's subscription to a channel that drops what a slow reader has no room for.

    Args:
        connection: Who receives it.
        form: What publications look like.
        channel: The channel.
        policy: What is dropped.
        backlog: Where the connection's publications wait.

    Attributes:
        channel: Likewise.
        policy: Likewise.
        own: Its part of the backlog: the numbers of what waits, by event and key or by themselves.
        dropped: How many were dropped since what waits last; the next that waits tells of them.
    """

    __slots__ = ("_backlog", "channel", "dropped", "own", "policy")

    def __init__(
        self, connection: Connection, form: Form, channel: str, policy: Overflow, backlog: Backlog
    ) -> None:
        super().__init__(connection, form)
        self.channel = channel
        self.policy = policy
        self.own: dict[object, int] = {}
        self.dropped = 0
        self._backlog = backlog

    def deliver(self, batch: Batch) -> None:
        """Send the batch, or have it wait behind what waits already."""
        connection, backlog = self._connection, self._backlog
        if connection.closed:
            return
        if batch.excluded and connection.id in batch.excluded:
            batch = batch.without(connection.id)
            if not batch.publications:
                return
        if not backlog.holds:
            try:
                if not connection.offer(self._ready(batch), batch.alone):
                    backlog.hold()
                if self.dropped:
                    backlog.tell(self)
                return
            except OutboxFull:
                backlog.hold()
        for publication in batch.publications:
            backlog.put(self, publication)

    def prepare(self, publication: Publication, dropped: int) -> Prepared:
        """A publication in this subscription's form, and that so many before it were dropped."""
        if dropped:
            return with_notice(publication, self._form, dropped)
        return self._form((publication,))

    def _ready(self, batch: Batch) -> Prepared:
        if not self.dropped:
            return batch.form(self._form)
        first, *rest = batch.publications
        messages = self.prepare(first, self.dropped).messages
        return Prepared((*messages, *self._form(rest).messages))


def _bytes_of(payload: str | bytes) -> int:
    # Encoding text to measure it is for text that has more bytes than characters.
    return len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())
