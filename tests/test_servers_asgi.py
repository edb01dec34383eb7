"""The same application on every server: what each must do, and what a bad client gets for its pains.

Each test runs on our own server and on uvicorn, hypercorn and granian, with the `websockets` client.
"""

import asyncio
import json
import socket
import struct
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.servers import HOST, LiveServer

APP = "tests.live_app:app"
PYTHON = [sys.executable, "-m"]

COMMANDS = {
    "antiphon": [*PYTHON, "antiphon", "run", APP, "--host", HOST, "--port", "{port}"],
    "uvicorn": [*PYTHON, "uvicorn", APP, "--host", HOST, "--port", "{port}", "--ws", "websockets-sansio"],
    "uvicorn, our protocol": [
        *PYTHON, "uvicorn", APP, "--host", HOST, "--port", "{port}",
        "--ws", "antiphon.server:WebSocketProtocol",
    ],
    "hypercorn": [*PYTHON, "hypercorn", APP, "--bind", f"{HOST}:{{port}}"],
    "granian": [*PYTHON, "granian", "--interface", "asgi", "--host", HOST, "--port", "{port}", APP],
}  # fmt: skip

Open = Callable[..., Any]


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """The application on each of the servers."""
    with LiveServer(COMMANDS[request.param], start_timeout=30) as server:
        yield server
        # How servers stop is not the matter here, and handlers that never end are.
        server.kill()


@pytest.fixture
def open_ws(server: LiveServer) -> Open:
    """Connect to a path; every wait within has a deadline."""

    @asynccontextmanager
    async def open_ws(path: str, **options: Any) -> AsyncIterator[ClientConnection]:
        # Granian answers no close while a handler runs.
        opening = connect(server.ws(path), proxy=None, close_timeout=0.5, **options)
        async with asyncio.timeout(15), opening as ws:
            yield ws

    return open_ws


async def end_of(ws: ClientConnection) -> tuple[int, str]:
    try:
        async for _ in ws:
            pass
    except ConnectionClosed:
        """A close with another code than 1000 and 1001 is an exception to this client."""
    return ws.close_code or 0, ws.close_reason or ""


async def status_of(open_ws: Open, path: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with open_ws(path, **options):
            pass
    return caught.value.response.status_code


def connections(server: LiveServer) -> int:
    with urllib.request.urlopen(server.http("/"), timeout=5) as response:
        return sum(json.load(response).values())


async def none_left(server: LiveServer) -> bool:
    """Whether all connections are soon gone from the registries."""
    for _ in range(500):
        if not await asyncio.to_thread(connections, server):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_speaks(open_ws: Open, server: LiveServer) -> None:
    """Text and binary, views and events, channels and HTTP."""
    async with open_ws("/echo") as ws:
        for message in ("text", "ä😀", "", b"bytes", b"", "x" * 1000):
            await ws.send(message)
            assert await ws.recv() == message
    async with open_ws("/events") as one, open_ws("/events") as two:
        await two.send("ready?")
        assert await two.recv() == "ready?"
        await one.send("all")
        assert {await one.recv(), await one.recv()} == {"to all", "all"}
        assert await two.recv() == "to all"
        assert await asyncio.to_thread(connections, server) == 2
    assert await none_left(server)


async def test_accepts_with_subprotocol_and_headers(open_ws: Open, server: LiveServer) -> None:
    """What the view accepts with reaches the client; its failure then is 1011 without internals."""
    async with open_ws("/fails", subprotocols=[Subprotocol("v0"), Subprotocol("v1")]) as ws:
        assert ws.subprotocol == "v1"
        # Granian leaves out the headers of an accept.
        assert ws.response.headers.get("x-seen") == (None if "granian" in server.command else "yes")
        assert await end_of(ws) == (1011, "")


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/unknown", {}, 404),
        ("/", {}, 404),
        ("/text?times=x", {}, 400),
        ("/echo", {"origin": "https://evil.example"}, 403),
        ("/fails?accept=false", {}, 500),
        ("/never", {}, 503),
    ],
)
async def test_refuses(
    open_ws: Open, server: LiveServer, path: str, options: dict[str, Any], status: int
) -> None:
    """An unknown path, a bad query, a wrong Origin, a failing view, one that never accepts."""
    assert await status_of(open_ws, path, **options) == status
    assert await none_left(server)


