"""Putting messages into streams, one after another, without waiting for one to be kept before the next goes.

One task sends, so that the order of calls is the order on the wire; acknowledgements come back on one
inbox. What waits to be sent is bounded, and so is what waits to be acknowledged: then sending pauses.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from nats.aio.msg import Msg

from antiphon.brokers.nats.link import Link, end
from antiphon.brokers.nats.streams import Stream, Streams
from antiphon.brokers.nats.subjects import source
from antiphon.errors import AntiphonError, BrokerUnavailable, PublicationTooLarge

log = logging.getLogger("antiphon.brokers.nats")

#: Messages that wait to be sent; more are refused.
WAITING = 100_000

#: Messages that were sent and not acknowledged; at that many, sending pauses.
UNACKNOWLEDGED = 10_000

#: Seconds for an acknowledgement.
PATIENCE = 5.0

#: Seconds for what waits when the broker stops.
FAREWELL = 2.0

#: Bytes that a message's subject and headers may take of what the server allows.
HEAD = 2048

_WRONG_LAST_SEQUENCE = 10071


class Conflict(Exception):
    """Another message is the last of its subject than was expected."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be stored.

    Attributes:
        stream: Finds the stream.
        tokens: What follows the stream's origin in the subject; the origin itself may be given instead.
        payload: The bytes.
        headers: For JetStream.
        origin: Stands in the subject instead of the stream's own.
    """

    stream: Callable[[], Awaitable[Stream]]
    tokens: tuple[str, ...]
    payload: bytes
    headers: dict[str, str] | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: in which stream, at which sequence number."""

    stream: Stream
    sequence: int


@dataclass(slots=True)
class _Sent:
    stream: Stream
    result: asyncio.Future[Place]
    deadline: float


class _Ack(msgspec.Struct):
    """A PubAck of JetStream (ADR-1 of nats-architecture-and-design)."""

    seq: int = 0
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Ack).decode


@dataclass(slots=True)
class _Waiting:
    message: Message
    result: asyncio.Future[Place] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Pipeline:
    """Sends messages in order and knows which are kept.

    Args:
        link: The connection.
        streams: Whose streams to forget when one is gone.
        prefix: What subjects begin with.
    """

    def __init__(self, link: Link, streams: Streams, prefix: str) -> None:
        self._link = link
        self._streams = streams
        self._prefix = prefix
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(0)
        self._sent: dict[int, _Sent] = {}
        self._room = asyncio.Semaphore(0)
        self._numbers = itertools.count()
        self._inbox = ""
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Pipeline {self._waiting.qsize()} waiting, {len(self._sent)} not acknowledged>"

    async def start(self) -> None:
        """Begin to send."""
        self._waiting = asyncio.Queue(WAITING)
        self._room = asyncio.Semaphore(UNACKNOWLEDGED)
        self._inbox = self._link.client.new_inbox()
        await self._link.subscribe(f"{self._inbox}.*", self._acknowledged)
        self._tasks = [
            asyncio.create_task(self._send(), name="publications to NATS"),
            asyncio.create_task(self._expire(), name="acknowledgements of NATS"),
        ]

    async def stop(self) -> None:
        """Send what waits, if that is soon, and stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._waiting.join()
                await asyncio.gather(*(each.result for each in self._sent.values()), return_exceptions=True)
        await end(*self._tasks)
        self._tasks = []
        while not self._waiting.empty():
            _fail(self._waiting.get_nowait().result, self._link.unavailable("the broker was stopped"))
        self.fail(self._link.unavailable("the broker was stopped"))

    def fail(self, error: BrokerUnavailable) -> None:
        """Acknowledgements will not come any more."""
        while self._sent:
            self._settle(next(iter(self._sent)), error)

    def put(self, message: Message) -> asyncio.Future[Place]:
        """Take a message; the result says where it stands.

        The result raises:
            BrokerUnavailable: It may be kept or not.
            PublicationTooLarge: It is larger than the server allows.
            Conflict: It was to be stored after another.
        """
        waiting = _Waiting(message)
        if not self._tasks:
            waiting.result.set_exception(self._link.unavailable("the broker is not started"))
            return waiting.result
        try:
            self._waiting.put_nowait(waiting)
        except asyncio.QueueFull:
            full = BrokerUnavailable(f"{WAITING} messages wait to be sent to NATS at {self._link}")
            waiting.result.set_exception(full)
        return waiting.result

    async def _send(self) -> None:
        while True:
            waiting = await self._waiting.get()
            try:
                await self._send_one(waiting.message, waiting.result)
            except AntiphonError as error:
                _fail(waiting.result, error)
            except Exception as error:
                # The next ones shall not suffer for it.
                log.exception("a message could not be sent")
                _fail(waiting.result, error)
            finally:
                self._waiting.task_done()

    async def _send_one(self, message: Message, result: asyncio.Future[Place]) -> None:
        stream = await message.stream()
        size, most = len(message.payload) + HEAD, self._link.client.max_payload
        if size > most:
            raise PublicationTooLarge(
                f"with its headers this takes {size} bytes, NATS at {self._link} allows {most}: "
                "raise its max_payload, or lower the channel's limit"
            )
        subject = source(self._prefix, message.origin or stream.origin, *message.tokens)
        await self._room.acquire()
        number = next(self._numbers)
        self._sent[number] = _Sent(stream, result, asyncio.get_running_loop().time() + PATIENCE)
        reply = f"{self._inbox}.{number}"
        try:
            await self._link.ask(
                lambda client: client.publish(subject, message.payload, reply, message.headers)
            )
        except BrokerUnavailable as error:
            self._settle(number, error)

    def _acknowledged(self, message: Msg) -> None:
        number = int(message.subject.rpartition(".")[2])
        if not message.data:
            # 503, no responders (ADR-22): the stream is gone, or has no leader.
            self._streams.forget()
            self._settle(number, self._link.unavailable("the stream is gone; it is made anew"))
            return
        ack = _decode(message.data)
        if ack.error is None:
            self._settle(number, ack.seq)
        elif ack.error.get("err_code") == _WRONG_LAST_SEQUENCE:
            self._settle(number, Conflict())
        else:
            self._settle(number, self._link.unavailable(ack.error.get("description", "it refuses")))

    def _settle(self, number: int, outcome: int | Exception) -> None:
        sent = self._sent.pop(number, None)
        if sent is None:
            return
        self._room.release()
        if isinstance(outcome, Exception):
            _fail(sent.result, outcome)
        elif not sent.result.done():
            sent.result.set_result(Place(sent.stream, outcome))

    async def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PATIENCE / 5)
            now = loop.time()
            for number in [number for number, sent in self._sent.items() if sent.deadline < now]:
                self._settle(number, self._link.unavailable("it does not acknowledge"))


def _fail(result: asyncio.Future[Place], error: Exception) -> None:
    if not result.done():
        result.set_exception(error)
