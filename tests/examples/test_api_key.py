"""examples/api_key.py lets in who has the key, by header or query, and nobody else."""

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The example, with a key of ours."""
    with LiveServer.antiphon("examples.api_key:app", env={"API_KEY": "öffne dich"}) as running:
        yield running


def test_lets_in_by_query_or_header(server: LiveServer) -> None:
    """The key opens the connection, wherever it is given."""
    with connect(server.ws("/private?key=%C3%B6ffne+dich")) as ws:
        assert ws.recv(timeout=5) == "welcome"
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong"])
def test_refuses_before_the_connection_is_made(server: LiveServer, query: str) -> None:
    """Without the key the handshake is answered with 401 and says why."""
    with pytest.raises(InvalidStatus) as refused, connect(server.ws(f"/private{query}")):
        pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.body == b"this needs a valid API key"


def test_a_wrong_header_is_not_saved_by_the_query(server: LiveServer) -> None:
    """The header decides where there is one."""
    with (
        pytest.raises(InvalidStatus),
        connect(server.ws("/private?key=%C3%B6ffne+dich"), additional_headers={"X-API-Key": "wrong"}),
    ):
        pass
