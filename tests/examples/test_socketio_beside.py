"""examples/socketio_beside.py joins Socket.IO clients and plain WebSockets in one conversation."""

import asyncio

import pytest
import socketio
from websockets.asyncio.client import connect

from tests.servers import LiveServer


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"]])
async def test_both_kinds_hear_each_other(transports: list[str]) -> None:
    """What a Socket.IO client says, at once on a WebSocket or after polling, both kinds hear; and back."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    client = socketio.AsyncClient()
    client.on("said", heard.put)
    with LiveServer.antiphon("examples.socketio_beside:app") as server:
        async with asyncio.timeout(15), connect(server.ws("/talk")) as plain:
            await client.connect(server.http(), transports=transports)
            await plain.send("from a plain socket")
            assert await plain.recv() == "from a plain socket"
            assert await heard.get() == "from a plain socket"
            await client.emit("said", "from Socket.IO")
            assert await plain.recv() == "from Socket.IO"
            assert await heard.get() == "from Socket.IO"
            await client.disconnect()
