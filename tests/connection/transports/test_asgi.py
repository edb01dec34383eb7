"""The transport over ASGI events, with a server that behaves as the worst of them do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from antiphon import Antiphon, Timeouts, WebSocket

SCOPE = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}


class Server:
    """An ASGI server of one connection, under the test's control.

    Args:
        events: What the application receives, in order; then nothing more comes.
        refuses: Whether the peer counts as gone for a ``send`` of this event, which then raises.
    """

    def __init__(self, *events: dict[str, Any], refuses: Callable[[dict[str, Any]], bool]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.incoming = asyncio.Queue[dict[str, Any]]()
        self._refuses = refuses
        for event in ({"type": "websocket.connect"}, *events):
            self.incoming.put_nowait(event)

    async def send(self, event: Any) -> None:
        if self._refuses(event):
            raise RuntimeError("not even an OSError")
        self.sent.append(event)

    async def serve(self, app: Antiphon) -> None:
        await asyncio.wait_for(app(dict(SCOPE), self.incoming.get, self.send), 5)


@pytest.fixture
def app() -> Antiphon:
    return Antiphon(timeouts=Timeouts(close=0.1, accept=100))


def gone(code: int) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code}


async def test_a_send_that_fails_is_a_disconnect(app: Antiphon) -> None:
    """Whatever the server raises, the handler sees the end as the server tells it, and no other error."""
    seen = []
    endpoint = app.events("/")

    @endpoint.on("message")
    async def said(ws: WebSocket, message: str) -> str:
        server.incoming.put_nowait(gone(4000))
        return message

    endpoint.on("close")(lambda ws: seen.append(ws.close_code))
    message = {"type": "websocket.receive", "text": "x"}
    server = Server(message, refuses=lambda event: event["type"] == "websocket.send")
    await server.serve(app)
    assert seen == [4000]


async def test_a_server_that_tells_nothing(app: Antiphon) -> None:
    """Where sends fail and no end is ever told, the connection is over within `timeouts.close`."""
    seen = []
    endpoint = app.events("/")
    endpoint.on("message")(lambda message: message)
    endpoint.on("close")(lambda ws: seen.append(ws.close_code))
    message = {"type": "websocket.receive", "text": "x"}
    await Server(message, refuses=lambda event: event["type"] == "websocket.send").serve(app)
    assert seen == [1006]


async def test_a_close_that_fails(app: Antiphon) -> None:
    """A close that cannot be sent is the end all the same, with the code that was meant."""
    seen = []
    endpoint = app.events("/")

    @endpoint.on("message")
    async def said(ws: WebSocket, message: str) -> None:
        await ws.close(4001)

    endpoint.on("close")(lambda ws: seen.append(ws.close_code))
    message = {"type": "websocket.receive", "text": "x"}
    await Server(message, refuses=lambda event: event["type"] == "websocket.close").serve(app)
    assert seen == [4001]


async def test_an_accept_that_fails(app: Antiphon) -> None:
    """A client that is gone before it is accepted is a disconnect."""
    seen = []

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        try:
            await ws.receive()
        finally:
            seen.append(ws.close_code)

    await Server(refuses=lambda event: True).serve(app)
    assert seen == [1006]


async def test_a_receive_that_fails(app: Antiphon) -> None:
    """A server whose `receive` raises when the client is gone has told it in its own way."""
    seen = []

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        seen.extend([each async for each in ws])
        seen.append(ws.close_code)

    events = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}])

    async def receive() -> Any:
        try:
            return next(events)
        except StopIteration:
            raise RuntimeError("the client is gone") from None

    async def send(event: Any) -> None: ...

    await asyncio.wait_for(app(dict(SCOPE), receive, send), 5)
    assert seen == ["x", 1006]


@pytest.mark.parametrize(
    ("told", "code"),
    [({}, 1005), ({"code": None}, 1005), ({"code": 1001, "reason": None}, 1001), ({"code": 1000}, 1000)],
)
async def test_disconnects_that_say_little(app: Antiphon, told: dict[str, Any], code: int) -> None:
    """Servers leave out what ASGI lets them; no code is 1005 and no reason is none."""
    seen = []

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        seen.append((ws.close_code, ws.close_reason))

    await Server({"type": "websocket.disconnect", **told}, refuses=lambda event: False).serve(app)
    assert seen == [(code, "")]


async def test_messages_with_both_kinds(app: Antiphon) -> None:
    """A server may give text and bytes, one of them None; what it sends has one of them."""
    server = Server(
        {"type": "websocket.receive", "text": None, "bytes": b"x"},
        {"type": "websocket.receive", "text": "", "bytes": None},
        refuses=lambda event: (event.get("text") == "" and server.incoming.put_nowait(gone(1000))) or False,
    )
    app.events("/").on("message")(lambda message: message)
    await server.serve(app)
    assert server.sent[1:] == [
        {"type": "websocket.send", "bytes": b"x"},
        {"type": "websocket.send", "text": ""},
    ]


async def test_a_cancelled_application(app: Antiphon) -> None:
    """A server that stops cancels it: the client is told 1001 and `close` runs."""
    seen = []
    begun = asyncio.Event()
    endpoint = app.events("/")

    @endpoint.on("message")
    async def said(message: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    endpoint.on("close")(lambda ws: seen.append(ws.close_code))
    server = Server({"type": "websocket.receive", "text": "x"}, refuses=lambda event: False)
    serving = asyncio.create_task(server.serve(app))
    await asyncio.wait_for(begun.wait(), 5)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert server.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": "the server stops"}
    assert seen == [1001]
