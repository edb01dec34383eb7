"""What all tests share: asyncio, free ports, servers, services, and Chromium."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broadcast.services import AblyService, PusherService, Service
from tests.nats_server import NatsServer
from tests.redis_server import RedisCluster, redis_server, url_of
from tests.servers import free_loopback_port

# The suite tries the same examples each time, so that it fails for a change and for nothing else. New
# ones are looked for by `make soak`, with HYPOTHESIS_PROFILE=soak.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# A shell's background jobs ignore Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run coroutine tests on asyncio only: Antiphon runs nowhere else."""
    return "asyncio"


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago."""
    return free_loopback_port()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """The nats-server that all tests share; each has a prefix of its own."""
    with NatsServer() as server:
        yield server


@pytest.fixture
def pusher() -> Iterator[Service]:
    """Pusher's HTTP API."""
    with PusherService() as service:
        yield service
    assert service.problems == []


@pytest.fixture
def ably() -> Iterator[Service]:
    """Ably's REST API."""
    with AblyService() as service:
        yield service
    assert service.problems == []


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The Chromium to give to Playwright; without one the test is skipped, in CI it fails.

    Launch it with `executable_path=chromium_path` and `args=["--no-sandbox"]`.
    """
    path = _find_chromium()
    if path is not None:
        return path
    missing = "Chromium is missing: apt-get install chromium, or set CHROMIUM=/path/to/chromium"
    if IN_CI:
        pytest.fail(f"{missing}. Nothing may be skipped with CI=true.", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def redis_program() -> str:
    """The Redis server's program; without one the test is skipped, in CI it fails."""
    program = shutil.which("redis-server")
    if program is not None:
        return program
    missing = "redis-server is missing: apt-get install redis-server"
    if IN_CI:
        pytest.fail(f"{missing}. Nothing may be skipped with CI=true.", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def redis_url(redis_program: str) -> Iterator[str]:
    """A Redis server that all tests share; each takes a prefix of its own."""
    with redis_server() as server:
        yield url_of(server)


@pytest.fixture(scope="session")
def redis_cluster_url(redis_program: str) -> Iterator[str]:
    """A Redis Cluster of three nodes that all tests share."""
    with RedisCluster() as cluster:
        yield cluster.url


def _find_chromium() -> Path | None:
    """`CHROMIUM` when it is set, else what Debian and others install."""
    chosen = os.environ.get("CHROMIUM")
    names = [chosen] if chosen else ["chromium", "chromium-browser", "/usr/bin/chromium"]
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found) if found else None
