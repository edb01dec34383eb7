"""The JetStream streams that stand for channels: made when they are needed first, by whoever comes first.

What differs in what is kept stands in different streams, named for it. Whoever makes a stream for history
gives it a random epoch, which is part of its subjects; who comes second finds it there.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex

from nats.aio.client import Client
from nats.js.api import RePublish, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import (
    APIError,
    BadRequestError,
    NoStreamResponseError,
    NotFoundError,
    ServiceUnavailableError,
)

from antiphon.brokers.nats.link import Link
from antiphon.brokers.nats.subjects import LIVE, NOBODY, PRESENCE, delivery, source
from antiphon.channels import Retention
from antiphon.errors import ConfigurationError

#: Seconds for which a channel's last publications stay on the server beyond their time, so that what was
#: published last, and so where the channel stands, can be told apart from what is lost.
FORGET = 3600.0

#: The shortest window within which JetStream finds repeated ids, in seconds.
SHORTEST_WINDOW = 0.1

# The server's codes for: another configuration has that name; another stream has these subjects.
_IN_USE, _OVERLAP = 10058, 10065
_FIRST, _SECOND = "{{wildcard(1)}}", "{{wildcard(2)}}"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream on the server.

    Attributes:
        name: Its name.
        origin: What stands in its subjects: the epoch of a stream with history.
        max_age: Seconds for which messages stay; 0: for ever.
    """

    name: str
    origin: str
    max_age: float


class Streams:
    """The streams of one prefix.

    Args:
        link: The connection.
        prefix: What their names begin with.
        replicas: On how many servers of a cluster each is kept.
        lease: Seconds for which a lease holds.
    """

    def __init__(self, link: Link, prefix: str, replicas: int, lease: float) -> None:
        self._link = link
        self._prefix = prefix
        self._replicas = replicas
        self._lease = lease
        self._known: dict[str, Stream] = {}

    def __repr__(self) -> str:
        return f"<Streams {sorted(self._known)}>"

    def forget(self) -> None:
        """Look anew for every stream: a server may have lost them."""
        self._known.clear()

    async def check(self) -> None:
        """Find out whether the server has JetStream.

        Raises:
            ConfigurationError: It has not.
        """
        await self._link.ask(self._check)

    async def _check(self, client: Client) -> None:
        try:
            await client.jetstream().account_info()
        except ServiceUnavailableError as error:
            raise ConfigurationError(
                f"NATS at {self._link} has no JetStream, which keeps channels in order and remembers them: "
                "start it with `nats-server -js -sd FOLDER`, or enable JetStream for this account"
            ) from error

    async def of(self, retention: Retention) -> Stream:
        """The stream for channels of which this is kept."""
        window = max(retention.idempotency, SHORTEST_WINDOW)
        history = retention.history
        if history is None:
            name = f"{LIVE}-{_milliseconds(window)}"
            return self._known.get(name) or await self._make(
                name,
                StreamConfig(
                    subjects=[source(self._prefix, name, "*")],
                    # It is there to give publications one order and to find repeated ids, not to keep them.
                    max_msgs=1,
                    storage=StorageType.MEMORY,
                    duplicate_window=window,
                    republish=self._republish((name, "*"), (LIVE, _FIRST, NOBODY)),
                ),
            )
        name = f"history-{history.size}-{_milliseconds(history.ttl)}-{_milliseconds(window)}"
        if known := self._known.get(name):
            return known
        epoch = token_hex(4)
        return await self._make(
            name,
            StreamConfig(
                subjects=[source(self._prefix, epoch, "*")],
                # One more than can be read, which shows that nothing is missing before the others.
                max_msgs_per_subject=history.size + 1,
                max_age=max(history.ttl, window) + FORGET,
                storage=StorageType.FILE,
                duplicate_window=window,
                republish=self._republish((epoch, "*"), (epoch, _FIRST, NOBODY)),
            ),
        )

    async def presence(self) -> Stream:
        """The stream of members, and of the hubs that hold them: one message each."""
        return self._known.get(PRESENCE) or await self._make(
            PRESENCE,
            StreamConfig(
                subjects=[source(self._prefix, PRESENCE, "*", "*"), source(self._prefix, "hubs", "*")],
                max_msgs_per_subject=1,
                storage=StorageType.FILE,
                duplicate_window=SHORTEST_WINDOW,
                republish=self._republish((PRESENCE, "*", "*"), (PRESENCE, _FIRST, _SECOND)),
            ),
        )

    async def leases(self) -> Stream:
        """The stream of leases, which go by themselves when their time is over."""
        return self._known.get("leases") or await self._make(
            "leases",
            StreamConfig(
                subjects=[source(self._prefix, "leases", "*"), source(self._prefix, "sweeps", "*")],
                max_msgs_per_subject=1,
                max_age=self._lease,
                storage=StorageType.MEMORY,
                duplicate_window=SHORTEST_WINDOW,
            ),
        )

    async def subjects(self, stream: Stream, pattern: str) -> set[str]:
        """The subjects of a stream that match a pattern and hold messages."""
        info = await self._link.ask(lambda client: client.jetstream().stream_info(stream.name, pattern))
        return set(info.state.subjects or ())

    async def clear(self, stream: Stream, subject: str) -> None:
        """Take away what a subject holds."""
        await self._link.ask(lambda client: client.jetstream().purge_stream(stream.name, subject=subject))

    async def _make(self, name: str, config: StreamConfig) -> Stream:
        config = config.evolve(
            name=f"{self._prefix}-{name}",
            retention=RetentionPolicy.LIMITS,
            num_replicas=self._replicas,
        )

        async def make(client: Client) -> StreamInfo:
            jetstream = client.jetstream()
            try:
                return await jetstream.add_stream(config)
            except BadRequestError as error:
                if error.err_code in (_IN_USE, _OVERLAP):
                    # Another was here first; where two come at once, it may be called an overlap.
                    with suppress(NotFoundError):
                        return await jetstream.stream_info(str(config.name))
                raise ConfigurationError(
                    f"NATS at {self._link} does not make the stream {config.name}: {error.description}"
                ) from error

        made = (await self._link.ask(make)).config
        found = source(self._prefix, "")
        subject = next((each for each in made.subjects or () if each.startswith(found)), None)
        if subject is None:
            raise ConfigurationError(
                f"the stream {config.name} of NATS at {self._link} is not Antiphon's: choose another prefix"
            )
        await self._link.ask(partial(_until_heard, subject.replace("*", "_")))
        origin = subject.removeprefix(found).partition(".")[0]
        stream = self._known[name] = Stream(str(config.name), origin, made.max_age or 0.0)
        return stream

    def _republish(self, stored: tuple[str, ...], heard: tuple[str, ...]) -> RePublish:
        return RePublish(src=source(self._prefix, *stored), dest=delivery(self._prefix, *heard))


async def _until_heard(subject: str, client: Client) -> None:
    """Wait until a stream takes what is sent to a subject.

    One that another process, or another server, is just making is known before it takes anything.
    """
    while True:
        try:
            # Refused by every stream, but only by one that hears it.
            await client.jetstream().publish(subject, b"", stream="-")
        except NoStreamResponseError:
            await asyncio.sleep(0.02)
        except APIError:
            return


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
