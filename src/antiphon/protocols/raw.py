"""The raw client protocol: a publication's data as it is, or in an envelope, one message each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.channels import Batch, Hub, Publication, check
from antiphon.codec import encode_json
from antiphon.connection import Connection, Prepared
from antiphon.errors import WebSocketException
from antiphon.wire import CloseCode


def bare(publications: Sequence[Publication]) -> Prepared:
    """Each publication's data: text and bytes as they are, all else as JSON."""
    return Prepared(each.payload for each in publications)


def enveloped(publications: Sequence[Publication]) -> Prepared:
    """Each publication as a JSON object with all that is known of it."""
    return Prepared(encode_json(envelope(each)) for each in publications)


def envelope(publication: Publication) -> dict[str, Any]:
    """A publication as the object that enveloped subscribers receive."""
    position = publication.position
    return {
        "channel": publication.channel,
        "event": publication.event,
        "data": publication.data,
        "id": publication.id,
        "offset": None if position is None else position.offset,
        "epoch": None if position is None else position.epoch,
        "time": publication.time,
    }


class RawSubscriber:
    """One connection's subscription to one channel."""

    __slots__ = ("_connection", "_form")

    def __init__(self, connection: Connection, *, with_envelope: bool) -> None:
        self._connection = connection
        self._form = enveloped if with_envelope else bare

    def deliver(self, batch: Batch) -> None:
        """Send the batch in its shared form, or this connection's own part of it."""
        connection = self._connection
        if batch.excluded and connection.id in batch.excluded:
            batch = batch.without(connection.id)
        connection.deliver(batch.form(self._form), batch.alone)


class RawSubscriptions:
    """The channels one connection is subscribed to; they end with it."""

    def __init__(self, connection: Connection, hub: Hub, most: int) -> None:
        self._connection = connection
        self._hub = hub
        self._most = most
        self._subscribers: dict[str, RawSubscriber] = {}
        connection.when_lost(self._leave_all)

    def __repr__(self) -> str:
        return f"<RawSubscriptions {list(self._subscribers)}>"

    async def add(self, channel: str, *, envelope: bool) -> None:
        """Subscribe to a channel; a second time changes nothing.

        Raises:
            WebSocketException: There are as many as there may be.
        """
        check(channel)
        if channel in self._subscribers:
            return
        if len(self._subscribers) >= self._most:
            raise WebSocketException(CloseCode.POLICY_VIOLATION, f"more than {self._most} subscriptions")
        subscriber = RawSubscriber(self._connection, with_envelope=envelope)
        self._subscribers[channel] = subscriber
        try:
            await self._hub.subscribe(channel, subscriber)
        except Exception:
            self._subscribers.pop(channel, None)
            raise

    async def remove(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        subscriber = self._subscribers.pop(channel, None)
        if subscriber is not None:
            self._hub.unsubscribe(channel, subscriber)

    def _leave_all(self) -> None:
        for channel, subscriber in self._subscribers.items():
            self._hub.unsubscribe(channel, subscriber)
        self._subscribers.clear()
