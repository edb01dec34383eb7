"""What a channel remembers, and where it stands.

An offset is a sequence number of the stream that the channel shares with others, so a channel's offsets have
gaps; what came before a publication is known by its ``previous``. A channel on which nothing stands (any
more) stands where its stream stood when that was found out: whatever is published on it later comes after.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from antiphon.brokers.nats.link import Link
from antiphon.brokers.nats.reading import Reading, Stored, last, read, state
from antiphon.brokers.nats.streams import FORGET, Stream, Streams
from antiphon.brokers.nats.subjects import source, token
from antiphon.brokers.packing import unpack
from antiphon.channels import History, Page, Position, Publication, Retention

log = logging.getLogger("antiphon.brokers.nats")


@dataclass(slots=True)
class _Standing:
    """Where a channel stood, and when that was found out."""

    epoch: str
    offset: int
    time: float


class Histories:
    """Reads the histories of channels.

    Args:
        link: The connection.
        streams: Where they are kept.
        prefix: What subjects begin with.
    """

    def __init__(self, link: Link, streams: Streams, prefix: str) -> None:
        self._link = link
        self._streams = streams
        self._prefix = prefix
        # Of channels that this process hears; see `_known`.
        self._standing: dict[str, _Standing | None] = {}

    def __repr__(self) -> str:
        return f"<Histories {len(self._standing)} channels>"

    def follow(self, channel: str) -> None:
        """Remember where a channel stands from now on."""
        self._standing.setdefault(channel, None)

    def leave(self, channel: str) -> None:
        """Remember it no more."""
        self._standing.pop(channel, None)

    def forget(self) -> None:
        """Remember nothing."""
        self._standing.clear()

    def heard(self, channel: str, position: Position, previous: int) -> int:
        """Note a publication that was heard; return the offset of the one before it.

        Args:
            channel: The channel.
            position: Where the publication stands.
            previous: The offset of the last one that the server still had before it; 0: it had none.
        """
        if previous == 0:
            known = self._known(channel, position.epoch)
            previous = 0 if known is None else known
        self._note(channel, position.epoch, position.offset, time.monotonic())
        return previous

    async def page(
        self, channel: str, retention: Retention, since: Position | None, limit: int | None
    ) -> Page:
        """Read a page of a channel's history; see ``Broker.history``."""
        assert retention.history is not None
        stream = await self._streams.of(retention)
        subject = source(self._prefix, stream.origin, token(channel))
        asked = time.monotonic()
        newest = await last(self._link, stream, subject)
        top = await self._end(channel, stream, subject) if newest is None else newest.sequence
        self._note(channel, stream.origin, top, asked)
        if since is None:
            wanted = newest is not None and limit != 0
            kept = await self._kept(stream, subject, retention.history, top) if wanted else []
            kept = kept[-limit:] if limit else kept
        elif since == Position(top, stream.origin):
            kept = []
        elif since.epoch != stream.origin:
            return Page((), Position(top, stream.origin), complete=False)
        else:
            reading = await read(self._link, stream, subject, end=newest.sequence if newest else 0)
            missed = await self._since(stream, retention.history, since, top, reading)
            if missed is None:
                return Page((), Position(top, stream.origin), complete=False)
            kept = missed[:limit]
        top = max(top, kept[-1].sequence) if kept else top
        return Page(tuple(_publications(channel, stream, kept)), Position(top, stream.origin))

    async def _end(self, channel: str, stream: Stream, subject: str) -> int:
        """Where a channel stands of which there is nothing."""
        known = self._known(channel, stream.origin)
        if known is not None:
            return known
        end = (await state(self._link, stream)).last_seq
        newest = await last(self._link, stream, subject)
        return end if newest is None else newest.sequence

    async def _kept(self, stream: Stream, subject: str, history: History, top: int) -> list[Stored]:
        """All that a channel remembers."""
        reading = await read(self._link, stream, subject, end=top)
        oldest = reading.time - history.ttl
        return [each for each in reading.messages if each.time > oldest][-history.size :]

    async def _since(
        self, stream: Stream, history: History, since: Position, top: int, reading: Reading
    ) -> list[Stored] | None:
        """What came after a position; None: whether something is lost cannot be told."""
        missed = [each for each in reading.messages if each.sequence > since.offset]
        if len(missed) == len(reading.messages) or since.offset > top:
            # The position is not among what is there. Nothing is lost in between, unless newer ones pushed
            # it out, or its time was over, which happens to all channels of a stream in one order.
            here = await state(self._link, stream)
            if len(missed) > history.size or not here.first_seq - 1 <= since.offset <= here.last_seq:
                return None
        if missed and missed[0].time <= reading.time - history.ttl:
            return None
        return missed

    def _known(self, channel: str, epoch: str) -> int | None:
        """Where a channel stands of which the server has nothing, if that is known.

        It is if it stood there not longer ago than messages stay: had anything been published since, it would
        be there. Whoever hears a channel looks at it more often than that.
        """
        known = self._standing.get(channel)
        if known is None or known.epoch != epoch or time.monotonic() - known.time > FORGET:
            return None
        return known.offset

    def _note(self, channel: str, epoch: str, offset: int, when: float) -> None:
        if channel in self._standing:
            self._standing[channel] = _Standing(epoch, offset, when)


def _publications(channel: str, stream: Stream, found: list[Stored]) -> Iterator[Publication]:
    previous = 0
    for each in found:
        try:
            yield unpack(channel, each.payload, Position(each.sequence, stream.origin), previous)
        except ValueError as error:
            log.warning("something else than a publication is in the stream %s: %s", stream.name, error)
        previous = each.sequence
