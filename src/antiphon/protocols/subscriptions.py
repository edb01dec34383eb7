"""The channels one connection is subscribed to; they end with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from antiphon.channels import Definition, Hub, Overflow, check, presence_channel
from antiphon.connection import Asked, Connection
from antiphon.errors import ConfigurationError, WebSocketException
from antiphon.limits import Limits
from antiphon.protocols.backlog import Backlog, DroppingSubscriber
from antiphon.protocols.raw import Form, RawSubscriber, bare, enveloped
from antiphon.subscription import Member, Subscription
from antiphon.wire import CloseCode

#: Members that a subscription is told at once; the rest are read in parts.
MEMBERS = 1000

Admit = Callable[[str, Definition], Awaitable[Member]]


@dataclass(slots=True)
class _Entry:
    """One channel: who receives it, and its joins and leaves, for the connection.

    ``entering`` says whether the subscription stood, or failed; ``task`` is who enters. Both None afterwards.
    """

    subscriber: RawSubscriber
    subscription: Subscription
    watcher: RawSubscriber | None = None
    entering: asyncio.Future[bool] | None = None
    task: asyncio.Task[Any] | None = None


class RawSubscriptions:
    """What one WebSocket is subscribed to.

    Args:
        connection: The connection.
        hub: Where the channels live.
        limits: How many there may be, and how much may wait for the peer.
        admit: Lets the connection into a channel, as a member, or raises ``SubscriptionRefused``.
        dropped: Told how many publications of a channel a slow peer did not get.
    """

    def __init__(
        self,
        connection: Connection,
        hub: Hub,
        limits: Limits,
        admit: Admit,
        dropped: Callable[[str, int], None],
    ) -> None:
        self._connection = connection
        self._hub = hub
        self._limits = limits
        self._admit = admit
        self._dropped = dropped
        self._entries: dict[str, _Entry] = {}
        self._backlog: Backlog | None = None
        connection.when_lost(self._leave_all)

    def __repr__(self) -> str:
        return f"<RawSubscriptions {list(self._entries)}>"

    async def add(self, channel: str, asked: Asked) -> Subscription:
        """Subscribe to a channel; a second time changes nothing, and waits while the first is on its way.

        Raises:
            InvalidChannel: No channel can have that name.
            WebSocketException: There are as many as there may be.
            SubscriptionRefused: The channel does not let the connection in.
            BrokerUnavailable: The broker's server cannot be reached.
            WebSocketDisconnect: The connection ended meanwhile.
        """
        while (known := self._entries.get(check(channel))) is not None:
            # A rule that subscribes to its own channel would wait for itself.
            if known.entering is None or known.task is asyncio.current_task():
                return known.subscription
            if await asyncio.shield(known.entering):
                return known.subscription
            if self._connection.closed:
                raise self._connection.gone()
        if len(self._entries) >= self._limits.subscriptions:
            most = self._limits.subscriptions
            raise WebSocketException(CloseCode.POLICY_VIOLATION, f"more than {most} subscriptions")
        definition = self._hub.definitions.of(channel)
        if asked.presence and definition.presence is None:
            raise ConfigurationError(
                f"channel {channel!r} keeps no presence: app.channels.define(..., presence=True)"
            )
        entry = self._entries[channel] = _Entry(
            self._subscriber(channel, definition, asked), Subscription(channel)
        )
        entry.entering = entering = asyncio.get_running_loop().create_future()
        entry.task = asyncio.current_task()
        stood = False
        try:
            await self._enter(entry, definition, asked)
            if self._connection.closed:
                raise self._connection.gone()
            if self._entries.get(channel) is not entry:
                # Unsubscribed while it was on its way in.
                self._leave(entry, grace=0)
            stood = True
        except BaseException:
            if self._entries.get(channel) is entry:
                del self._entries[channel]
            # Who was cut off on the way in may come back, like anybody else.
            self._leave(entry, self._grace(channel) if self._connection.closed else 0)
            raise
        finally:
            entry.entering = entry.task = None
            entering.set_result(stood)
        return entry.subscription

    async def remove(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        entry = self._entries.pop(channel, None)
        if entry is not None:
            self._leave(entry, grace=0)

    async def _enter(self, entry: _Entry, definition: Definition, asked: Asked) -> None:
        channel, hub = entry.subscription.channel, self._hub
        member = await self._admit(channel, definition)
        # Who is refused at the handshake sees why, as an HTTP status.
        self._connection.use()
        joined = await hub.subscribe(channel, entry.subscriber, asked.since)
        members = None
        if definition.presence is not None:
            if asked.member is not False:
                await hub.attending.enter(channel, self._connection.id, asked.member or member)
            if asked.presence:
                # Listened to before it is read, so that nobody comes or goes unnoticed in between.
                entry.watcher = RawSubscriber(self._connection, _form(asked))
                await hub.subscribe(presence_channel(channel), entry.watcher)
                members = (await hub.broker.members(channel, MEMBERS)).members
        entry.subscription = Subscription(channel, joined.recovered, joined.position, members)

    def _subscriber(self, channel: str, definition: Definition, asked: Asked) -> RawSubscriber:
        if definition.overflow is Overflow.CLOSE:
            return RawSubscriber(self._connection, _form(asked))
        if self._backlog is None:
            self._backlog = Backlog(
                self._connection, self._limits.outbox, self._hub.statistics, self._dropped
            )
        return DroppingSubscriber(self._connection, _form(asked), channel, definition.overflow, self._backlog)

    def _leave(self, entry: _Entry, grace: float) -> None:
        channel = entry.subscription.channel
        self._hub.unsubscribe(channel, entry.subscriber)
        if entry.watcher is not None:
            self._hub.unsubscribe(presence_channel(channel), entry.watcher)
        if self._entries.get(channel, entry) is entry:
            # Otherwise it has come back already, and is present by that.
            self._hub.attending.leave(channel, self._connection.id, grace)
        if isinstance(entry.subscriber, DroppingSubscriber) and self._backlog is not None:
            self._backlog.forget(entry.subscriber)

    def _grace(self, channel: str) -> float:
        presence = self._hub.definitions.of(channel).presence
        return 0 if presence is None else presence.grace

    def _leave_all(self) -> None:
        for channel, entry in self._entries.items():
            self._leave(entry, self._grace(channel))
        self._entries.clear()
        if self._backlog is not None:
            self._backlog.close()


def _form(asked: Asked) -> Form:
    return enveloped if asked.envelope else bare
