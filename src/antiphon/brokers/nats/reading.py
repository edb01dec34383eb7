"""Reading what streams hold, by a consumer that is made for one reading.

Everything is asked of a stream's leader or read up to what the leader said, so that a server of a cluster
that lags behind never makes a part look like the whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    RawStreamMsg,
    StreamState,
)
from nats.js.errors import NotFoundError

from antiphon.brokers.nats.link import Link
from antiphon.brokers.nats.streams import Stream

#: Seconds after which the server forgets a consumer that was not taken away.
INACTIVE = 30.0

#: Seconds that the server waits for messages that should be there and are not.
WAIT = 0.25

#: Messages that one reading of a whole stream takes at once.
PART = 5000


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream.

    Attributes:
        subject: Where it was stored.
        sequence: Where it stands.
        payload: The bytes.
        time: When it was stored, in seconds since 1970 by the server's clock.
    """

    subject: str
    sequence: int
    payload: bytes
    time: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        messages: In the stream's order.
        available: How many there were from the start on, without the limit.
        time: When, by the server's clock.
    """

    messages: list[Stored]
    available: int
    time: float


async def last(link: Link, stream: Stream, subject: str) -> Stored | None:
    """The last message of a subject, if there is any."""

    async def ask(client: Client) -> RawStreamMsg | None:
        try:
            return await client.jetstream().get_last_msg(stream.name, subject)
        except NotFoundError:
            return None

    found = await link.ask(ask)
    if found is None:
        return None
    return Stored(subject, found.seq or 0, found.data or b"", _seconds(found.time))


async def state(link: Link, stream: Stream) -> StreamState:
    """Where a stream begins and ends."""
    return (await link.ask(lambda client: client.jetstream().stream_info(stream.name))).state


async def read(
    link: Link, stream: Stream, subject: str, *, start: int = 0, limit: int | None = None, end: int = 0
) -> Reading:
    """Read the messages of subjects.

    Args:
        link: The connection.
        stream: The stream.
        subject: The subject, or a pattern of subjects.
        start: From this sequence number on.
        limit: At most so many.
        end: At least up to this sequence number.
    """
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE if start else DeliverPolicy.ALL,
        opt_start_seq=start or None,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=INACTIVE,
    )

    async def ask(client: Client) -> Reading:
        consumer = await client.jetstream().add_consumer(stream.name, config)
        available = consumer.num_pending or 0
        wanted = available if limit is None else min(limit, available)
        messages: list[Stored] = []
        try:
            if wanted:
                # Fewer come where some were taken away meanwhile.
                messages += await _pull(client, consumer, wanted)
            while end > _end(messages):
                messages += await _pull(client, consumer, 1)
        finally:
            # Nobody waits for the answer: what fails here, the server does by itself later.
            await client.publish(f"$JS.API.CONSUMER.DELETE.{stream.name}.{consumer.name}", b"", "_none")
        return Reading(messages, available, _seconds(consumer.created))

    return await link.ask(ask)


async def parts(link: Link, stream: Stream, subject: str) -> AsyncIterator[list[Stored]]:
    """All messages of subjects, in parts."""
    start = 0
    while True:
        reading = await read(link, stream, subject, start=start, limit=PART)
        yield reading.messages
        if len(reading.messages) < PART:
            return
        start = _end(reading.messages) + 1


async def _pull(client: Client, consumer: ConsumerInfo, number: int) -> list[Stored]:
    """Ask a consumer for its next messages, and wait until they are here."""
    messages: list[Stored] = []
    done = asyncio.Event()

    async def take(message: Msg) -> None:
        if not message.reply:
            # A status: the request has ended before there were as many (ADR-13).
            done.set()
            return
        metadata = message.metadata
        messages.append(
            Stored(
                message.subject,
                metadata.sequence.stream,
                message.data,
                metadata.timestamp.timestamp(),
            )
        )
        if len(messages) >= number:
            done.set()

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=take)
    try:
        request = {"batch": number, "expires": int(WAIT * 1e9)}
        await client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream_name}.{consumer.name}",
            json.dumps(request).encode(),
            inbox,
        )
        await done.wait()
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()
    return messages


def _end(messages: list[Stored]) -> int:
    return messages[-1].sequence if messages else 0


def _seconds(time: datetime | None) -> float:
    return 0.0 if time is None else time.timestamp()
