"""The contract of a broker: it carries publications between processes, and remembers.

Each process has a hub, each hub a broker; the brokers of all processes stand on one server, or, in memory,
on nothing. A broker knows nothing of subscribers: it tells its listener, the hub.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import ClassVar, Protocol

from antiphon.channels.definition import Retention
from antiphon.channels.members import Attendance, Roll
from antiphon.channels.publication import Page, Publication
from antiphon.subscription import Position


class Listener(Protocol):
    """Whom a broker tells, on the event loop that started it; none of this raises or waits."""

    def received(self, publication: Publication) -> None:
        """Take a publication of a subscribed channel."""

    def interrupted(self, error: Exception) -> None:
        """The server cannot be reached; from now on publications may be missed."""

    def restored(self) -> None:
        """It can be reached again and subscriptions hold; what was missed has to be looked for, and
        who is present has to be said again."""


class Broker(ABC):
    """Keeps channels across processes.

    Guarantees: every hub that is subscribed to a channel is given its publications in one order, the same
    for all hubs, each at most once. A publication may be missing: a hub finds out by ``previous``, or by
    looking at ``history`` from time to time, and reads there what it missed. Offsets grow strictly within
    an epoch; a stream that is not the continuation of what it was has a new epoch.

    Where the server cannot be reached, the broker tries again by itself, with growing pauses, until it is
    stopped; meanwhile what asks it raises ``BrokerUnavailable``.

    Errors: whatever the library beneath raises is translated here, never passed on.

    Attributes:
        spans_processes: Whether other processes can be reached.
    """

    spans_processes: ClassVar[bool] = True

    @abstractmethod
    async def start(self, listener: Listener) -> None:
        """Connect, within a bounded number of attempts, and tell the listener from now on.

        Raises:
            BrokerUnavailable: The server cannot be reached; the text says where and why.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Let go of everything; the listener is told nothing more. May be started again.

        Members that are present here stay as long as a lease, so that a restart is no leave and join.
        """

    @abstractmethod
    def publish(self, publication: Publication, retention: Retention) -> Awaitable[Position | None]:
        """Carry a publication to every hub subscribed to its channel, this one included.

        It is taken when this returns, so the order of calls is the order of publications; awaiting the
        result waits until it is on its way and kept. An id that was published on this channel within the
        idempotency window publishes nothing and returns the first one's position.

        Returns:
            Its position, or None where the channel keeps no history.

        Raises:
            BrokerUnavailable: When awaited: it may or may not have been published.
        """

    @abstractmethod
    def subscribe(self, channel: str) -> Awaitable[None]:
        """Have the listener given a channel's publications.

        It is asked for when this returns; awaiting the result waits until it holds: what is published after
        that is delivered, by whomever.
        """

    @abstractmethod
    async def unsubscribe(self, channel: str) -> None:
        """Have the listener given a channel's publications no more."""

    @abstractmethod
    async def history(
        self, channel: str, retention: Retention, since: Position | None = None, limit: int | None = None
    ) -> Page:
        """Read what a channel remembers, and where it stands.

        Args:
            channel: The channel.
            retention: What it keeps; its ``history`` is not None.
            since: Read what came after this position: all of it or nothing (see ``Page.complete``). None:
                read the newest.
            limit: Publications at most: the oldest of those since a position, otherwise the newest. 0: only
                where the channel stands. None: all.
        """

    @abstractmethod
    async def attend(self, changes: Sequence[Attendance]) -> None:
        """Note who comes and goes, in order.

        A user's first connection publishes ``joined``, the end of the last one ``left`` (see ``members``), in
        every hub subscribed to ``presence_channel``. What a process noted holds as long as its lease, which
        the broker renews while it runs; when a lease has run out, what it held goes, and leaves are told.
        """

    @abstractmethod
    async def members(self, channel: str, limit: int, cursor: str | None = None) -> Roll:
        """Read who is present: ``limit`` members from a cursor on, and the count of all; cheap in a channel
        of a hundred thousand."""
