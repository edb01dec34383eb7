"""Redis, with a network that can fail, and brokers on it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import redis.asyncio

from antiphon.brokers.redis import RedisBroker
from tests.contracts.ear import Ear
from tests.redis_server import redis_server
from tests.servers import LiveServer
from tests.tcp_proxy import TcpProxy

Start = Callable[..., Awaitable[tuple[RedisBroker, Ear]]]


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test has."""
    return token_hex(4)


@pytest.fixture
async def start(redis_url: str, prefix: str) -> AsyncIterator[Start]:
    """Start a broker, with an ear; on the shared server unless another URL is given."""
    started: list[RedisBroker] = []

    async def start(url: str = redis_url, **options: Any) -> tuple[RedisBroker, Ear]:
        broker, ear = RedisBroker(url, prefix=prefix, **options), Ear()
        await broker.start(ear)
        started.append(broker)
        return broker, ear

    yield start
    for broker in started:
        await broker.stop()


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """The shared server, by redis-py itself."""
    async with redis.asyncio.Redis.from_url(redis_url, protocol=2) as client:
        yield client


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[TcpProxy]:
    """A proxy before the shared server."""
    async with TcpProxy(int(redis_url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def server(redis_program: str) -> Iterator[LiveServer]:
    """A server of this test's own, which forgets everything when it stops."""
    with redis_server() as server:
        yield server


@pytest.fixture
def keeping_server(redis_program: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server of this test's own, which keeps everything when it stops."""
    with redis_server(folder=tmp_path) as server:
        yield server


def proxied(proxy: TcpProxy) -> str:
    """The URL of what is behind a proxy."""
    return f"redis://127.0.0.1:{proxy.port}"


async def die(broker: RedisBroker) -> None:
    """End a broker as a crash would: it says nothing any more."""
    attending, servers = broker._attending, broker._servers
    assert attending is not None
    assert servers is not None
    await attending.stop()
    await servers.stop()
