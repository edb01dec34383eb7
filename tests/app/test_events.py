"""Event endpoints: which handler runs when, in which order, and what it may do."""

import asyncio
import contextlib
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from antiphon import Antiphon, Depends, Limits, Timeouts, WebSocket, WebSocketDisconnect, WebSocketException
from antiphon.errors import BindingError
from antiphon.testing import HandshakeRefused, TestClient
from tests.app.calls import Call, end_of


@pytest.fixture
def app() -> Antiphon:
    return Antiphon()


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


@pytest.fixture
def watcher(app: Antiphon) -> TestClient:
    """A client that sees what any client would: the application's exceptions are not raised."""
    return TestClient(app, raise_exceptions=False)


async def refused(client: TestClient, path: str = "/") -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        async with client.websocket(path):
            pass
    return caught.value


class TestHandlers:
    """`connect`, `message`, `close`, `error`: each optional, sync or async."""

    @pytest.mark.parametrize("plain", [False, True])
    async def test_all(self, app: Antiphon, client: TestClient, plain: bool) -> None:
        """Each runs for its event, in order."""
        log: list[object] = []
        endpoint = app.events("/")

        def asyncronous(function: Callable[..., Any]) -> Callable[..., Any]:
            async def joined(ws: WebSocket) -> Any:
                return function(ws)

            return joined

        def joined(ws: WebSocket) -> None:
            log.append("connect")

        def said(ws: WebSocket, message: str) -> None:
            log.append(message)

        async def said_async(ws: WebSocket, message: str) -> None:
            said(ws, message)

        def left(ws: WebSocket) -> None:
            log.append(("close", ws.close_code, ws.closed))

        endpoint.on("connect")(joined if plain else asyncronous(joined))
        endpoint.on("message")(said if plain else said_async)
        endpoint.on("close")(left if plain else asyncronous(left))
        async with client.websocket("/") as ws:
            await ws.send("1")
            await ws.send("2")
            await ws.close(4000)
        assert log == ["connect", "1", "2", ("close", 4000, True)]

    @pytest.mark.parametrize("present", ["", "connect", "message", "close", "error"])
    async def test_each_alone(self, app: Antiphon, client: TestClient, present: str) -> None:
        """An endpoint with any one handler, or none, accepts, takes messages, and closes."""
        log = []
        endpoint = app.events("/")
        if present == "message":
            endpoint.on("message")(lambda ws, message: log.append(message))
        elif present:
            endpoint.on(present)(lambda ws: log.append(present))  # type: ignore[arg-type]
        async with client.websocket("/") as ws:
            await ws.send("x")
            await ws.send(b"y")
            await ws.close()
        assert log == {"message": ["x", b"y"], "error": [], "": []}.get(present, [present])
        assert not endpoint.connections

    async def test_return_values(self, app: Antiphon, client: TestClient) -> None:
        """Text is sent as text, bytes as binary, None not at all, the rest as JSON."""
        values = iter([None, "text", "", b"bytes", {"a": 1}, [1], 0, False])
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined() -> str:
            return "welcome"

        @endpoint.on("message")
        async def said(message: str) -> object:
            return next(values)

        @endpoint.on("close")
        def left() -> str:
            return "nobody hears this"

        async with client.websocket("/") as ws:
            for _ in range(8):
                await ws.send("next")
            expected = ["welcome", "text", "", b"bytes", '{"a":1}', "[1]", "0", "false"]
            assert [await ws.receive() for _ in expected] == expected

    async def test_return_value_that_cannot_be_sent(self, app: Antiphon, client: TestClient) -> None:
        """A return value that JSON cannot hold is the handler's error."""

        @app.events("/").on("message")
        async def said(message: str) -> object:
            return object()

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011
            with pytest.raises(TypeError, match="object cannot be sent as JSON"):
                await ws.ended()

    async def test_typed_messages(self, app: Antiphon, client: TestClient) -> None:
        """The message's annotation, or else the endpoint's `receive_type`, says what it becomes."""

        @dataclass
        class Point:
            x: int

        class Said(msgspec.Struct, tag="said"):
            text: str

        class Left(msgspec.Struct, tag="left"):
            why: str

        app.events("/raw").on("message")(lambda message: type(message).__name__)
        app.events("/declared", receive_type="json").on("message")(lambda message: type(message).__name__)

        @app.events("/annotated", receive_type="text").on("message")
        async def annotated(ws: WebSocket, message: Point) -> int:
            return message.x

        @app.events("/union").on("message")
        async def union(ws: WebSocket, message: Said | Left) -> str:
            return type(message).__name__

        @app.events("/either").on("message")
        async def either(ws: WebSocket, message: str | bytes) -> str:
            return type(message).__name__

        for path, sent, received in (
            ("/raw", "{}", "str"),
            ("/raw", b"{}", "bytes"),
            ("/declared", "{}", "dict"),
            ("/annotated", '{"x": 5}', "5"),
            ("/union", '{"type": "left", "why": "late"}', "Left"),
            ("/either", b"x", "bytes"),
            ("/either", "x", "str"),
        ):
            async with client.websocket(path) as ws:
                await ws.send(sent)
                assert await ws.receive() == received

    @pytest.mark.parametrize(
        ("annotation", "sent", "code", "reason"),
        [
            (str, b"x", 1003, "a text message is due, this one is binary"),
            (bytes, "x", 1003, "a binary message is due, this one is text"),
            (dict, "no json", 1007, "JSON is malformed"),
            (dict[str, int], '{"a": "secret"}', 1007, "Expected `int`, got `str`"),
        ],
    )
    async def test_message_that_does_not_fit(
        self, app: Antiphon, client: TestClient, annotation: Any, sent: str | bytes, code: int, reason: str
    ) -> None:
        """The connection is closed with 1003 or 1007 and a reason; the handler does not run."""
        ran = []

        def said(message):  # type: ignore[no-untyped-def]
            ran.append(message)

        said.__annotations__["message"] = annotation
        app.events("/").on("message")(said)
        async with client.websocket("/") as ws:
            await ws.send(sent)
            await ws.send(sent)
            closed = await ws.receive_close()
            assert closed.code == code
            assert closed.reason.startswith(reason)
        assert ran == []

    async def test_type_that_no_message_can_become(self, app: Antiphon) -> None:
        """Declaring it fails at registration, naming the handler."""

        class Plain: ...

        with pytest.raises(BindingError, match=r"said .*Plain is no type of a message"):

            @app.events("/").on("message")
            async def said(message: Plain) -> None: ...


