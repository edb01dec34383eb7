"""The broker of a single process: nothing to connect to, nothing to wait for.

History and presence are kept in this process and go with it. A channel that nobody receives, with nothing
left to remember, is forgotten after a while; what it becomes later has a new epoch. One on which nothing was
ever published is not kept at all: until then all stand at offset 0 of the same epoch.
"""

from __future__ import annotations

import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import Any

from msgspec.structs import replace

from antiphon.channels import (
    Attendance,
    Broker,
    History,
    Listener,
    Member,
    Page,
    Position,
    Publication,
    Retention,
    Roll,
    joined,
    left,
)

#: Seconds after which a stream without subscribers and publications is forgotten.
FORGET = 3600.0

#: Seconds between two looks for what is to be forgotten.
SWEEP = 60.0

#: Ids of publications that are remembered, at most; the oldest go first.
IDS = 100_000


class MemoryBroker(Broker):
    """Carries publications within this process.

    Args:
        clock: Seconds that only grow.
    """

    spans_processes = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._listener: Listener | None = None
        self._subscribed: set[str] = set()
        self._streams: dict[str, _Stream] = {}
        self._epoch = token_hex(4)
        self._sweep = 0.0
        self._ids: dict[tuple[str, str], tuple[Position | None, float]] = {}
        self._present: dict[str, _Present] = {}

    def __repr__(self) -> str:
        return f"<MemoryBroker {len(self._streams)} streams>"

    async def start(self, listener: Listener) -> None:
        self._listener = listener

    async def stop(self) -> None:
        self._listener = None
        self._subscribed.clear()
        self._present.clear()

    def publish(self, publication: Publication, retention: Retention) -> Awaitable[Position | None]:
        listener = self._listener
        if listener is None:
            return _at(None)
        if publication.id is not None or retention.history is not None:
            return _at(self._publish(publication, retention, listener))
        if publication.channel in self._subscribed:
            listener.received(publication)
        return _at(None)

    def subscribe(self, channel: str) -> Awaitable[None]:
        self._subscribed.add(channel)
        return _done()

    async def unsubscribe(self, channel: str) -> None:
        self._subscribed.discard(channel)
        stream = self._streams.get(channel)
        if stream is None:
            return
        if stream.is_new:
            # It may begin anew. Whoever subscribes to one name after the other shall leave nothing behind.
            del self._streams[channel]
        else:
            stream.used = self._clock()

    async def history(
        self, channel: str, retention: Retention, since: Position | None = None, limit: int | None = None
    ) -> Page:
        assert retention.history is not None
        return self._stream(channel).page(retention.history, self._clock(), since, limit)

    async def attend(self, changes: Sequence[Attendance]) -> None:
        for change in changes:
            present = self._present.setdefault(change.channel, _Present())
            told = present.enter(change) if change.present else present.leave(change)
            if not present.members:
                del self._present[change.channel]
            if told is not None and told.channel in self._subscribed and self._listener is not None:
                self._listener.received(told)

    async def members(self, channel: str, limit: int, cursor: str | None = None) -> Roll:
        present = self._present.get(channel)
        return Roll((), 0) if present is None else present.roll(limit, cursor)

    def _publish(self, publication: Publication, retention: Retention, listener: Listener) -> Position | None:
        name = None if publication.id is None else (publication.channel, publication.id)
        if name is not None:
            now = self._clock()
            self._forget_ids(now)
            # Windows differ, so one that has run out may stand behind one that has not.
            position, until = self._ids.pop(name, (None, now))
            if until > now:
                self._ids[name] = (position, until)
                return position
        if retention.history is not None:
            publication = self._stream(publication.channel, keep=True).append(publication, retention.history)
        if name is not None:
            self._ids[name] = (publication.position, self._clock() + retention.idempotency)
        if publication.channel in self._subscribed:
            listener.received(publication)
        return publication.position

    def _stream(self, channel: str, *, keep: bool = False) -> _Stream:
        now = self._clock()
        if now >= self._sweep:
            self._forget_streams(now)
        stream = self._streams.get(channel)
        if stream is None:
            stream = _Stream(self._epoch)
            if keep or channel in self._subscribed:
                self._streams[channel] = stream
        stream.used = now
        return stream

    def _forget_streams(self, now: float) -> None:
        self._sweep = now + SWEEP
        for channel, stream in list(self._streams.items()):
            if channel not in self._subscribed and now - stream.used > max(FORGET, stream.ttl):
                del self._streams[channel]
                # What was forgotten does not go on under the same offsets.
                self._epoch = token_hex(4)

    def _forget_ids(self, now: float) -> None:
        while self._ids:
            oldest = next(iter(self._ids))
            if self._ids[oldest][1] > now and len(self._ids) < IDS:
                break
            del self._ids[oldest]


class _Stream:
    """What one channel remembers."""

    __slots__ = ("_kept", "_position", "ttl", "used")

    def __init__(self, epoch: str) -> None:
        self._kept: deque[tuple[Publication, float]] = deque()
        self._position = Position(0, epoch)
        self.ttl = 0.0
        self.used = 0.0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever published on it."""
        return self._position.offset == 0

    def append(self, publication: Publication, history: History) -> Publication:
        before = self._position
        self._position = Position(before.offset + 1, before.epoch)
        publication = replace(publication, position=self._position, previous=before.offset)
        self._kept.append((publication, self.used + history.ttl))
        self._trim(history, self.used)
        return publication

    def page(self, history: History, now: float, since: Position | None, limit: int | None) -> Page:
        self._trim(history, now)
        top, kept = self._position, len(self._kept)
        if since is None:
            wanted = kept if limit is None else min(limit, kept)
            start, stop = kept - wanted, kept
        else:
            missed = top.offset - since.offset
            if since.epoch != top.epoch or not 0 <= missed <= kept:
                return Page((), top, complete=False)
            start, stop = kept - missed, kept if limit is None else kept - missed + limit
        return Page(tuple(publication for publication, _ in list(self._kept)[start:stop]), top)

    def _trim(self, history: History, now: float) -> None:
        self.ttl = history.ttl
        kept = self._kept
        while kept and (len(kept) > history.size or kept[0][1] <= now):
            kept.popleft()


class _Present:
    """The members of one channel."""

    __slots__ = ("_users", "members")

    def __init__(self) -> None:
        self.members: dict[str, tuple[Any, set[str]]] = {}
        self._users: list[str] = []

    def enter(self, change: Attendance) -> Publication | None:
        known = self.members.get(change.user)
        connections = set() if known is None else known[1]
        connections.add(change.connection)
        self.members[change.user] = (change.info, connections)
        if known is not None:
            return None
        insort(self._users, change.user)
        return joined(change.channel, change.user, change.info, time.time())

    def leave(self, change: Attendance) -> Publication | None:
        known = self.members.get(change.user)
        if known is None:
            return None
        info, connections = known
        connections.discard(change.connection)
        if connections:
            return None
        del self.members[change.user]
        del self._users[bisect_right(self._users, change.user) - 1]
        return left(change.channel, change.user, info, time.time())

    def roll(self, limit: int, cursor: str | None) -> Roll:
        start = 0 if cursor is None else bisect_right(self._users, cursor)
        users = self._users[start : start + limit]
        members = tuple(
            Member(user, info, len(connections))
            for user in users
            for info, connections in (self.members[user],)
        )
        more = start + limit < len(self._users)
        return Roll(members, len(self._users), users[-1] if more and users else None)


async def _done() -> None:
    """The result of what is done already."""


async def _at(position: Position | None) -> Position | None:
    """A position that is known already."""
    return position
