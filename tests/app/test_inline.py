"""Plain functions that run on the event loop itself: `on(..., inline=True)`."""

import asyncio
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from antiphon import Antiphon, WebSocket
from antiphon.errors import BindingError
from antiphon.testing import TestClient
from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.antiphon("tests.app.inline_app:app") as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


async def test_answers_in_order(server: LiveServer) -> None:
    """What waits together is answered in order, text as text and bytes as bytes."""
    async with connect(server.ws("/echo")) as ws:
        sent = [str(number) if number % 3 else bytes([number]) for number in range(200)]
        for message in sent:
            await ws.send(message)
        assert [await ws.recv() for _ in sent] == sent


async def test_large_answers_to_a_slow_reader(server: LiveServer) -> None:
    """Answers above the high-water mark wait for the peer; nothing is lost, and others are served."""
    large = ["x" * 300_000 + str(number) for number in range(20)]
    async with connect(server.ws("/echo"), max_queue=1, max_size=None) as slow:
        sending = asyncio.create_task(_send_all(slow, large))
        async with connect(server.ws("/echo")) as other:
            await other.send("here")
            assert await other.recv() == "here"
        assert [await slow.recv() for _ in large] == large
        await sending


async def _send_all(ws, messages):  # type: ignore[no-untyped-def]
    for message in messages:
        await ws.send(message)


async def test_closing_drops_what_waits(server: LiveServer) -> None:
    """A handler that closes handles no further message of the same read."""
    async with connect(server.ws("/leaves")) as ws:
        ws.transport.write(b"".join(map(_frame, [b"a", b"leave", b"never"])))
        assert await ws.recv() == "a"
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert (ws.close_code, ws.close_reason) == (4001, "left")
    assert "never" not in await asyncio.to_thread(_get, server.http("/left"))


def _frame(payload: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _get(url: str) -> str:
    from urllib.request import urlopen

    with urlopen(url) as response:
        return str(response.read().decode())


async def test_failing(server: LiveServer) -> None:
    """What it raises goes to the error handler, which may wait; then the next message has its turn."""
    async with connect(server.ws("/failing")) as ws:
        ws.transport.write(b"".join(map(_frame, [b"1", b"x", b"3"])))
        assert [await ws.recv() for _ in range(3)] == ["2", "ValueError", "4"]


async def test_something_was_cancelled(server: LiveServer) -> None:
    """What it lets through of something that was cancelled is an error like another."""
    async with connect(server.ws("/failing")) as ws:
        ws.transport.write(b"".join(map(_frame, [b"1", b"cancelled", b"3"])))
        assert [await ws.recv() for _ in range(3)] == ["2", "RuntimeError", "4"]


async def test_in_process() -> None:
    """It works on any ASGI server, and for other events."""
    app = Antiphon()
    endpoint = app.events("/")

    @endpoint.on("connect", inline=True)
    def joined(ws: WebSocket) -> str:
        return "welcome"

    @endpoint.on("message", inline=True)
    def said(ws: WebSocket, message: str) -> str:
        return message.upper()

    async with TestClient(app) as client, client.websocket("/") as ws:
        assert await ws.receive() == "welcome"
        await ws.send("a")
        assert await ws.receive() == "A"


def test_coroutine_function() -> None:
    """A coroutine function runs on the event loop anyway: saying it twice is a mistake."""
    with pytest.raises(BindingError, match="inline is for plain functions"):

        @Antiphon().events("/").on("message", inline=True)
        async def said(ws: WebSocket, message: str) -> None: ...