async def test_origin(open_ws: Open, server: LiveServer) -> None:
    """An allowed Origin, the same host, and no Origin at all may connect."""
    for origin in ("https://good.example", f"http://{HOST}:{server.port}", None):
        async with open_ws("/echo", origin=origin) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"


@pytest.mark.parametrize(
    ("path", "sent", "code"),
    [
        ("/echo", "x" * 1001, 1009),
        ("/echo", b"x" * 1001, 1009),
        ("/echo", "ä" * 501, 1009),
        ("/echo", ["x" * 400] * 3, 1009),
        ("/text", b"binary", 1003),
        ("/slow", "no number", 1011),
    ],
)
async def test_closes(open_ws: Open, server: LiveServer, path: str, sent: Any, code: int) -> None:
    """Too large a message (in one frame or several), the wrong kind, or one its handler fails on."""
    async with open_ws("/echo") as other, open_ws(path) as ws:
        await ws.send(sent)
        assert (await end_of(ws))[0] == code
        await other.send("undisturbed")
        assert await other.recv() == "undisturbed"
    assert await none_left(server)


async def test_forgotten_accept(open_ws: Open) -> None:
    """A view that never uses its WebSocket does not let its client hang."""
    async with open_ws("/forgotten"):
        pass


async def test_client_closes(open_ws: Open, server: LiveServer) -> None:
    """A clean close is answered with the same code."""
    async with open_ws("/events") as ws:
        await ws.close(4321, "bye")
        assert ws.close_code == 4321
    assert await none_left(server)


@pytest.mark.parametrize("path", ["/echo", "/events", "/slow", "/forgotten"])
async def test_client_vanishes(open_ws: Open, server: LiveServer, path: str) -> None:
    """A TCP reset, also in the middle of a handler, ends that connection and nobody notices."""
    async with open_ws("/echo") as other:
        async with open_ws(path) as ws:
            await ws.send("0.2")
            if path != "/forgotten":
                await ws.recv()
            sock = ws.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.transport.abort()
            await ws.wait_closed()
        await other.send("undisturbed")
        assert await other.recv() == "undisturbed"
    assert path == "/forgotten" or await none_left(server)


async def test_peer_that_does_not_read(open_ws: Open, server: LiveServer) -> None:
    """A peer that reads nothing is disconnected when its outbox is full; another one gets everything."""
    handshake = (
        f"GET /flood HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((HOST, server.port))
        sock.sendall(handshake.encode())
        assert (await asyncio.to_thread(sock.recv, 1000)).startswith(b"HTTP/1.1 101")
        async with open_ws("/flood") as ws:
            for _ in range(30):
                await ws.send("50")
                for _ in range(50):
                    assert len(await ws.recv()) == 10_000
        assert await none_left(server)
    assert "<WebSocket /flood" in server.output()
    assert "reads too slowly: disconnected" in server.output()


async def test_blocking_handler(open_ws: Open) -> None:
    """While a plain handler blocks for ever, another connection is served at once."""
    async with open_ws("/events") as blocked, open_ws("/events") as other:
        await blocked.send("block")
        began = time.monotonic()
        for number in range(50):
            await other.send(str(number))
            assert await other.recv() == str(number)
        assert time.monotonic() - began < 5


async def test_many_come_and_go(open_ws: Open, server: LiveServer) -> None:
    """Connections that come, talk and go in crowds leave nothing behind."""

    async def talk(number: int) -> None:
        async with open_ws("/echo") as ws:
            await ws.send(str(number))
            assert await ws.recv() == str(number)

    for _ in range(4):
        await asyncio.gather(*(talk(number) for number in range(25)))
    assert await none_left(server)
    assert "Traceback" not in server.output() or "LookupError: secret" in server.output()
