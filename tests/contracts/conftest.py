"""Every broker, on its real server, for the contract they all keep."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from secrets import token_hex

import pytest

from antiphon.brokers import MemoryBroker
from antiphon.brokers.nats import NatsBroker
from antiphon.brokers.redis import RedisBroker
from antiphon.channels import Broker
from tests.contracts.ear import Ear
from tests.nats_server import NatsServer

Start = Callable[[], Awaitable[tuple[Broker, Ear]]]


class Brokers:
    """Brokers of one kind, which share what they share; each with an ear.

    Args:
        make: Makes one more broker on the same server, as another process would.
    """

    def __init__(self, make: Callable[[], Broker]) -> None:
        self._make = make
        self.started: list[Broker] = []

    async def start(self) -> tuple[Broker, Ear]:
        """Start one more."""
        broker, ear = self._make(), Ear()
        await broker.start(ear)
        self.started.append(broker)
        return broker, ear

    async def stop(self) -> None:
        """Stop all."""
        for broker in self.started:
            await broker.stop()


@pytest.fixture(params=["memory", "redis", "redis-cluster", "nats"])
async def brokers(request: pytest.FixtureRequest) -> AsyncIterator[Brokers]:
    """Brokers of each kind in turn."""
    brokers = Brokers(MAKERS[request.param](request))
    yield brokers
    await brokers.stop()


def _memory(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    return MemoryBroker


def _redis(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    return partial(RedisBroker, request.getfixturevalue("redis_url"), prefix=token_hex(4))


def _redis_cluster(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    return partial(RedisBroker, request.getfixturevalue("redis_cluster_url"), prefix=token_hex(4))


def _nats(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    server: NatsServer = request.getfixturevalue("nats_server")
    return partial(NatsBroker, server.url, prefix=f"test-{token_hex(4)}")


MAKERS: dict[str, Callable[[pytest.FixtureRequest], Callable[[], Broker]]] = {
    "memory": _memory,
    "redis": _redis,
    "redis-cluster": _redis_cluster,
    "nats": _nats,
}
