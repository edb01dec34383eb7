"""docs/guide/brokers.md: one program, in one process or several."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from antiphon import Antiphon
from antiphon.errors import BrokerUnavailable, ConfigurationError
from antiphon.testing import TestClient
from tests.docs.programs import programs
from tests.redis_server import redis_server, url_of
from tests.servers import LiveServer, free_loopback_port

PAGE = "docs/guide/brokers.md"


@pytest.fixture
def redis(redis_program: str) -> Iterator[LiveServer]:
    """A Redis of its own, for it is stopped."""
    with redis_server() as server:
        yield server


@pytest.fixture
def two(redis: LiveServer, tmp_path: Path) -> Iterator[tuple[LiveServer, LiveServer]]:
    """The page's program in two processes that have a broker."""
    (tmp_path / "served.py").write_text(programs(PAGE)["app"].source)
    env = {"ANTIPHON_BROKER": url_of(redis)}
    with (
        LiveServer.antiphon("served:app", env=env, cwd=tmp_path) as one,
        LiveServer.antiphon("served:app", env=env, cwd=tmp_path) as other,
    ):
        yield one, other


def hear(ws: ClientConnection) -> Any:
    """The next message."""
    return json.loads(ws.recv(timeout=10))


def closed(ws: ClientConnection) -> int | None:
    """The close code, when it comes."""
    with suppress(ConnectionClosed):
        for _ in ws:
            pass
    return ws.close_code


def test_two_processes(two: tuple[LiveServer, LiveServer]) -> None:
    """Members, publications, positions and broadcasts know no processes."""
    one, other = two
    with connect(one.ws("/rooms/red?name=Ann")) as ann:
        assert hear(ann) == {"here": ["Ann"], "recovered": None}
        with connect(other.ws("/rooms/red?name=Ben")) as ben:
            assert hear(ben)["here"] == ["Ann", "Ben"]
            assert hear(ann)["data"] == {"join": {"user": "Ben", "info": None}}
            ann.send("one")
            last = hear(ben)
            assert last["data"] == hear(ann)["data"] == "one"
        ann.send("two")
        assert hear(ann)["data"] == "two"
        with connect(one.ws(f"/rooms/red?name=Ben&since={last['offset']}.{last['epoch']}")) as ben:
            assert hear(ben)["data"] == "two"
            assert hear(ben)["recovered"] is True
            httpx.post(other.http("/closing")).raise_for_status()
            for each in (ann, ben):
                assert each.recv(timeout=10) == "we close in ten minutes"


def test_outage(two: tuple[LiveServer, LiveServer], redis: LiveServer) -> None:
    """Sockets stay open, who comes is asked to come later; that Redis lost its memory is told."""
    one, _ = two
    with connect(one.ws("/rooms/red?name=Ann")) as ann:
        hear(ann)
        ann.send("before")
        assert hear(ann)["data"] == "before"
        redis.stop()
        with connect(one.ws("/rooms/blue?name=Ben")) as ben:
            assert closed(ben) == 1013
        assert ann.close_code is None
        redis.start()
        assert closed(ann) == 4009


async def test_down_at_the_start() -> None:
    """The application does not start, and says where and why."""
    port = free_loopback_port()
    app = Antiphon(broker=f"redis://127.0.0.1:{port}")
    with pytest.raises(BrokerUnavailable, match=str(port)):
        async with TestClient(app):
            pass


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """ANTIPHON_BROKER chooses where the program does not; what is no broker is an error at once."""
    assert not Antiphon().spans_processes
    monkeypatch.setenv("ANTIPHON_BROKER", "redis://localhost")
    assert Antiphon().spans_processes
    assert not Antiphon(broker="memory://").spans_processes
    with pytest.raises(ConfigurationError):
        Antiphon(broker="carrier-pigeon://loft")
