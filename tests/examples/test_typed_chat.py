"""examples/typed_chat.py takes messages of its two types and closes on everything else."""

import json
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The example."""
    with LiveServer.antiphon("examples.typed_chat:app") as running:
        yield running


def test_everybody_hears_everybody(server: LiveServer) -> None:
    """What one says reaches all, under the name that the speaker has by then."""
    with connect(server.ws("/chat?name=Ann")) as ann, connect(server.ws("/chat?name=Ben")) as ben:
        ann.send('{"type": "say", "text": "hello"}')
        ann.send('{"type": "rename", "name": "Anna"}')
        ann.send('{"type": "say", "text": "again"}')
        for ws in (ann, ben):
            assert json.loads(ws.recv(timeout=5)) == {"from": "Ann", "text": "hello"}
            assert json.loads(ws.recv(timeout=5)) == {"from": "Anna", "text": "again"}


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ('{"type": "say"}', "text"),
        ('{"type": "rename", "name": ""}', "name"),
        ('{"type": "sing"}', "sing"),
        ("hello", "JSON"),
    ],
)
def test_closes_on_what_does_not_fit(server: LiveServer, message: str, problem: str) -> None:
    """A message of no type closes its connection with 1007 and a reason, and no other one."""
    with connect(server.ws("/chat?name=Ann")) as ann, connect(server.ws("/chat?name=Ben")) as ben:
        ann.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            ann.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
        assert problem in closed.value.rcvd.reason
        ben.send('{"type": "say", "text": "still here"}')
        assert "still here" in str(ben.recv(timeout=5))
