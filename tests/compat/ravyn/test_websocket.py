"""Ravyn's ``WebSocket``: accepted by hand, raw ASGI, iterators, JSON in two modes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect as StarlettesDisconnect

from antiphon.compat.ravyn import Ravyn, WebSocket, WebSocketDisconnect
from tests.compat.live import ended, refusal, said, serving, vanish, ws


class Views:
    """Handlers at their paths, and what they leave for the test to look at."""

    def __init__(self) -> None:
        self.app = Ravyn()
        self.left: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self, path: str) -> Callable[[Any], Any]:
        return self.app.websocket(path)

    async def outcome(self) -> Any:
        """What a handler leaves next."""
        return await asyncio.wait_for(self.left.get(), 5)

    async def attempt(self, what: Any) -> None:
        """Await something, and leave what became of it."""
        try:
            self.left.put_nowait(await what)
        except Exception as error:
            self.left.put_nowait(error)


@pytest.fixture
def views() -> Views:
    return Views()


async def test_accept(views: Views) -> None:
    """With a subprotocol and headers; a second time is an error."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.accept(subprotocol="chat.v1", headers={"X-Made-By": "hand"})
        await views.attempt(socket.accept())

    async with serving(views.app) as address:
        async with ws(address, "/ws", subprotocols=["chat.v2", "chat.v1"]) as client:
            assert client.subprotocol == "chat.v1"
            assert client.response is not None
            assert client.response.headers["x-made-by"] == "hand"
            assert await ended(client) == (1000, "")
        assert isinstance(await views.outcome(), RuntimeError)


async def test_before_accepting(views: Views) -> None:
    """Nothing can be received or sent, and the error says what to do."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        for attempt in (socket.receive_text(), socket.send_text("x"), socket.receive_json()):
            await views.attempt(attempt)
        await socket.receive_text()

    async with serving(views.app) as address:
        assert await refusal(address, "/ws") == 403
        for _ in range(3):
            error = await views.outcome()
            assert isinstance(error, RuntimeError)
            assert "accept()" in str(error)


async def test_close_before_accepting(views: Views) -> None:
    """Closing instead of accepting refuses."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.close()

    async with serving(views.app) as address:
        assert await refusal(address, "/ws") == 403


async def test_raw(views: Views) -> None:
    """``receive`` and ``send`` are ASGI's, from the first event to the last."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        assert await socket.receive() == {"type": "websocket.connect"}
        await socket.send({"type": "websocket.accept"})
        while (event := await socket.receive())["type"] == "websocket.receive":
            await socket.send({**event, "type": "websocket.send"})
        views.left.put_nowait(event)
        await views.attempt(socket.receive())

    async with serving(views.app) as address:
        async with ws(address, "/ws") as client:
            for message in ("text", b"bytes"):
                await client.send(message)
                assert await said(client) == message
            await client.close(4000, "enough")
        assert await views.outcome() == {"type": "websocket.disconnect", "code": 4000, "reason": "enough"}
        assert isinstance(await views.outcome(), RuntimeError)


async def test_iterators(views: Views) -> None:
    """They yield until the client leaves, and then end without a word."""

    @views("/{kind}")
    async def view(socket: WebSocket, kind: str) -> None:
        await socket.accept()
        heard = [message async for message in getattr(socket, f"iter_{kind}")()]
        views.left.put_nowait(heard)

    async with serving(views.app) as address:
        for kind, messages, heard in [
            ("text", ["a", "b"], ["a", "b"]),
            ("bytes", [b"a"], [b"a"]),
            ("json", ["[1]", '{"a": 2}'], [[1], {"a": 2}]),
        ]:
            async with ws(address, f"/{kind}") as client:
                for message in messages:
                    await client.send(message)
            assert await views.outcome() == heard


async def test_json_modes(views: Views) -> None:
    """In text messages, or in binary ones."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(await socket.receive_json())
        await socket.send_json(await socket.receive_json(mode="binary"), mode="binary")
        await views.attempt(socket.send_json([], mode="other"))  # type: ignore[arg-type]

    async with serving(views.app) as address, ws(address, "/ws") as client:
        for message in ('{"ä":1}', '{"ä":2}'.encode()):
            await client.send(message)
            assert await said(client) == message
        assert isinstance(await views.outcome(), RuntimeError)


async def test_wrong_kind(views: Views) -> None:
    """Text where binary is due closes with 1003."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_bytes()

    async with serving(views.app) as address, ws(address, "/ws") as client:
        await client.send("text")
        assert (await ended(client))[0] == 1003


async def test_after_own_close(views: Views) -> None:
    """Whatever is done with it is a ``RuntimeError``."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001, reason="bye")
        for attempt in (socket.send_text("x"), socket.send_json(1), socket.close(), socket.receive_text()):
            await views.attempt(attempt)

    async with serving(views.app) as address, ws(address, "/ws") as client:
        assert await ended(client) == (4001, "bye")
        for _ in range(4):
            assert isinstance(await views.outcome(), RuntimeError)


async def test_client_gone(views: Views) -> None:
    """Sending and closing are no errors then; receiving raises the one exception there is."""

    @views("/ws")
    async def view(socket: WebSocket) -> None:
        await socket.accept()
        await views.attempt(socket.receive_text())
        send = {"type": "websocket.send", "text": "x"}
        for attempt in (socket.send_text("x"), socket.send_json(1), socket.send(send), socket.close()):
            await views.attempt(attempt)
        await socket.receive_text()

    async with serving(views.app) as address:
        async with ws(address, "/ws") as client:
            await (await client.ping())
            vanish(client)
        error, *others = [await views.outcome() for _ in range(5)]
        assert type(error) is WebSocketDisconnect
        assert error.code == 1006
        assert isinstance(error, StarlettesDisconnect)
        assert others == [None] * 4