class TestConnect:
    """`connect` runs before accepting, and may refuse."""

    async def test_before_accepting(self, app: Antiphon, client: TestClient) -> None:
        """The connection is not registered yet; what it uses accepts it; its end does otherwise."""
        endpoint = app.events("/{use}")

        @endpoint.on("connect")
        async def joined(ws: WebSocket, use: bool) -> None:
            assert not endpoint.connections
            if use:
                await ws.accept("v1", headers={"x-a": "b"})
                assert ws.id in endpoint.connections

        async with client.websocket("/true", subprotocols=["v1"]) as ws:
            assert (ws.subprotocol, ws.headers["x-a"]) == ("v1", "b")
        async with client.websocket("/false", subprotocols=["v1"]) as ws:
            assert ws.subprotocol is None

    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (HTTPException(402, "pay"), 402),
            (WebSocketException(4003, "no"), 403),
            (LookupError("secret"), 500),
            (HTTPException(99), 500),
        ],
    )
    async def test_raising_refuses(
        self, app: Antiphon, watcher: TestClient, error: Exception, status: int, plain: bool
    ) -> None:
        """An exception in `connect` refuses the handshake with its status; `close` runs, once."""
        log = []
        endpoint = app.events("/")

        def fails() -> None:
            raise error

        async def fails_async() -> None:
            raise error

        endpoint.on("connect")(fails if plain else fails_async)
        endpoint.on("message")(lambda message: log.append("message"))
        endpoint.on("close")(lambda ws: log.append("close"))
        answer = await refused(watcher)
        assert answer.status == status
        assert b"secret" not in answer.body
        assert log == ["close"]
        assert not endpoint.connections

    async def test_rejecting(self, app: Antiphon, client: TestClient) -> None:
        """`reject` refuses as it says; what the handler returns then is not sent; `close` runs once."""
        log = []
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> str:
            await ws.reject(401, body="no")
            return "not sent"

        endpoint.on("close")(lambda ws: log.append(ws.closed))
        answer = await refused(client)
        assert (answer.status, answer.body) == (401, b"no")
        assert log == [True]

    @pytest.mark.parametrize("accept", [False, True])
    async def test_closing(self, app: Antiphon, client: TestClient, accept: bool) -> None:
        """`close` in `connect` refuses, or closes what is accepted; no message handler runs."""
        log = []
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            if accept:
                await ws.accept()
            await ws.close(4000)

        endpoint.on("message")(lambda message: log.append("message"))
        endpoint.on("close")(lambda: log.append("close"))
        if accept:
            async with client.websocket("/") as ws:
                assert (await ws.receive_close()).code == 4000
        else:
            assert (await refused(client)).status == 403
        assert log == ["close"]

    async def test_failing_after_accepting(self, app: Antiphon, watcher: TestClient) -> None:
        """What fails after accepting closes with 1011."""
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await ws.send("hello")
            raise LookupError("secret")

        async with watcher.websocket("/") as ws:
            assert await ws.receive() == "hello"
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (1011, "")

    async def test_ends_before_the_first_message(self, app: Antiphon, client: TestClient) -> None:
        """Messages that arrive while `connect` still runs wait for its end."""
        log = []
        go = asyncio.Event()
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await ws.accept()
            await go.wait()
            log.append("connect")

        endpoint.on("message")(lambda message: log.append(message))
        async with client.websocket("/") as ws:
            await ws.send("a")
            await ws.send("b")
            for _ in range(10):
                await asyncio.sleep(0)
            assert log == []
            go.set()
            await ws.close()
        assert log == ["connect", "a", "b"]

    async def test_taking_too_long(self) -> None:
        """A `connect` that neither accepts nor refuses within `timeouts.handshake` is refused with 503."""
        app = Antiphon(timeouts=Timeouts(handshake=0.05))
        stuck, ended = asyncio.Event(), []
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await stuck.wait()

        endpoint.on("close")(lambda: ended.append("close"))
        async with TestClient(app) as client:
            connecting = asyncio.create_task(refused(client))
            asyncio.get_running_loop().call_later(0.1, stuck.set)
            assert (await connecting).status == 503
        assert ended == ["close"]

    async def test_client_that_does_not_wait(self, app: Antiphon) -> None:
        """A client that gives up before it is accepted gets its `close` handler run, and no message's."""
        log, gone = [], asyncio.Event()
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> str:
            log.append("connect")
            await gone.wait()
            return "nobody is there"

        endpoint.on("message")(lambda message: log.append("message"))
        endpoint.on("close")(lambda ws: log.append(("close", ws.close_code)))

        events = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}])
        sent: list[Any] = []

        async def receive() -> Any:
            event = next(events)
            if event["type"] == "websocket.disconnect":
                asyncio.get_running_loop().call_soon(gone.set)
            return event

        async def send(event: Any) -> None:
            sent.append(event)

        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
        await asyncio.wait_for(app(scope, receive, send), 5)
        assert log == ["connect", ("close", 1006)]
        assert sent == []


