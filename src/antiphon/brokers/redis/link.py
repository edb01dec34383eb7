"""One Redis server: a pipe for commands, and one for the channels subscribed there.

Two, because Redis cuts off a connection that reads its publications too slowly, and that shall not take
commands with it. If one of them is lost, the link is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from antiphon.brokers.redis.address import Address, Node
from antiphon.brokers.redis.pipe import Command, Convert, Pipe
from antiphon.brokers.redis.scripts import LOAD
from antiphon.errors import BrokerUnavailable

logger = logging.getLogger("antiphon")

Hear = Callable[[bytes, bytes], None]


class Link:
    """The connections to one server.

    Args:
        address: Where it is.
        node: Which node of a cluster; None: it is a single server.
        hear: Called with the bus's name and each message.
        lost: Called once, when it is lost.

    Attributes:
        up: Whether it is there.
        server: The server's name for itself, another one each time it is started.
        subscribed: The buses that are heard here.
    """

    def __init__(
        self, address: Address, node: Node | None, hear: Hear, lost: Callable[[Exception], None]
    ) -> None:
        self.up = False
        self.server = b""
        self.subscribed: set[bytes] = set()
        self._hear = hear
        self._lost = lost
        self._name = str(address) if node is None else f"{node[0]}:{node[1]}"
        self._commands = Pipe(address.connection(node), self._fail)
        self._bus = Pipe(address.connection(node), self._fail, self._pushed)
        self._subscribe, self._unsubscribe = (
            (b"SUBSCRIBE", b"UNSUBSCRIBE") if node is None else (b"SSUBSCRIBE", b"SUNSUBSCRIBE")
        )

    def __repr__(self) -> str:
        return f"<Link to {self._name}, {'up' if self.up else 'down'}, {len(self.subscribed)} subscribed>"

    async def open(self) -> None:
        """Connect, and find out about the server.

        Raises:
            RedisError, OSError, BrokerUnavailable: It cannot be.
        """
        await self._commands.open()
        await self._bus.open()
        name = self._commands.send((b"INFO", b"server"), _run_id)
        self.server, *_ = await asyncio.gather(name, *map(self._commands.send, LOAD))
        self.up = True

    async def close(self) -> None:
        """Let go of it; its owner is not told."""
        self.up = False
        error = BrokerUnavailable("the connection was closed")
        await asyncio.gather(self._commands.close(error), self._bus.close(error))

    def send(self, command: Command, convert: Convert | None = None) -> asyncio.Future[Any]:
        """Send a command; see `Pipe.send`."""
        return self._commands.send(command, convert)

    def subscribe(self, buses: Sequence[bytes]) -> list[asyncio.Future[Any]]:
        """Hear buses; what is published after a reply comes. Awaiting it raises BrokerUnavailable."""
        self.subscribed.update(buses)
        return [self._bus.send((self._subscribe, bus)) for bus in buses]

    def unsubscribe(self, bus: bytes) -> asyncio.Future[Any]:
        """Hear a bus no more; awaiting the reply raises BrokerUnavailable."""
        self.subscribed.discard(bus)
        return self._bus.send((self._unsubscribe, bus))

    def _pushed(self, said: Any) -> bool:
        if type(said) is not list:
            return False
        kind = said[0]
        if kind == b"message" or kind == b"smessage":
            try:
                self._hear(said[1], said[2])
            except ValueError as error:
                logger.warning("dropped what is no publication on %r: %s", said[1], error)
            return True
        if kind == b"sunsubscribe" and said[1] in self.subscribed:
            # The server gave the slot away: the channel has to be subscribed to elsewhere.
            self._fail(ResponseError(f"the slot of {said[1]!r} has moved"))
            return True
        return False

    def _fail(self, error: Exception) -> None:
        if self.up:
            self.up = False
            self._lost(error)


def _run_id(info: bytes) -> bytes:
    for line in info.splitlines():
        name, _, value = line.partition(b":")
        if name == b"run_id":
            return value[:16]
    return b""
