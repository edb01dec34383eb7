"""Plain ASGI events over our own transport: those that cannot be are errors which say why."""

from collections.abc import Iterator

import pytest

from tests.hostile.peer import Peer, request
from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.antiphon("tests.server.events_app:app") as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/accept-after-start", 429, "'websocket.accept' cannot come now"),
        ("/close-after-start", 429, "'websocket.close' cannot come now"),
        ("/start-twice", 429, "'websocket.http.response.start' cannot come now"),
        ("/close-after-body", 429, "'websocket.http.response.start' cannot come now"),
        ("/body-before-start", 429, "websocket.http.response.body before"),
        ("/send-before-accept", 101, "websocket.send before websocket.accept"),
        ("/accept-twice", 101, "'websocket.accept' cannot come now"),
        ("/send-nothing", 101, "neither text nor bytes"),
        ("/send-neither", 101, "neither text nor bytes"),
    ],
)
async def test_events_that_cannot_be(server: LiveServer, path: str, status: int, told: str) -> None:
    """An event at the wrong time, or without what it is for, is an error of who sent it, and does nothing."""
    async with Peer.raw(server) as peer:
        await peer.send(request(path))
        assert await peer.status() == status
        assert await peer.gone() if status == 429 else await peer.closed() == 1000
    line = next(line for line in server.output().splitlines() if line.startswith(f"{path} was told: "))
    assert told in line
