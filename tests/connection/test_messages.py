"""Receiving and sending over a WebSocket: typed, raw, and what does not fit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from antiphon import (
    Antiphon,
    InvalidMessage,
    Limits,
    Timeouts,
    WebSocket,
)
from antiphon.errors import ConfigurationError
from antiphon.testing import HandshakeRefused, TestClient

View = Callable[[WebSocket], Awaitable[Any]]


@pytest.fixture
def app() -> Antiphon:
    return Antiphon(timeouts=Timeouts(accept=100, handshake=100))


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


@pytest.fixture
def watcher(app: Antiphon) -> TestClient:
    """A client that sees what any client would: the application's exceptions are not raised."""
    return TestClient(app, raise_exceptions=False)


async def refused(client: TestClient, path: str = "/", **options: Any) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        async with client.websocket(path, **options):
            pass
    return caught.value


class TestReceiving:
    """Typed and raw receiving."""

    @pytest.mark.parametrize(
        ("declared", "sent", "received"),
        [
            (None, "text", "text"),
            (None, b"bytes", b"bytes"),
            ("text", "text", "text"),
            (str, "", ""),
            ("bytes", b"\x00", b"\x00"),
            (bytes, b"", b""),
            ("json", '{"a": [1]}', {"a": [1]}),
            ("json", b"7", 7),
            (list[int], "[1, 2]", [1, 2]),
            (int | None, "null", None),
        ],
    )
    async def test_receive_type(
        self, app: Antiphon, client: TestClient, declared: Any, sent: str | bytes, received: Any
    ) -> None:
        """`receive` and `async for` yield the endpoint's `receive_type`."""
        got = []

        @app.websocket("/", receive_type=declared)
        async def view(ws: WebSocket) -> None:
            got.append(await ws.receive())
            async for message in ws:
                got.append(message)
                break

        async with client.websocket("/") as ws:
            await ws.send(sent)
            await ws.send(sent)
            await ws.receive_close()
        assert got == [received, received]
        assert [type(each) for each in got] == [type(received)] * 2

    @pytest.mark.parametrize(
        ("declared", "sent", "code", "reason"),
        [
            ("text", b"x", 1003, "a text message is due, this one is binary"),
            ("bytes", "x", 1003, "a binary message is due, this one is text"),
            ("json", "{", 1007, "Input data was truncated"),
            ("json", b"\xff", 1007, "JSON is malformed: invalid character (byte 0)"),
            (int, '"x"', 1007, "Expected `int`, got `str`"),
            (dict[str, int], '{"a": "b"}', 1007, "Expected `int`, got `str` - at `$[...]`"),
        ],
    )
    async def test_what_does_not_fit(
        self, app: Antiphon, client: TestClient, declared: Any, sent: str | bytes, code: int, reason: str
    ) -> None:
        """A message that does not fit closes with 1003 or 1007 and says why; it is the client's error."""

        @app.websocket("/", receive_type=declared)
        async def view(ws: WebSocket) -> None:
            await ws.receive()

        async with client.websocket("/") as ws:
            await ws.send(sent)
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (code, reason)

    async def test_caught(self, app: Antiphon, client: TestClient) -> None:
        """InvalidMessage can be caught, and the conversation goes on."""

        @app.websocket("/", receive_type=int)
        async def view(ws: WebSocket) -> None:
            while True:
                try:
                    await ws.send(await ws.receive() + 1)
                except InvalidMessage as error:
                    await ws.send(str(error))

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert "JSON is malformed" in await ws.receive_text()
            await ws.send("41")
            assert await ws.receive() == "42"

    async def test_by_kind(self, app: Antiphon, client: TestClient) -> None:
        """`receive_text`, `receive_bytes` and `receive_json` ask for a kind, whatever is declared."""
        got = []

        @app.websocket("/", receive_type=int)
        async def view(ws: WebSocket) -> None:
            got.append(await ws.receive_text())
            got.append(await ws.receive_bytes())
            got.append(await ws.receive_json())
            for receive in (ws.receive_text, ws.receive_bytes, ws.receive_json):
                with pytest.raises(InvalidMessage):
                    await receive()
            await ws.send("done")

        async with client.websocket("/") as ws:
            for message in ("a", b"b", "[]", b"a", "b", "}"):
                await ws.send(message)
            assert await ws.receive() == "done"
        assert got == ["a", b"b", []]

    async def test_events(self, app: Antiphon, client: TestClient) -> None:
        """Raw ASGI events in both directions; the end is an event, and a loop that overlooks it ends."""
        events = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.send_event({"type": "websocket.accept", "headers": [(b"x", b"y")]})
            for _ in range(3):
                events.append(await ws.receive_event())
            with pytest.raises(RuntimeError, match="disconnected"):
                await ws.receive_event()
            with pytest.raises(ValueError, match="no event that can be sent"):
                await ws.send_event({"type": "http.response.start"})

        async with client.websocket("/") as ws:
            assert ws.headers["x"] == "y"
            await ws.send("a")
            await ws.send(b"b")
            await ws.close(4000, "bye")
        end = {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}
        assert events == [
            {"type": "websocket.receive", "text": "a"},
            {"type": "websocket.receive", "bytes": b"b"},
            end,
        ]

    async def test_send_events(self, app: Antiphon, client: TestClient) -> None:
        """Sending and closing by raw events is sending and closing."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.send_event({"type": "websocket.send", "text": "a", "bytes": None})
            await ws.send_event({"type": "websocket.send", "bytes": b"b"})
            await ws.send_event({"type": "websocket.close", "code": 4000, "reason": None})

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["a", b"b"]
            assert (ws.close_code, ws.close_reason) == (4000, "")

    async def test_by_two_tasks(self, app: Antiphon, client: TestClient) -> None:
        """Receiving in two tasks at once would tear the order apart, and is an error that says so."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            other = asyncio.create_task(ws.receive())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks receive"):
                await ws.receive()
            await ws.send(await other)

        async with client.websocket("/") as ws:
            await ws.send("one")
            assert await ws.receive() == "one"

    async def test_with_a_timeout(self, app: Antiphon, client: TestClient) -> None:
        """A receive that is cancelled by a timeout loses no message."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.receive(), 0.01)
            await ws.send("go")
            await ws.send(await ws.receive())

        async with client.websocket("/") as ws:
            assert await ws.receive() == "go"
            await ws.send("kept")
            assert await ws.receive() == "kept"

    async def test_too_large(self) -> None:
        """A message above `limits.message` closes with 1009, counted in bytes; one of that size passes."""
        app = Antiphon(limits=Limits(message=10))

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            async for message in ws:
                await ws.send(message)

        async with TestClient(app) as client:
            for good in ("x" * 10, b"x" * 10, "ä" * 5):
                async with client.websocket("/") as ws:
                    await ws.send(good)
                    assert await ws.receive() == good
            for bad in ("x" * 11, b"x" * 11, "ä" * 6):
                async with client.websocket("/") as ws:
                    await ws.send(bad)
                    closed = await ws.receive_close()
                    assert closed.code == 1009
                    assert "at most 10 bytes" in closed.reason
        assert not app.endpoints["/"].connections

    async def test_reading_pauses(self) -> None:
        """With `limits.inbound_messages` waiting, no more are taken; all arrive when the view goes on."""
        app = Antiphon(limits=Limits(inbound_messages=8))
        go, received = asyncio.Event(), []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await go.wait()
            async for message in ws:
                received.append(message)

        async with TestClient(app) as client, client.websocket("/") as ws:
            for number in range(100):
                await ws.send(str(number))
            for _ in range(200):
                await asyncio.sleep(0)
            assert ws.untaken >= 100 - 8 - 1
            go.set()
            await ws.close()
            await ws.ended()
        assert received == [str(number) for number in range(100)]


class TestSending:
    """Typed and raw sending."""

    @pytest.mark.parametrize(
        ("declared", "sent", "received"),
        [
            (None, "text", "text"),
            (None, b"x", b"x"),
            (None, bytearray(b"x"), b"x"),
            (None, memoryview(b"x"), b"x"),
            (None, {"a": 1}, '{"a":1}'),
            (None, None, "null"),
            (None, [1, "ä"], '[1,"ä"]'),
            ("text", "x", "x"),
            ("bytes", bytearray(b"x"), b"x"),
            ("json", "x", '"x"'),
            (dict, {"a": 1}, '{"a":1}'),
        ],
    )
    @pytest.mark.parametrize("nowait", [False, True])
    async def test_send_type(
        self, app: Antiphon, client: TestClient, declared: Any, sent: Any, received: Any, nowait: bool
    ) -> None:
        """`send` and `send_nowait` encode as the endpoint's `send_type` says."""

        @app.websocket("/", send_type=declared)
        async def view(ws: WebSocket) -> None:
            if nowait:
                ws.send_nowait(sent)
            else:
                await ws.send(sent)

        async with client.websocket("/") as ws:
            assert await ws.receive() == received

    async def test_value_type(self, app: Antiphon, client: TestClient) -> None:
        """`value_type` is both at once; the more specific one wins."""

        class Number(msgspec.Struct):
            n: int

        @app.websocket("/both", value_type=Number)
        async def both(ws: WebSocket) -> None:
            number = await ws.receive()
            await ws.send(Number(number.n + 1))

        @app.websocket("/one", value_type="bytes", send_type="text")
        async def one(ws: WebSocket) -> None:
            await ws.send((await ws.receive()).decode())

        async with client.websocket("/both") as ws:
            await ws.send_json({"n": 1})
            assert await ws.receive_json() == {"n": 2}
        async with client.websocket("/one") as ws:
            await ws.send(b"x")
            assert await ws.receive() == "x"

    @pytest.mark.parametrize(
        "send",
        [
            lambda ws: ws.send(object()),
            lambda ws: ws.send_text(b"x"),
            lambda ws: ws.send_text(5),
            lambda ws: ws.send_bytes("x"),
            lambda ws: ws.send_bytes(5),
            lambda ws: ws.send_json({"a": object()}),
            lambda ws: asyncio.to_thread(ws.send_nowait, object()),
        ],
    )
    async def test_what_cannot_be_sent(self, app: Antiphon, client: TestClient, send: View) -> None:
        """A value of the wrong type is a TypeError of the sender; nothing is sent and nothing ends."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(TypeError, match=r"sends|cannot be sent"):
                await send(ws)
            await ws.send("fine")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["fine"]

    @pytest.mark.parametrize("send", ["send", "send_text", "send_json", "send_nowait"])
    async def test_half_a_character(self, app: Antiphon, client: TestClient, send: str) -> None:
        """Text with a lone surrogate, as JSON can smuggle it in, is a ValueError of the sender."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            if send == "send_nowait":
                with pytest.raises(ValueError, match="surrogate"):
                    ws.send_nowait("half: \udc80")
            else:
                with pytest.raises(ValueError, match="surrogate"):
                    await getattr(ws, send)("half: \udc80")
            await ws.send("whole: 😀")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["whole: 😀"]

    async def test_empty_messages(self, app: Antiphon, client: TestClient) -> None:
        """Empty text and empty binary are messages."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.send("")
            await ws.send(b"")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["", b""]

    @pytest.mark.parametrize("kind", ["receive_type", "send_type", "value_type"])
    async def test_unknown_type(self, app: Antiphon, kind: str) -> None:
        """A message type that is none is refused when the endpoint is made."""
        with pytest.raises(ConfigurationError, match=r"'xml'.*text, bytes, json"):
            app.websocket("/", **{kind: "xml"})  # type: ignore[arg-type]
