"""Bocadillo's ``WebSocket``: events, iteration, errors, and every way of ending."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect as StarlettesDisconnect

from antiphon.compat.bocadillo import App, WebSocket, WebSocketDisconnect
from tests.compat.live import ended, refusal, said, said_json, serving, vanish, ws


class Views:
    """Views at their paths, and what they leave for the test to look at."""

    def __init__(self) -> None:
        self.app = App()
        self.left: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.app.websocket_route(path, **options)

    async def outcome(self) -> Any:
        """What a view leaves next."""
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


async def test_events(views: Views) -> None:
    """With the type ``event``, raw ASGI events both ways, and the end once."""

    @views("/ws", value_type="event")
    async def view(ws: WebSocket) -> None:
        async for event in ws:
            views.left.put_nowait(event)
            if event["type"] == "websocket.receive":
                await ws.send({"type": "websocket.send", "text": "pong"})

    async with serving(views.app) as address:
        async with ws(address, "/ws") as client:
            await client.send("ping")
            assert await said(client) == "pong"
        assert await views.outcome() == {"type": "websocket.receive", "text": "ping"}
        assert (await views.outcome())["type"] == "websocket.disconnect"


async def test_wrong_kinds(views: Views) -> None:
    """A binary message where text is due closes with 1003, what is no JSON with 1007."""

    @views("/text")
    async def text(ws: WebSocket) -> None:
        await ws.receive()

    @views("/json", value_type="json")
    async def json(ws: WebSocket) -> None:
        await ws.receive()

    async with serving(views.app) as address:
        async with ws(address, "/text") as client:
            await client.send(b"x")
            assert (await ended(client))[0] == 1003
        async with ws(address, "/json") as client:
            await client.send("{")
            assert (await ended(client))[0] == 1007


async def test_by_kind(views: Views) -> None:
    """The methods for one kind of message are there, whatever the route's types."""

    @views("/ws")
    async def view(ws: WebSocket) -> None:
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())
        await ws.send_json(await ws.receive_json())

    async with serving(views.app) as address, ws(address, "/ws") as client:
        for message in ("a", b"b", '{"c":1}'):
            await client.send(message)
            assert await said(client) == message


async def test_errors(views: Views) -> None:
    """What a view raises closes with 1011, also before it used the connection; nothing is told."""

    @views("/before")
    async def before(ws: WebSocket) -> None:
        raise ValueError("secret")

    @views("/accepted", auto_accept=False)
    async def accepted(ws: WebSocket) -> None:
        await ws.accept()
        raise ValueError("secret")

    @views("/inside")
    async def inside(ws: WebSocket) -> None:
        async with ws:
            raise ValueError("secret")

    @views("/refused", auto_accept=False)
    async def refused(ws: WebSocket) -> None:
        raise ValueError("secret")

    async with serving(views.app) as address:
        for path in ("/before", "/accepted", "/inside"):
            async with ws(address, path) as client:
                assert await ended(client) == (1011, "")
        assert await refusal(address, "/refused") == 403


async def test_return_value(views: Views) -> None:
    """What a view returns is not sent."""

    @views("/ws")
    async def view(ws: WebSocket) -> str:
        return "value"

    async with serving(views.app) as address, ws(address, "/ws") as client:
        assert await ended(client) == (1000, "")


async def test_closing(views: Views) -> None:
    """A second ``close`` and sending after it are errors, ``ensure_closed`` never is."""

    @views("/ws", auto_accept=False)
    async def view(ws: WebSocket) -> None:
        await ws.accept()
        async with ws:
            await ws.ensure_closed(4242)
            await ws.ensure_closed()
            for attempt in (ws.close(), ws.send("x"), ws.receive()):
                await views.attempt(attempt)

    async with serving(views.app) as address, ws(address, "/ws") as client:
        assert await ended(client) == (4242, "")
        for _ in range(3):
            assert isinstance(await views.outcome(), RuntimeError)


async def test_client_gone(views: Views) -> None:
    """To a client that has left sending and closing are no errors; receiving tells."""

    @views("/ws")
    async def view(ws: WebSocket) -> None:
        await views.attempt(ws.receive())
        for attempt in (ws.send("x"), ws.close(), ws.ensure_closed(), ws.receive()):
            await views.attempt(attempt)

    async with serving(views.app) as address:
        async with ws(address, "/ws") as client:
            await (await client.ping())
            vanish(client)
        first, *middle, last = [await views.outcome() for _ in range(5)]
        assert middle == [None, None, None]
        for error in (first, last):
            assert type(error) is WebSocketDisconnect
            assert (error.code, error.reason) == (1006, "")
            assert isinstance(error, StarlettesDisconnect)


async def test_rejecting(views: Views) -> None:
    """403 in whatever way it is said, 1008 when it is too late for that; nothing works afterwards."""

    @views("/reject", auto_accept=False)
    async def reject(ws: WebSocket) -> None:
        await ws.reject()

    @views("/close")
    async def close(ws: WebSocket) -> None:
        await ws.close(403)

    @views("/late")
    async def late(ws: WebSocket) -> None:
        await ws.send("welcome")
        await ws.reject()

    @views("/stubborn")
    async def stubborn(ws: WebSocket) -> None:
        await ws.reject()
        for attempt in (ws.accept(), ws.send("x"), ws.receive(), ws.__aenter__()):
            await views.attempt(attempt)

    async with serving(views.app) as address:
        for path in ("/reject", "/close", "/stubborn"):
            assert await refusal(address, path) == 403
        for _ in range(4):
            assert isinstance(await views.outcome(), WebSocketDisconnect)
        async with ws(address, "/late") as client:
            assert await said(client) == "welcome"
            assert await ended(client) == (1008, "")


async def test_unaccepted(views: Views) -> None:
    """With ``auto_accept=False`` using a connection that is not accepted is an error that says so."""

    @views("/ws", auto_accept=False)
    async def view(ws: WebSocket) -> None:
        for attempt in (ws.receive(), ws.send("x")):
            await views.attempt(attempt)

    async with serving(views.app) as address:
        assert await refusal(address, "/ws") == 403
        for _ in range(2):
            assert "accept()" in str(await views.outcome())


async def test_attributes(views: Views) -> None:
    """A view can ask which close codes are caught; a session needs to be set up."""

    @views("/ws", caught_close_codes=(1000,), send_type="json")
    async def view(ws: WebSocket) -> None:
        with pytest.raises(AssertionError, match="SessionMiddleware"):
            ws.session  # noqa: B018 - reading it is what raises
        await ws.send(ws.caught_close_codes)

    async with serving(views.app) as address, ws(address, "/ws") as client:
        assert await said_json(client) == [1000]
