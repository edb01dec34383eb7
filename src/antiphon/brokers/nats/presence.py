"""Who is present: one message for each member of each channel, changed only by who knows the last one.

A member's message holds its connections by the hub that has them, and what the change was. It is republished
to whoever listens to the channel's joins and leaves, so that a change and its being told are one thing, and
are told in the order in which they happened, whichever hub made them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from antiphon.brokers.nats.link import PATIENCE, Link
from antiphon.brokers.nats.pipeline import Conflict, Message, Pipeline
from antiphon.brokers.nats.reading import Stored, last, parts, read
from antiphon.brokers.nats.streams import Stream, Streams
from antiphon.brokers.nats.subjects import PRESENCE, source, token
from antiphon.channels import (
    JOIN,
    LEAVE,
    Attendance,
    Member,
    Publication,
    Roll,
    joined,
    left,
    presence_channel,
)

T = TypeVar("T")
log = logging.getLogger("antiphon.brokers.nats")

#: Members that are changed at once.
AT_ONCE = 500

EXPECTED = "Nats-Expected-Last-Subject-Sequence"


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """A member, as it is kept.

    Attributes:
        channel: The channel.
        user: Who.
        info: What others may know.
        hubs: The ids of the connections, by the hub that has them.
        event: What the last change was: ``JOIN``, ``LEAVE``, or None.
        time: When, in seconds since 1970.
    """

    channel: str
    user: str
    info: Any
    hubs: dict[str, list[str]]
    event: str | None = None
    time: float = 0.0

    @property
    def connections(self) -> int:
        return sum(map(len, self.hubs.values()))

    def told(self) -> Publication | None:
        """The publication that tells of the last change."""
        tells = {JOIN: joined, LEAVE: left}.get(self.event or "")
        return None if tells is None else tells(self.channel, self.user, self.info, self.time)


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode

#: Makes of a member, or None, what it is to become; the same again: nothing changes.
Change = Callable[[Entry | None], Entry | None]


class Members:
    """The members of all channels.

    Args:
        link: The connection.
        streams: Where they are kept.
        pipeline: What puts them there.
        prefix: What subjects begin with.
    """

    def __init__(self, link: Link, streams: Streams, pipeline: Pipeline, prefix: str) -> None:
        self._link = link
        self._streams = streams
        self._pipeline = pipeline
        self._prefix = prefix
        # What is known of the members that this process holds, so that most changes need no reading.
        self._known: dict[str, tuple[int, Entry]] = {}

    def __repr__(self) -> str:
        return f"<Members {len(self._known)} known>"

    def forget(self) -> None:
        """Rely on nothing that is known: it may have changed."""
        self._known.clear()

    async def attend(self, hub: str, changes: Sequence[Attendance]) -> None:
        """Note who comes to a hub and who goes, in order."""
        by_member: dict[str, list[Attendance]] = {}
        for change in changes:
            by_member.setdefault(self._subject(change.channel, change.user), []).append(change)

        async def note(subject: str, of_one: list[Attendance]) -> None:
            for each in of_one:
                await self._change(subject, _attended(hub, each))

        await _some_at_once(note(subject, of_one) for subject, of_one in by_member.items())

    async def roll(self, channel: str, limit: int, cursor: str | None) -> Roll:
        """Read who is present; see ``Broker.members``."""
        stream = await self._streams.presence()
        pattern = source(self._prefix, PRESENCE, token(presence_channel(channel)), "*")
        start = int(cursor) + 1 if cursor else 0
        reading = await read(self._link, stream, pattern, start=start, limit=limit)
        more = len(reading.messages) == limit < reading.available
        if start:
            count = (await read(self._link, stream, pattern, limit=0)).available
        else:
            # Some may have left since they were counted.
            count = reading.available if more or not limit else len(reading.messages)
        members = []
        for stored in reading.messages:
            entry = _entry(stored)
            if entry is not None and entry.hubs:
                members.append(Member(entry.user, entry.info, entry.connections))
            else:
                # Whoever wrote that the member left was stopped before it took the message away.
                count -= 1
                await self._take_away(stream, stored.sequence)
        cursor = str(reading.messages[-1].sequence) if more and limit else None
        return Roll(tuple(members), count, cursor)

    async def sweep(self, hub: str) -> int:
        """Take away what a hub holds; return how many members it held."""
        stream = await self._streams.presence()
        held = 0
        async for messages in parts(self._link, stream, source(self._prefix, PRESENCE, "*", "*")):
            of_hub = [
                (stored, entry)
                for stored in messages
                if (entry := _entry(stored)) is not None and hub in entry.hubs
            ]
            for stored, entry in of_hub:
                self._known[stored.subject] = (stored.sequence, entry)
            await _some_at_once(self._change(stored.subject, _swept(hub)) for stored, _ in of_hub)
            for stored, _ in of_hub:
                self._known.pop(stored.subject, None)
            held += len(of_hub)
        return held

    def _subject(self, channel: str, user: str) -> str:
        return source(self._prefix, PRESENCE, token(presence_channel(channel)), token(user))

    async def _change(self, subject: str, change: Change) -> None:
        """Change a member, however often others change it meanwhile."""
        sequence, entry = self._known.get(subject, (0, None))
        while True:
            after = change(entry)
            if after is None or after == entry:
                return
            try:
                sequence = await self._write(subject, after, sequence)
                break
            except Conflict:
                sequence, entry = await self._read(subject)
            except BaseException:
                # It may have been written.
                self._known.pop(subject, None)
                raise
        if after.hubs:
            self._known[subject] = (sequence, after)
            return
        self._known.pop(subject, None)
        await self._take_away(await self._streams.presence(), sequence)

    async def _write(self, subject: str, entry: Entry, expected: int) -> int:
        tokens = tuple(subject.split(".")[3:])
        headers = {EXPECTED: str(expected)}
        message = Message(self._streams.presence, tokens, _encode(entry), headers, PRESENCE)
        return (await self._pipeline.put(message)).sequence

    async def _read(self, subject: str) -> tuple[int, Entry | None]:
        stored = await last(self._link, await self._streams.presence(), subject)
        return (0, None) if stored is None else (stored.sequence, _entry(stored))

    async def _take_away(self, stream: Stream, sequence: int) -> None:
        """Take away the message that says that a member left, unless it has been replaced."""

        # Without no_erase the server would overwrite it on the disk first.
        subject = f"$JS.API.STREAM.MSG.DELETE.{stream.name}"
        request = msgspec.json.encode({"seq": sequence, "no_erase": True})
        await self._link.ask(lambda client: client.request(subject, request, timeout=PATIENCE))


def _attended(hub: str, change: Attendance) -> Change:
    def attended(before: Entry | None) -> Entry | None:
        hubs = {} if before is None else dict(before.hubs)
        present = bool(hubs)
        here = [each for each in hubs.pop(hub, []) if each != change.connection]
        if change.present:
            known = before is not None and change.connection in before.hubs.get(hub, ())
            if known and before is not None and before.info == change.info:
                return before
            here.append(change.connection)
        elif before is None or change.connection not in before.hubs.get(hub, ()):
            return before
        if here:
            hubs[hub] = here
        info = change.info if change.present or before is None else before.info
        event = None if present and hubs else JOIN if hubs else LEAVE
        return Entry(change.channel, change.user, info, hubs, event, time.time())

    return attended


def _swept(hub: str) -> Change:
    def swept(before: Entry | None) -> Entry | None:
        if before is None or hub not in before.hubs:
            return before
        hubs = {each: connections for each, connections in before.hubs.items() if each != hub}
        return msgspec.structs.replace(before, hubs=hubs, event=None if hubs else LEAVE, time=time.time())

    return swept


def _entry(stored: Stored) -> Entry | None:
    try:
        return decode(stored.payload)
    except ValueError as error:
        log.warning("something else than a member is stored at %s: %s", stored.subject, error)
        return None


async def _some_at_once(work: Iterable[Awaitable[None]]) -> None:
    """Do things, begun in order, several at once."""
    some: list[Awaitable[None]] = []
    for each in work:
        some.append(each)
        if len(some) == AT_ONCE:
            await asyncio.gather(*some)
            some = []
    await asyncio.gather(*some)
