"""More messages than a connection may send."""

import pytest

from tests.hostile.peer import Peer, quiet
from tests.servers import LiveServer
from tests.wire.helpers import text


@pytest.mark.parametrize("app", ["tests.hostile.app:app", "tests.hostile.plain:app"])
async def test_messages_per_second(app: str) -> None:
    """Ten seconds' worth of messages may come at once; one more closes that connection with 1008."""
    with LiveServer.antiphon(app, "--limit", "messages_per_second=20") as server:
        async with Peer.open(server) as peer, Peer.open(server) as other:
            with quiet(server):
                await peer.send(text("x") * 200)
                for _ in range(200):
                    assert await peer.frame() == (1, b"x")
                await peer.send(text("x") * 1000)
                assert await peer.closed() == 1008
            await other.send(text("y"))
            assert await other.frame() == (1, b"y")
