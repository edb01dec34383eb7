"""examples/echo.py sends back what it is sent, text and bytes alike, louder on request."""

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The example."""
    with LiveServer.antiphon("examples.echo:app") as running:
        yield running


@pytest.mark.parametrize("message", ["hello", b"\x00\xff", "", "ö" * 1000])
def test_echoes(server: LiveServer, message: str | bytes) -> None:
    """A message comes back as it was sent."""
    with connect(server.ws("/echo")) as ws:
        ws.send(message)
        assert ws.recv(timeout=5) == message


def test_shouts(server: LiveServer) -> None:
    """A query parameter says how often."""
    with connect(server.ws("/shout?times=3")) as ws:
        ws.send("hey")
        assert ws.recv(timeout=5) == "HEY HEY HEY"


@pytest.mark.parametrize("times", ["often", "0", "10"])
def test_refuses_what_is_no_small_number(server: LiveServer, times: str) -> None:
    """A parameter of the wrong type or out of its range refuses the handshake and says which."""
    with pytest.raises(InvalidStatus) as refused, connect(server.ws(f"/shout?times={times}")):
        pass
    assert refused.value.response.status_code == 400
    assert b"times" in refused.value.response.body
