"""The broker that stands on a NATS server, or a cluster, with JetStream.

Every publication goes through a stream, which gives it its place and republishes it, so that all hubs hear
one order; core NATS alone gives each publisher's messages in order, not those of several. For channels
without history the stream keeps nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from functools import partial

from msgspec.structs import replace
from nats.aio.msg import Msg

from antiphon.brokers.nats.history import Histories
from antiphon.brokers.nats.leases import STAYS, Leases
from antiphon.brokers.nats.link import Link
from antiphon.brokers.nats.pipeline import Message, Pipeline, Place
from antiphon.brokers.nats.presence import Members
from antiphon.brokers.nats.presence import decode as decode_member
from antiphon.brokers.nats.streams import Streams
from antiphon.brokers.nats.subjects import LIVE, PRESENCE, check_prefix, delivery, origin, token
from antiphon.brokers.packing import pack, unpack
from antiphon.channels import (
    Attendance,
    Broker,
    Listener,
    Page,
    Position,
    Publication,
    Retention,
    Roll,
)
from antiphon.errors import BrokerUnavailable, ConfigurationError

log = logging.getLogger("antiphon.brokers.nats")

#: Seconds between a drop and its being told, so that many are told once.
DROPPED = 0.5


class NatsBroker(Broker):
    """Carries publications through NATS.

    Args:
        url: Where: ``nats://[user:password@ | token@]host[:port]``, or several servers of a cluster with
            commas.
        prefix: What all subjects and streams begin with; applications with different ones share nothing.
        lease: Seconds after which the members of a process that died are gone.
        replicas: On how many servers of a cluster each stream is kept: 1, 3 or 5.

    Raises:
        ConfigurationError: The URL or the prefix cannot be.
    """

    def __init__(
        self,
        url: str = "nats://127.0.0.1:4222",
        *,
        prefix: str = "antiphon",
        lease: float = 15.0,
        replicas: int = 1,
    ) -> None:
        if lease <= 0 or replicas < 1:
            raise ConfigurationError(f"lease={lease!r}, replicas={replicas!r}: both are above 0")
        self._prefix = check_prefix(prefix)
        self._link = Link(url, self._lost, self._found, self._dropped)
        self._streams = Streams(self._link, prefix, replicas, lease * STAYS)
        self._pipeline = Pipeline(self._link, self._streams, prefix)
        self._histories = Histories(self._link, self._streams, prefix)
        self._members = Members(self._link, self._streams, self._pipeline, prefix)
        self._leases = Leases(self._streams, self._pipeline, self._members, prefix, lease, self._restored)
        self._listener: Listener | None = None
        self._telling: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<NatsBroker {self._link!r} prefix={self._prefix!r}>"

    async def start(self, listener: Listener) -> None:
        await self._link.open()
        try:
            await self._streams.check()
            await self._pipeline.start()
        except BaseException:
            await self._link.close()
            raise
        self._listener = listener
        self._leases.start()

    async def stop(self) -> None:
        self._listener = None
        if self._telling is not None:
            self._telling.cancel()
        await self._leases.stop()
        await self._pipeline.stop()
        await self._link.close()
        self._histories.forget()
        self._members.forget()
        self._streams.forget()

    def publish(self, publication: Publication, retention: Retention) -> Awaitable[Position | None]:
        channel = token(publication.channel)
        headers = None
        if publication.id is not None:
            headers = {"Nats-Msg-Id": f"{channel}.{token(publication.id)}"}
        find = partial(self._streams.of, retention)
        return _placed(self._pipeline.put(Message(find, (channel,), pack(publication), headers)), retention)

    async def subscribe(self, channel: str) -> None:
        self._histories.follow(channel)
        subject = self._heard_at(channel)
        try:
            await self._link.subscribe(subject, partial(self._hear, channel))
        except BaseException:
            if not self._link.hears(subject):
                self._histories.leave(channel)
            raise

    async def unsubscribe(self, channel: str) -> None:
        # At once: somebody may subscribe while the server is told.
        self._histories.leave(channel)
        await self._link.unsubscribe(self._heard_at(channel))

    async def history(
        self, channel: str, retention: Retention, since: Position | None = None, limit: int | None = None
    ) -> Page:
        return await self._histories.page(channel, retention, since, limit)

    async def attend(self, changes: Sequence[Attendance]) -> None:
        await self._members.attend(await self._leases.hold(), changes)

    async def members(self, channel: str, limit: int, cursor: str | None = None) -> Roll:
        return await self._members.roll(channel, limit, cursor)

    def _heard_at(self, channel: str) -> str:
        return delivery(self._prefix, "*", token(channel), "*")

    def _hear(self, channel: str, message: Msg) -> None:
        if self._listener is None:
            return
        try:
            publication = self._publication(channel, message)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("something else than a publication came on channel %r: %s", channel, error)
            return
        if publication is not None:
            self._listener.received(publication)

    def _publication(self, channel: str, message: Msg) -> Publication | None:
        life = origin(message.subject)
        if life == LIVE:
            return unpack(channel, message.data)
        if life == PRESENCE:
            return decode_member(message.data).told()
        headers = message.headers or {}
        position = Position(int(headers["Nats-Sequence"]), life)
        previous = int(headers["Nats-Last-Sequence"])
        publication = unpack(channel, message.data, position)
        return replace(publication, previous=self._histories.heard(channel, position, previous))

    def _lost(self, error: BrokerUnavailable) -> None:
        self._pipeline.fail(error)
        if self._listener is not None:
            log.warning("%s", error)
            self._listener.interrupted(error)

    def _found(self) -> None:
        # Whatever the server had may be gone, and others may have changed what was known.
        self._streams.forget()
        self._members.forget()
        self._leases.be_patient()
        log.info("NATS at %s is reached again", self._link)
        self._restored()

    def _restored(self) -> None:
        if self._listener is not None:
            self._listener.restored()

    def _dropped(self) -> None:
        """Have what was dropped looked for, once for many."""
        if self._telling is None:
            log.error(
                "this process does not keep up with NATS: publications were dropped, and are looked for"
            )
            self._telling = asyncio.get_running_loop().call_later(DROPPED, self._tell_dropped)

    def _tell_dropped(self) -> None:
        self._telling = None
        self._restored()


async def _placed(result: asyncio.Future[Place], retention: Retention) -> Position | None:
    place = await result
    return None if retention.history is None else Position(place.sequence, place.stream.origin)
