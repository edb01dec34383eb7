"""All the servers behind a URL: which of them to ask, and coming back after they were lost.

A single server has one link, a cluster one to each master. One task mends: when a link is lost it says so
once, tries again with growing pauses until every partition has its server and every subscription holds, and
says that once. Meanwhile the partitions whose link is there go on.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from redis.crc import key_slot
from redis.exceptions import RedisError

from antiphon.brokers.redis.address import Address, Node
from antiphon.brokers.redis.keys import ChannelKeys, Keys
from antiphon.brokers.redis.link import Hear, Link
from antiphon.errors import BrokerUnavailable

logger = logging.getLogger("antiphon")

#: Attempts at the start, and seconds for all of them.
ATTEMPTS, START = 5, 8.0

#: Seconds for one attempt.
ATTEMPT = 10.0

#: Seconds between attempts: the first pause, and the longest.
SHORTEST, LONGEST = 0.1, 3.0


class Told(Protocol):
    """Whom the servers tell."""

    def lost(self, error: Exception) -> None:
        """One of them cannot be reached."""

    async def regained(self) -> None:
        """All can be reached, and subscriptions hold; may raise BrokerUnavailable to have it tried again."""


class Servers:
    """The links of one broker.

    Args:
        address: Where the servers are.
        keys: The partitions that they have.
        hear: Called with the bus's name and each message.
        told: Whom to tell.
    """

    def __init__(self, address: Address, keys: Keys, hear: Hear, told: Told) -> None:
        self._address = address
        self._keys = keys
        self._hear = hear
        self._told = told
        self._links: dict[Node | None, Link] = {}
        self._routes: dict[int, Link] = {}
        self._wanted: dict[bytes, int] = {}
        self._broken = asyncio.Event()
        self._error: Exception | None = None
        self._mending: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Servers of {self._address}, {sum(link.up for link in self._links.values())} up>"

    async def start(self) -> None:
        """Connect to all.

        Raises:
            BrokerUnavailable: They cannot be reached.
        """
        error: Exception | None = None
        attempts = 0
        try:
            async with asyncio.timeout(START):
                for pause in islice(_pauses(), ATTEMPTS):
                    attempts += 1
                    error = await self._attempt()
                    if error is None:
                        self._mending = asyncio.create_task(self._mend())
                        return
                    await asyncio.sleep(pause)
        except TimeoutError:
            error = error or BrokerUnavailable(f"no answer within {START:g} s")
        raise BrokerUnavailable(
            f"{self._address} cannot be reached, at the start tried {attempts} times; the last: {error}"
        ) from error

    async def stop(self) -> None:
        """Let go of all."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
            self._mending = None
        self._routes.clear()
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._links.clear()

    def link(self, partition: int) -> Link:
        """The link to a partition's server.

        Raises:
            BrokerUnavailable: There is none now.
        """
        link = self._routes.get(partition)
        if link is None or not link.up:
            raise BrokerUnavailable(
                f"{self._address} cannot be reached: {self._error or 'the broker does not run'}"
            )
        return link

    def subscribe(self, keys: ChannelKeys) -> Awaitable[None]:
        """Hear a channel, now or as soon as its server can be reached; the result waits until it holds."""
        self._wanted[keys.bus] = keys.partition
        link = self._routes.get(keys.partition)
        return _as_far_as_it_goes(link.subscribe([keys.bus]) if link is not None and link.up else [])

    async def unsubscribe(self, keys: ChannelKeys) -> None:
        """Hear a channel no more."""
        self._wanted.pop(keys.bus, None)
        link = self._routes.get(keys.partition)
        if link is not None and link.up:
            await _as_far_as_it_goes([link.unsubscribe(keys.bus)])

    async def _mend(self) -> None:
        while True:
            await self._broken.wait()
            logger.warning("%s is lost: %s", self._address, self._error)
            self._told.lost(BrokerUnavailable(f"{self._address} is lost: {self._error}"))
            for pause in _pauses():
                self._broken.clear()
                error = await self._attempt()
                if error is None:
                    break
                self._error = error
                logger.debug("%s is not there yet: %s", self._address, error)
                await asyncio.sleep(pause)
            logger.warning("%s is there again", self._address)

    async def _attempt(self) -> Exception | None:
        """Try to have a link for every partition, and all subscriptions; return what went wrong."""
        try:
            async with asyncio.timeout(ATTEMPT):
                await self._connect()
                await self._told.regained()
        except TimeoutError as error:
            return error if str(error) else BrokerUnavailable(f"no answer within {ATTEMPT:g} s")
        except Exception as error:
            # Whatever it is: the task that mends must not end by it.
            return error
        return None

    async def _connect(self) -> None:
        places = await self._places()
        for node, link in list(self._links.items()):
            if not link.up or node not in places.values():
                del self._links[node]
                await link.close()
        for node in set(places.values()):
            if node not in self._links:
                await self._open(node)
        # From here on whoever subscribes asks the links; whoever did before is in `_wanted`.
        self._routes = {partition: self._links[node] for partition, node in places.items()}
        for link in self._links.values():
            wanted = [bus for bus, partition in self._wanted.items() if self._routes[partition] is link]
            link.subscribed.intersection_update(wanted)
            await asyncio.gather(*link.subscribe([bus for bus in wanted if bus not in link.subscribed]))
        if not all(link.up for link in self._links.values()):
            raise self._error or BrokerUnavailable("lost again")

    async def _open(self, node: Node | None) -> None:
        link = Link(self._address, node, self._hear, self._lost)
        try:
            await link.open()
        except BaseException:
            await link.close()
            raise
        self._links[node] = link

    def _lost(self, error: Exception) -> None:
        self._error = error
        self._broken.set()

    async def _places(self) -> dict[int, Node | None]:
        """On which node each partition is."""
        if not self._address.nodes:
            return dict.fromkeys(self._keys.partitions)
        error: Exception | None = None
        # In no order: a node may be the last to learn what has changed.
        nodes = list({*self._address.nodes, *filter(None, self._links)})
        for node in random.sample(nodes, len(nodes)):
            try:
                return await self._places_by(node)
            except (RedisError, OSError, ValueError) as problem:
                error = problem
        raise error or BrokerUnavailable("no node is known")

    async def _places_by(self, node: Node) -> dict[int, Node | None]:
        connection = self._address.connection(node)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLUSTER SLOTS")
            slots: list[Any] = await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)
        places: dict[int, Node | None] = {}
        for first, last, (host, port, *_), *_ in slots:
            for partition in self._keys.partitions:
                if first <= key_slot(self._keys.leases(partition)) <= last:
                    places[partition] = (host.decode() if host else node[0], port)
        if len(places) < len(self._keys.partitions):
            raise ValueError("the cluster does not serve all slots")
        return places


async def _as_far_as_it_goes(replies: Sequence[Awaitable[Any]]) -> None:
    """What fails because a link is lost is made good when the link is there again."""
    for reply in replies:
        try:
            await reply
        except BrokerUnavailable as error:
            logger.debug("left to the next connection: %s", error)


def _pauses() -> Iterator[float]:
    """Seconds to wait between attempts: growing, and not the same in all processes."""
    pause = SHORTEST
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        pause = min(pause * 2, LONGEST)
