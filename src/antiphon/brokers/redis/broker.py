"""The broker on Redis: publications by Pub/Sub, histories in lists, members by leases.

A publication without a position goes out by PUBLISH alone. One with a position, or with an id, is a script:
it gives the offset, keeps, and publishes in one step, so that the order on the bus is that of the offsets,
and what comes over the bus says where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from antiphon.brokers.packing import pack
from antiphon.brokers.redis.address import PREFIX, Address
from antiphon.brokers.redis.keys import PARTITIONS, Keys
from antiphon.brokers.redis.messages import heard, page_of, position_of
from antiphon.brokers.redis.presence import Attending
from antiphon.brokers.redis.scripts import HISTORY, PUBLISH
from antiphon.brokers.redis.servers import Servers
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

#: Milliseconds for which it is remembered, at least, where a channel stands, after it was used last.
STANDING = 24 * 3600 * 1000


class RedisBroker(Broker):
    """Carries publications through Redis, or a Redis Cluster.

    During an outage `subscribe` and `unsubscribe` do not fail: they hold when Redis is there again.

    Args:
        url: Where Redis is: ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://`` (see `address`).
        prefix: What all keys and channels in Redis begin with; ``?prefix=`` of the URL comes first.
        lease: Seconds after which the members of a process that was killed are taken to have left.

    Raises:
        ConfigurationError: The URL is none, the prefix has braces, or the lease is not positive.
    """

    def __init__(self, url: str, *, prefix: str = PREFIX, lease: float = 15.0) -> None:
        if not 0 < lease < float("inf"):
            raise ConfigurationError(f"lease={lease!r}: a number of seconds above 0")
        self._address = Address(url)
        cluster = bool(self._address.nodes)
        self._keys = Keys(self._address.prefix or prefix, PARTITIONS if cluster else 1)
        # On a cluster PUBLISH goes to all nodes; SPUBLISH stays on the one that has the channel's keys.
        self._command = b"SPUBLISH" if cluster else b"PUBLISH"
        self._lease = lease
        self._listener: Listener | None = None
        self._channels: dict[bytes, str] = {}
        self._servers: Servers | None = None
        self._attending: Attending | None = None
        self._started = False

    def __repr__(self) -> str:
        return f"<RedisBroker {self._address}, {len(self._channels)} channels>"

    async def start(self, listener: Listener) -> None:
        self._listener = listener
        self._servers = Servers(self._address, self._keys, self._heard, self)
        self._attending = Attending(self._servers, self._keys, self._command, self._lease, self._forgotten)
        try:
            await self._servers.start()
        except BaseException:
            await self.stop()
            raise
        self._started = True
        self._attending.start()

    async def stop(self) -> None:
        self._started = False
        self._listener = None
        if self._attending is not None:
            await self._attending.stop()
        if self._servers is not None:
            await self._servers.stop()
        self._servers = self._attending = None
        self._channels.clear()

    def publish(self, publication: Publication, retention: Retention) -> Awaitable[Position | None]:
        keys = self._keys.of(publication.channel)
        try:
            link = self._running().link(keys.partition)
        except BrokerUnavailable as error:
            return _failed(error)
        packed = pack(publication)
        history = retention.history
        if history is None and publication.id is None:
            return link.send((self._command, keys.bus, packed), _no_position)
        names = [keys.meta, keys.stream, keys.bus]
        if publication.id is not None:
            names.append(keys.id(publication.id))
        size, ttl = (0, 1) if history is None else (history.size, _milliseconds(history.ttl))
        kept = max(STANDING, 2 * ttl)
        options = (size, ttl, kept, _milliseconds(retention.idempotency))
        return link.send(
            (*PUBLISH.call, len(names), *names, self._command, packed, link.server, *options), position_of
        )

    def subscribe(self, channel: str) -> Awaitable[None]:
        keys = self._keys.of(channel)
        self._channels[keys.bus] = channel
        return self._running().subscribe(keys)

    async def unsubscribe(self, channel: str) -> None:
        keys = self._keys.of(channel)
        self._channels.pop(keys.bus, None)
        await self._running().unsubscribe(keys)

    async def history(
        self, channel: str, retention: Retention, since: Position | None = None, limit: int | None = None
    ) -> Page:
        assert retention.history is not None
        keys = self._keys.of(channel)
        size, ttl = retention.history.size, _milliseconds(retention.history.ttl)
        options = (size, ttl, max(STANDING, 2 * ttl), -1 if limit is None else limit)
        after = () if since is None else (since.offset, since.epoch.encode())
        command = (*HISTORY.call, 2, keys.meta, keys.stream, *options, *after)
        page: Page = await self._running().link(keys.partition).send(command, partial(page_of, channel))
        return page

    async def attend(self, changes: Sequence[Attendance]) -> None:
        self._running()
        assert self._attending is not None
        await self._attending.attend(changes)

    async def members(self, channel: str, limit: int, cursor: str | None = None) -> Roll:
        self._running()
        assert self._attending is not None
        return await self._attending.members(channel, limit, cursor)

    def lost(self, error: Exception) -> None:
        """See `servers.Told`."""
        if self._attending is not None:
            self._attending.lost()
        if self._listener is not None:
            self._listener.interrupted(error)

    async def regained(self) -> None:
        """See `servers.Told`."""
        if self._attending is not None:
            await self._attending.regained()
        if self._started and self._listener is not None:
            self._listener.restored()

    def _running(self) -> Servers:
        if self._servers is None:
            raise BrokerUnavailable(f"the broker of {self._address} does not run")
        return self._servers

    def _forgotten(self) -> None:
        if self._listener is not None:
            self._listener.restored()

    def _heard(self, bus: bytes, message: bytes) -> None:
        channel = self._channels.get(bus)
        if channel is not None and self._listener is not None:
            self._listener.received(heard(channel, message))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _no_position(said: Any) -> None:
    return None


def _failed(error: Exception) -> Awaitable[Any]:
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(error)
    return failed
