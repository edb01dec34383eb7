"""examples/recovery.py: its client loses nothing, whatever happens to the server, or says so."""

import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from examples.recovery import follow
from tests.redis_server import redis_server, url_of
from tests.servers import LiveServer


@pytest.fixture
def broker(redis_program: str) -> Iterator[str]:
    """A Redis, so that the server may be restarted without forgetting."""
    with redis_server() as server:
        yield url_of(server)


def report(server: LiveServer, text: str) -> None:
    """Put a text on the board."""
    httpx.post(server.http("/board"), params={"text": text}).raise_for_status()


def test_goes_on_after_a_restart(broker: str) -> None:
    """What was published while the client was away comes first, once and in order."""
    env = {"ANTIPHON_BROKER": broker}
    with (
        LiveServer.antiphon("examples.recovery:app", env=env) as server,
        LiveServer.antiphon("examples.recovery:app", env=env) as other,
    ):
        report(server, "zero")
        lines = follow(server.ws("/board"), since="0." + epoch(server))
        assert next(lines) == "zero"
        server.stop()
        for text in ("one", "two"):
            report(other, text)
        server.start()
        assert [next(lines), next(lines)] == ["one", "two"]
        report(other, "three")
        assert next(lines) == "three"


def test_says_what_is_missing() -> None:
    """A server that forgot says so, and the client shows where something is missing."""
    with LiveServer.antiphon("examples.recovery:app") as server:
        report(server, "zero")
        lines = follow(server.ws("/board"), since="0." + epoch(server))
        assert next(lines) == "zero"
        server.stop()
        server.start()
        report(server, "one")
        assert next(lines) == "---"
        report(server, "two")
        assert next(lines) == "two"


def epoch(server: LiveServer) -> str:
    """The epoch in which the board stands."""
    with connect(server.ws("/board")) as ws:
        position: str = json.loads(ws.recv(timeout=10))["position"]
    return position.partition(".")[2]