class TestErrors:
    """`error`, and what happens without it."""

    @pytest.mark.parametrize("plain", [False, True])
    async def test_handler(self, app: Antiphon, client: TestClient, plain: bool) -> None:
        """It is given what a handler raised, may answer, and the connection goes on."""
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str) -> str:
            return str(100 // int(message))

        def failed(ws: WebSocket, error: Exception) -> str:
            return type(error).__name__

        async def failed_async(error: Exception) -> str:
            return failed(None, error)  # type: ignore[arg-type]

        endpoint.on("error")(failed if plain else failed_async)
        async with client.websocket("/") as ws:
            for sent, received in (("0", "ZeroDivisionError"), ("x", "ValueError"), ("5", "20")):
                await ws.send(sent)
                assert await ws.receive() == received
            await ws.send(b"x")
            assert await ws.receive() == "WrongKind"

    async def test_among_messages_that_were_handed_over_together(
        self, app: Antiphon, client: TestClient
    ) -> None:
        """One that a plain function fails for keeps none of the others from it, nor their order."""
        begun, gate = threading.Event(), threading.Event()
        endpoint = app.events("/")

        @endpoint.on("message")
        def said(message: str) -> int:
            begun.set()
            assert gate.wait(10)
            return int(message)

        @endpoint.on("error")
        async def failed(error: Exception) -> str:
            return "no number"

        async with client.websocket("/") as ws:
            await ws.send("0")
            assert await asyncio.to_thread(begun.wait, 10)
            for message in ("1", "x", "3", "y", "5"):
                await ws.send(message)
            gate.set()
            expected = ["0", "1", "no number", "3", "no number", "5"]
            assert [await ws.receive() for _ in expected] == expected

    @pytest.mark.parametrize("second", [LookupError, SystemExit])
    @pytest.mark.parametrize("how", ["async", "thread", "inline"])
    async def test_handler_that_fails(
        self, app: Antiphon, client: TestClient, how: str, second: type[BaseException]
    ) -> None:
        """When it fails too, the connection ends, and both errors are told."""
        endpoint = app.events("/")

        def said(message: str) -> None:
            raise ValueError("first")

        async def said_async(message: str) -> None:
            said(message)

        endpoint.on("message", inline=how == "inline")(said_async if how == "async" else said)

        @endpoint.on("error")
        async def failed(error: Exception) -> None:
            raise second

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011
            with pytest.raises(LookupError if second is LookupError else RuntimeError) as caught:
                await ws.ended()
        told: list[BaseException | None] = [caught.value]
        while told[-1] is not None:
            told.append(told[-1].__cause__)
        assert [type(each) for each in told[-3:-1]] == [second, ValueError]

    @pytest.mark.parametrize("again", [False, True])
    async def test_handler_that_raises_what_it_was_given(
        self, app: Antiphon, client: TestClient, again: bool
    ) -> None:
        """The same error again, or as a cause, is told once, with its own cause."""
        endpoint = app.events("/")
        cause, first = KeyError(), ValueError("first")

        @endpoint.on("message")
        async def said(message: str) -> None:
            raise first from cause

        @endpoint.on("error")
        async def failed(error: Exception) -> None:
            if again:
                raise error
            raise LookupError from error

        async with client.websocket("/") as ws:
            await ws.send("x")
            with pytest.raises((ValueError, LookupError)) as caught:
                await ws.ended()
        assert (caught.value if again else caught.value.__cause__) is first
        assert first.__cause__ is cause
        assert cause.__cause__ is None

    async def test_call_is_cancelled(self, app: Antiphon, caplog: pytest.LogCaptureFixture) -> None:
        """Another server stops what runs by cancelling its call: left with 1001, and no error."""
        endpoint, begun, log = app.events("/"), asyncio.Event(), []

        @endpoint.on("message")
        async def said(message: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("stopped")

        @endpoint.on("close")
        def over(ws: WebSocket) -> None:
            log.append(f"close {ws.close_code}")

        call = Call(app, "x")
        await asyncio.wait_for(begun.wait(), 5)
        call.task.cancel()
        await asyncio.wait([call.task], timeout=5)
        assert call.task.cancelled()
        assert log == ["stopped", "close 1001"]
        assert call.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": "the server stops"}
        assert not caplog.records

    async def test_what_cannot_be_sent(self, app: Antiphon, client: TestClient) -> None:
        """An exception that says what no client can be told is a failure, of which observers hear."""
        signals: list[object] = []
        app.observe(signals.append)

        @app.events("/").on("message")
        async def said(message: str) -> None:
            raise WebSocketException(4001, "\ud800")

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011
            with pytest.raises(RuntimeError, match="cannot be told") as caught:
                await ws.ended()
        assert isinstance(caught.value.__cause__, WebSocketException)
        assert [type(each).__name__ for each in signals] == [
            "ConnectionOpened", "HandlerFailed", "ConnectionEnded",
        ]  # fmt: skip

    @pytest.mark.parametrize("raised", [SystemExit, asyncio.CancelledError])
    async def test_shared_factory(
        self, app: Antiphon, watcher: TestClient, raised: type[BaseException]
    ) -> None:
        """A factory for the whole application that exits or is cancelled fails for who asks; others go on."""

        async def resource() -> int:
            raise raised

        app.provide("number", resource, scope="app")

        @app.events("/").on("connect")
        async def joined(number: int) -> None:
            """Not reached."""

        signals: list[Any] = []
        app.observe(signals.append)
        for _ in range(2):
            assert (await refused(watcher)).status == 500
        assert [type(each.error.__cause__) for each in signals] == [raised] * 2

    @pytest.mark.parametrize("how", ["async", "thread", "inline"])
    async def test_is_not_kept(self, app: Antiphon, client: TestClient, how: str) -> None:
        """What a handler raised is forgotten when it is dealt with, not when the collector comes round."""
        raised: weakref.WeakSet[Exception] = weakref.WeakSet()
        endpoint = app.events("/")

        class MistakeError(Exception):
            def __init__(self) -> None:
                raised.add(self)

        def said(message: str) -> None:
            raise MistakeError

        async def said_async(message: str) -> None:
            said(message)

        endpoint.on("message", inline=how == "inline")(said_async if how == "async" else said)

        @endpoint.on("error")
        async def failed(error: Exception) -> str:
            return "told"

        gc.collect()
        gc.disable()
        try:
            async with client.websocket("/") as ws:
                for _ in range(10):
                    await ws.send("x")
                    assert await ws.receive() == "told"
                # The last may still be in somebody's hands.
                assert len(raised) <= 1
        finally:
            gc.enable()

    @pytest.mark.parametrize("event", ["connect", "message", "close"])
    async def test_cancellation_let_through(self, app: Antiphon, client: TestClient, event: str) -> None:
        """What a handler waited for was cancelled: that is its error, also of a message that had to wait."""
        endpoint, told = app.events("/"), asyncio.Event()

        async def lets_through(ws: WebSocket) -> None:
            raise asyncio.CancelledError

        @endpoint.on("message")
        async def said(message: str) -> None:
            await asyncio.sleep(0)
            if message == "second":
                raise asyncio.CancelledError

        if event != "message":
            endpoint.on(event)(lets_through)

        @endpoint.on("error")
        async def failed(error: Exception) -> None:
            assert isinstance(error, RuntimeError)
            told.set()

        if event == "connect":
            assert (await refused(client)).status == 500
        else:
            async with client.websocket("/") as ws:
                await ws.send("first")
                await ws.send("second")
        await asyncio.wait_for(told.wait(), 10)

    async def test_handler_lets_a_cancellation_through(self, app: Antiphon, client: TestClient) -> None:
        """What it waited for was cancelled, and not it: the connection ends, and `close` is run."""
        endpoint, ended = app.events("/"), []

        @endpoint.on("message")
        async def said(message: str) -> None:
            raise ValueError

        @endpoint.on("error")
        async def failed(error: Exception) -> None:
            raise asyncio.CancelledError

        @endpoint.on("close")
        def over(ws: WebSocket) -> None:
            ended.append(ws.close_code)

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011
            with pytest.raises(RuntimeError, match="cancelled"):
                await ws.ended()
        assert ended == [1011]

    async def test_cancels_itself(self, app: Antiphon, client: TestClient) -> None:
        """A handler whose task the application cancels has failed; what follows in that task is not."""
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(message: str) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        @endpoint.on("error")
        async def failed(error: Exception) -> str:
            task = asyncio.current_task()
            assert task is not None
            return f"{error} {task.cancelling()}"

        async with client.websocket("/") as ws:
            for _ in range(3):
                await ws.send("x")
                assert (await ws.receive()).startswith("a function of the application was cancelled")
                await ws.send("x")
                assert (await ws.receive()).endswith(" 0")

    async def test_cancels_itself_while_held_back(self, app: Antiphon, client: TestClient) -> None:
        """What the error handler of an inline handler cancels last fails: the connection does not go deaf."""
        endpoint, told = app.events("/"), []

        @endpoint.on("message", inline=True)
        def said(message: str) -> str:
            if message == "fail":
                raise ValueError(message)
            return message

        @endpoint.on("error")
        async def failed(ws: WebSocket, error: Exception) -> None:
            told.append(type(error))
            if len(told) == 1:
                ws.send_nowait("x" * (Limits().high_water + 1))
                task = asyncio.current_task()
                assert task is not None
                task.cancel()

        async with client.websocket("/") as ws:
            await ws.send("fail")
            assert len(await ws.receive()) > Limits().high_water
            await ws.send("y")
            assert await ws.receive() == "y"
        assert told == [ValueError, RuntimeError]

    @pytest.mark.parametrize("view", [False, True])
    async def test_teardown_lets_a_cancellation_through(
        self, app: Antiphon, client: TestClient, view: bool
    ) -> None:
        """A dependency whose teardown waited for something cancelled has failed; the connection is over."""

        async def resource() -> AsyncIterator[int]:
            yield 1
            raise asyncio.CancelledError

        if view:

            @app.websocket("/")
            async def looks(ws: WebSocket, number: Annotated[int, Depends(resource)]) -> None:
                await ws.send(str(number))
                await ws.receive()

        else:

            @app.events("/").on("message")
            async def said(message: str, number: Annotated[int, Depends(resource)]) -> str:
                return str(number)

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert await ws.receive() == "1"
            await ws.close()
            with pytest.raises(RuntimeError, match="cancelled"):
                await ws.ended()

    @pytest.mark.parametrize("view", [False, True])
    async def test_factory_lets_a_cancellation_through(
        self, app: Antiphon, watcher: TestClient, view: bool
    ) -> None:
        """A dependency that waited for something cancelled has failed: nobody is let in."""

        async def resource() -> int:
            raise asyncio.CancelledError

        if view:

            @app.websocket("/")
            async def looks(number: Annotated[int, Depends(resource)]) -> None:
                """Not reached."""

        else:

            @app.events("/").on("message")
            async def said(message: str, number: Annotated[int, Depends(resource)]) -> None:
                """Not reached."""

        assert (await refused(watcher)).status == 500

    async def test_deliberate_ends_pass_it_by(self, app: Antiphon, client: TestClient) -> None:
        """WebSocketException and HTTPException are decisions, no errors: they close as they say."""
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(message: str) -> None:
            raise {"ws": WebSocketException(4004, "gone"), "http": HTTPException(404, "missing")}[message]

        @endpoint.on("error")
        async def failed(error: Exception) -> str:
            return "not asked"

        for message, end in (("ws", "4004 gone"), ("http", "4404 missing")):
            async with client.websocket("/") as ws:
                await ws.send(message)
                assert str(await ws.receive_close()) == end

    async def test_failed_connect(self, app: Antiphon, client: TestClient) -> None:
        """An error handler does not let in whom `connect` failed for."""
        seen = []
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined() -> None:
            raise LookupError

        endpoint.on("error")(lambda error: seen.append(type(error)))
        assert (await refused(client)).status == 500
        assert seen == [LookupError]

    @pytest.mark.parametrize("plain", [False, True])
    async def test_unhandled(self, app: Antiphon, watcher: TestClient, plain: bool) -> None:
        """Without it, the connection closes with 1011 and nothing else; the rest of it is not handled."""
        log = []
        endpoint = app.events("/")

        def said(message: str) -> None:
            log.append(message)
            raise LookupError("secret")

        async def said_async(message: str) -> None:
            said(message)

        endpoint.on("message")(said if plain else said_async)
        endpoint.on("close")(lambda ws: log.append(("close", ws.close_code)))
        async with watcher.websocket("/") as ws:
            for number in range(5):
                await ws.send(str(number))
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (1011, "")
        assert log == ["0", ("close", 1011)]

    async def test_unhandled_reaches_the_server(self, app: Antiphon, client: TestClient) -> None:
        """It is raised on to the server when the connection is over; an observer hears of it at once."""
        signals: list[object] = []
        app.observe(signals.append)

        @app.events("/").on("message")
        async def said(message: str) -> None:
            raise LookupError("for the log")

        async with client.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011
            with pytest.raises(LookupError, match="for the log"):
                await ws.ended()
        assert [type(each).__name__ for each in signals] == [
            "ConnectionOpened", "HandlerFailed", "ConnectionEnded",
        ]  # fmt: skip

    async def test_in_close(self, app: Antiphon, client: TestClient) -> None:
        """A `close` handler that fails is told, and the connection is over all the same."""
        endpoint = app.events("/")

        @endpoint.on("close")
        async def left() -> None:
            raise LookupError("in close")

        with pytest.raises(LookupError, match="in close"):
            async with client.websocket("/"):
                pass
        assert not endpoint.connections

    async def test_stray_cancellation(self, app: Antiphon, watcher: TestClient) -> None:
        """A handler that lets through the cancellation of something else fails like any other."""
        log = []

        async def something_cancelled() -> None:
            other = asyncio.create_task(asyncio.Event().wait())
            other.cancel()
            await other

        @app.events("/async").on("message")
        async def said_async(message: str) -> None:
            await something_cancelled()

        @app.websocket("/view")
        async def view(ws: WebSocket) -> None:
            await ws.receive()
            await something_cancelled()

        app.endpoints["/async"].on("close")(lambda: log.append("close"))  # type: ignore[attr-defined]
        for path in ("/async", "/view"):
            async with watcher.websocket(path) as ws:
                await ws.send("x")
                assert (await ws.receive_close()).code == 1011
        assert log == ["close"]

    async def test_observer_that_fails(
        self, app: Antiphon, client: TestClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An observer that raises ends nothing; its failure is logged."""
        seen = []
        app.observe(lambda signal: 1 // 0)  # type: ignore[arg-type, return-value]
        app.observe(seen.append)
        endpoint = app.events("/")
        endpoint.on("message")(lambda message: message)
        async with client.websocket("/") as ws:
            await ws.send("x")
            assert await ws.receive() == "x"
        assert len(seen) == 2
        assert "an observer failed" in caplog.text
        assert not endpoint.connections


class TestEnd:
    """`close` runs exactly once, after the last message handler, however the connection ends."""

    async def test_thread_that_goes_on(self) -> None:
        """A plain function that is stopped begins with none of the messages that it was handed together."""
        app, log = Antiphon(timeouts=Timeouts(drain=0.05)), []
        begun, gate, over = threading.Event(), threading.Event(), threading.Event()
        endpoint = app.events("/")

        @endpoint.on("message")
        def said(message: str) -> None:
            begun.set()
            assert gate.wait(10)
            log.append(message)
            over.set()

        @endpoint.on("close")
        async def left() -> None:
            log.append("close")

        gone = end_of(app)
        async with TestClient(app) as client:
            ws = client.websocket("/")
            await ws.__aenter__()
            for number in range(5):
                await ws.send(str(number))
            assert await asyncio.to_thread(begun.wait, 10)
            await ws.abort()
            await gone.wait()
            await app.drain()
            assert log == ["close"]
            gate.set()
            assert await asyncio.to_thread(over.wait, 10)
        # The same thread would have taken the next.
        await asyncio.to_thread(log.append, "other call")
        assert log == ["close", "0", "other call"]

    async def test_close_that_takes_its_time(self) -> None:
        """However often a server asks, with a silent client, it runs once, and then the teardowns."""
        app, log = Antiphon(timeouts=Timeouts(drain=0.05)), []
        gate, endpoint = asyncio.Event(), app.events("/")

        async def resource() -> AsyncIterator[int]:
            yield 1
            log.append("torn down")

        @endpoint.on("close")
        async def left(number: Annotated[int, Depends(resource)]) -> None:
            log.append("close")
            await gate.wait()
            log.append("close over")

        call = Call(app, hold=gate)
        await call.accepted.wait()
        await app.drain()
        await app.drain()
        assert log == ["close"]
        gate.set()
        await asyncio.wait_for(call.task, 5)
        assert log == ["close", "close over", "torn down"]

    async def test_handler_that_takes_its_time_to_be_stopped(self) -> None:
        """However often it is asked, `close` and teardowns wait for it; what waits is not handled."""
        app, log = Antiphon(timeouts=Timeouts(drain=0.05)), []
        begun, gate = asyncio.Event(), asyncio.Event()
        endpoint = app.events("/")

        async def resource() -> AsyncIterator[int]:
            yield 1
            log.append("torn down")

        @endpoint.on("message")
        async def said(message: str, number: Annotated[int, Depends(resource)]) -> None:
            log.append(message)
            begun.set()
            while not gate.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await gate.wait()
            log.append("handler over")

        @endpoint.on("close")
        async def left() -> None:
            log.append("close")

        gone = end_of(app)
        async with TestClient(app) as client:
            ws = client.websocket("/")
            await ws.__aenter__()
            await ws.send("first")
            await ws.send("second")
            await begun.wait()
            await ws.abort()
            await gone.wait()
            await app.drain()
            await app.drain()
            assert log == ["first"]
            gate.set()
        assert log == ["first", "handler over", "close", "torn down"]

    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize("end", ["client closes", "client aborts", "handler closes", "server stops"])
    async def test_once(self, app: Antiphon, end: str, plain: bool) -> None:
        """Clean or not, from this side or that."""
        log = []
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str) -> None:
            loop.call_soon(begun.set)
            await asyncio.sleep(0.01)
            if end == "handler closes":
                await ws.close(4000)
            log.append("message")

        def left(ws: WebSocket) -> None:
            log.append(ws.close_code)

        async def left_async(ws: WebSocket) -> None:
            left(ws)

        endpoint.on("close")(left if plain else left_async)
        async with TestClient(app) as client, client.websocket("/") as ws:
            await ws.send("x")
            await begun.wait()
            if end == "client closes":
                await ws.close(1000)
            elif end == "client aborts":
                await ws.abort()
            elif end == "server stops":
                await client.stop()
            await ws.ended()
        code = {"client closes": 1000, "client aborts": 1006, "handler closes": 4000, "server stops": 1001}
        assert log == ["message", code[end]]

    async def test_messages_before_the_end(self, app: Antiphon, client: TestClient) -> None:
        """All that arrived before the client closed is handled before `close` runs."""
        log = []
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(message: str) -> None:
            await asyncio.sleep(0)
            log.append(message)

        endpoint.on("close")(lambda: log.append("close"))
        async with client.websocket("/") as ws:
            for number in range(20):
                await ws.send(str(number))
        assert log == [*map(str, range(20)), "close"]

    async def test_sending_in_close(self, app: Antiphon, client: TestClient) -> None:
        """The connection is gone in `close`; using it is a disconnect, which is no failure."""
        seen = []
        endpoint = app.events("/")

        @endpoint.on("close")
        async def left(ws: WebSocket) -> None:
            try:
                await ws.send("bye")
            except WebSocketDisconnect as gone:
                seen.append(gone.code)
                raise

        async with client.websocket("/") as ws:
            await ws.close(4001)
        assert seen == [4001]

    async def test_broadcasting_in_close(self, app: Antiphon, client: TestClient) -> None:
        """`close` may tell the others."""
        endpoint = app.events("/")

        @endpoint.on("close")
        async def left(ws: WebSocket) -> None:
            assert ws.id not in endpoint.connections
            await endpoint.broadcast("one left")

        async with client.websocket("/") as one:
            async with client.websocket("/"):
                pass
            assert await one.receive() == "one left"

    @given(
        steps=st.lists(st.sampled_from(["message", "burst", "yield", "sleep"]), max_size=12),
        end=st.sampled_from(["close", "abort", "handler", "fail", "stop"]),
        plain=st.booleans(),
        slow=st.booleans(),
    )
    @settings(max_examples=120, deadline=None)
    def test_any_interleaving(self, steps: list[str], end: str, plain: bool, slow: bool) -> None:
        """Whatever comes when: handlers one at a time and in order, `close` once and last."""
        log: list[object] = []
        sent = asyncio.run(self._interleave(log, steps, end, plain, slow))
        assert log[0] == "connect"
        assert log.count("close") == 1
        assert log[-1] == "close"
        handled = [each for each in log[1:-1] if isinstance(each, int)]
        assert handled == list(range(len(handled)))
        assert len(handled) == sent if end in ("close", "abort") else len(handled) <= sent
        assert "overlap" not in log

    async def _interleave(
        self, log: list[object], steps: list[str], end: str, plain: bool, slow: bool
    ) -> int:
        app = Antiphon(limits=Limits(inbound_messages=4))
        endpoint = app.events("/")
        running = threading.Lock()

        def handle(ws: WebSocket, message: str) -> None:
            if not running.acquire(blocking=False):
                log.append("overlap")
                return
            if message in ("handler", "fail"):
                log.append(message)
            else:
                log.append(int(message))
            running.release()
            if message == "fail":
                raise WebSocketException(4000)

        async def said(ws: WebSocket, message: str) -> None:
            if slow:
                await asyncio.sleep(0)
            handle(ws, message)
            if message == "handler":
                await ws.close(4000)

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await ws.accept()
            await asyncio.sleep(0)
            log.append("connect")

        endpoint.on("message")(handle if plain and end != "handler" else said)

        @endpoint.on("close")
        async def left() -> None:
            await asyncio.sleep(0)
            log.append("close")

        sent = 0
        async with TestClient(app) as client, client.websocket("/") as ws:
            for step in steps:
                if step == "yield":
                    await asyncio.sleep(0)
                elif step == "sleep":
                    await asyncio.sleep(0.0005)
                else:
                    for _ in range(6 if step == "burst" else 1):
                        await ws.send(str(sent))
                        sent += 1
            if end == "stop":
                await client.stop()
            elif end == "close":
                await ws.close()
            elif end == "abort":
                await ws.abort()
            else:
                await ws.send(end)
                await ws.receive_close()
            await ws.ended()
        return sent


class TestThreads:
    """Plain functions run in worker threads."""

    async def test_slow_one_stalls_nobody(self, app: Antiphon, client: TestClient) -> None:
        """While a plain handler blocks for one connection, another one is served."""
        release = threading.Event()
        endpoint = app.events("/")

        @endpoint.on("message")
        def said(ws: WebSocket, message: str) -> str:
            if message == "block":
                release.wait(10)
            return message

        async with client.websocket("/") as slow, client.websocket("/") as fast:
            await slow.send("block")
            for number in range(20):
                await fast.send(str(number))
                assert await fast.receive() == str(number)
            assert slow.unread == 0
            release.set()
            assert await slow.receive() == "block"

    async def test_no_thread_to_be_had(
        self, app: Antiphon, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the system gives no thread one message fails, and those that wait with it do not."""
        endpoint, start = app.events("/"), threading.Thread.start

        def fails(thread: threading.Thread) -> None:
            monkeypatch.setattr(threading.Thread, "start", start)
            raise RuntimeError("can't start new thread")

        @endpoint.on("message")
        def said(message: str) -> str:
            return message

        @endpoint.on("error")
        async def failed(error: Exception) -> str:
            return str(error)

        async with client.websocket("/") as ws:
            monkeypatch.setattr(threading.Thread, "start", fails)
            for number in range(3):
                await ws.send(str(number))
            assert [await ws.receive() for _ in range(3)] == ["can't start new thread", "1", "2"]

    async def test_one_at_a_time(self, app: Antiphon, client: TestClient) -> None:
        """One connection's plain handlers never overlap, whatever its clients send at once."""
        lock, log = threading.Lock(), []
        endpoint = app.events("/")

        @endpoint.on("message")
        def said(message: str) -> None:
            assert lock.acquire(blocking=False), "two handlers at once"
            log.append(message)
            lock.release()

        async with client.websocket("/") as ws:
            for number in range(200):
                await ws.send(str(number))
        assert log == [str(number) for number in range(200)]

    async def test_context_variables(self, app: Antiphon, client: TestClient) -> None:
        """A plain handler sees the context variables of its connection."""
        from contextvars import ContextVar

        user = ContextVar("user", default="nobody")

        @app.get("/")
        def page() -> str:
            return user.get()

        user.set("Ada")
        assert (await client.get("/")).text == "Ada"

    async def test_system_exit(self, app: Antiphon, watcher: TestClient) -> None:
        """A plain handler that calls `sys.exit` ends its connection, not the server."""

        @app.events("/").on("message")
        def said(message: str) -> None:
            raise SystemExit(message)

        async with watcher.websocket("/") as ws:
            await ws.send("x")
            assert (await ws.receive_close()).code == 1011


class TestBounds:
    """What one client can cost."""

    async def test_inbound_queue(self) -> None:
        """While a handler runs, no more than `inbound_messages` are taken from its client."""
        app = Antiphon(limits=Limits(inbound_messages=8))
        go, log = asyncio.Event(), []
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(message: str) -> None:
            await go.wait()
            log.append(message)

        async with TestClient(app) as client, client.websocket("/") as ws:
            for number in range(100):
                await ws.send(str(number))
            for _ in range(200):
                await asyncio.sleep(0)
            assert ws.untaken >= 100 - 8 - 2
            go.set()
            await ws.close()
            await ws.ended()
        assert log == [str(number) for number in range(100)]

    async def test_ten_thousand_connections(self, app: Antiphon, client: TestClient) -> None:
        """10 000 connects and disconnects, of all kinds, leave no trace in registries, tasks and memory."""
        endpoint = app.events("/events")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await ws.subscribe("news")
            ws.state.ballast = bytearray(1000)

        @app.websocket("/view")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            async for message in ws:
                await ws.send(message)

        async def come_and_go(number: int) -> None:
            path = "/events" if number % 2 else "/view"
            async with client.websocket(path) as ws:
                if number % 3 == 0:
                    await ws.send("x")
                if number % 5 == 0:
                    await ws.abort()

        for number in range(1000):
            await come_and_go(number)
        gc.collect()
        tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
        for number in range(9000):
            await come_and_go(number)
        gc.collect()
        assert len(gc.get_objects()) - objects < 500
        assert len(asyncio.all_tasks()) <= tasks
        assert not any(each.connections for each in app.endpoints.values())
        assert app.channel("news").subscribers == 0


class TestOpenAtOnce:
    """Many connections at once."""

    async def test_stop(self, app: Antiphon, caplog: pytest.LogCaptureFixture) -> None:
        """Stopping closes all with 1001, runs each `close` once, and waits for handlers that run."""
        caplog.set_level(logging.WARNING)
        closed = []
        endpoint = app.events("/")
        endpoint.on("message")(lambda message: message)
        endpoint.on("close")(lambda ws: closed.append(ws.id))

        @app.websocket("/view")
        async def view(ws: WebSocket) -> None:
            async for _ in ws:
                pass

        async with TestClient(app) as client:
            sockets = [client.websocket("/view" if n % 2 else "/") for n in range(50)]
            for ws in sockets:
                await ws.__aenter__()
            await client.stop()
            codes = {(await ws.receive_close()).code for ws in sockets}
            for ws in sockets:
                await ws.__aexit__(None, None, None)
        assert codes == {1001}
        assert len(set(closed)) == len(closed) == 25
        assert not caplog.records

    async def test_stop_with_a_handler_that_does_not_end(self) -> None:
        """After `timeouts.drain` a running handler is stopped, and its `close` runs still."""
        app = Antiphon(timeouts=Timeouts(drain=0.1))
        begun, log = asyncio.Event(), []
        endpoint = app.events("/")

        @endpoint.on("message")
        async def said(message: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("stopped")

        endpoint.on("close")(lambda: log.append("close"))
        async with TestClient(app) as client, client.websocket("/") as ws:
            await ws.send("x")
            await begun.wait()
            await client.stop()
            assert (await ws.receive_close()).code == 1001
            assert log == ["stopped", "close"]
