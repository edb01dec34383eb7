"""The WebSocket as a handler holds it: accepting, closing, receiving, sending, and what misuse says."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from starlette.exceptions import HTTPException

from antiphon import (
    Antiphon,
    InvalidMessage,
    Limits,
    Timeouts,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from antiphon.errors import ConfigurationError, ConnectionClosed, HandshakeRejected
from antiphon.testing import HandshakeRefused, TestClient

View = Callable[[WebSocket], Awaitable[Any]]


@pytest.fixture
def app() -> Antiphon:
    return Antiphon(timeouts=Timeouts(accept=0.05, handshake=0.05))


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


class TestAccepting:
    """A connection is accepted on first use, or explicitly."""

    @pytest.mark.parametrize(
        "use",
        [
            lambda ws: ws.receive(),
            lambda ws: ws.receive_text(),
            lambda ws: ws.receive_bytes(),
            lambda ws: ws.receive_json(),
            lambda ws: ws.receive_event(),
            lambda ws: anext(ws),
            lambda ws: ws.send("x"),
            lambda ws: ws.send_text("x"),
            lambda ws: ws.send_bytes(b"x"),
            lambda ws: ws.send_json({}),
            lambda ws: ws.send_event({"type": "websocket.send", "text": "x"}),
            lambda ws: ws.subscribe("news"),
            lambda ws: ws.__aenter__(),
            lambda ws: asyncio.to_thread(ws.send_nowait, "x"),
            lambda ws: ws.accept(),
        ],
    )
    async def test_first_use(self, app: Antiphon, client: TestClient, use: View) -> None:
        """Each way of using a WebSocket accepts it."""
        used = asyncio.Event()
        app.timeouts = Timeouts(accept=100)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            assert not app.endpoints["/"].connections
            await use(ws)
            await used.wait()

        async with client.websocket("/") as ws:
            await ws.send("1")
            used.set()

    async def test_explicit(self, app: Antiphon, client: TestClient) -> None:
        """`accept` chooses the subprotocol and adds headers, given as a mapping or as pairs."""

        @app.websocket("/mapping")
        async def mapping(ws: WebSocket) -> None:
            await ws.accept("v2", headers={"X-Seen": "yes"})

        @app.websocket("/pairs")
        async def pairs(ws: WebSocket) -> None:
            await ws.accept(headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])

        async with client.websocket("/mapping", subprotocols=["v1", "v2"]) as ws:
            assert ws.subprotocol == "v2"
            assert ws.headers["x-seen"] == "yes"
        async with client.websocket("/pairs", subprotocols=["v1"]) as ws:
            assert ws.subprotocol is None
            assert ws.headers.getlist("set-cookie") == ["a=1", "b=2"]

    async def test_twice(self, app: Antiphon, client: TestClient) -> None:
        """Accepting what is accepted is a RuntimeError that says so, and costs nothing else."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(RuntimeError, match="accepted already"):
                await ws.accept()
            await ws.send("still here")

        async with client.websocket("/") as ws:
            assert await ws.receive() == "still here"

    async def test_subprotocol_that_is_not_offered(self, app: Antiphon, watcher: TestClient) -> None:
        """Choosing a subprotocol that the client does not offer is an error naming the offered ones."""
        caught = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            with pytest.raises(ConfigurationError) as error:
                await ws.accept("v3")
            caught.append(str(error.value))
            await ws.accept("v1")

        async with watcher.websocket("/", subprotocols=["v1"]) as ws:
            assert ws.subprotocol == "v1"
        assert "'v3'" in caught[0]
        assert "['v1']" in caught[0]

    @pytest.mark.parametrize("header", [("x", "a\r\nevil: 1"), ("a b", "c"), ("x", "\0")])
    async def test_header_that_cannot_be_sent(
        self, app: Antiphon, watcher: TestClient, header: tuple[str, str]
    ) -> None:
        """A header that would break the response is a ValueError, and the handshake fails with 500."""
        errors = []

        @app.websocket("/{how}")
        async def view(ws: WebSocket, how: str) -> None:
            try:
                if how == "accept":
                    await ws.accept(headers=dict([header]))
                else:
                    await ws.reject(headers=dict([header]))
            except ValueError as error:
                errors.append(error)
                raise

        assert (await refused(watcher, "/accept")).status == 500
        assert (await refused(watcher, "/reject")).status == 500
        assert len(errors) == 2

    async def test_forgotten(self, app: Antiphon, client: TestClient) -> None:
        """A view that never uses its WebSocket is accepted after `timeouts.accept`: no client hangs."""
        done = asyncio.Event()

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await done.wait()

        async with client.websocket("/") as ws:
            assert not ws.closed
            done.set()
            assert (await ws.receive_close()).code == 1000

    async def test_slow_decision_keeps_broadcasts_away(self, app: Antiphon, client: TestClient) -> None:
        """While a view still decides, its client may be accepted in time, but gets nothing published."""
        allowed = asyncio.Event()

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await allowed.wait()
            async for message in ws:
                await ws.send(message)

        async with client.websocket("/") as ws:
            await ws.send("early")
            assert not app.endpoints["/"].connections
            await app.endpoints["/"].broadcast("secret")
            allowed.set()
            assert await ws.receive() == "early"
            await app.endpoints["/"].broadcast("public")
            assert await ws.receive() == "public"

    async def test_slow_decision_to_accept(self, app: Antiphon, client: TestClient) -> None:
        """A view that accepts explicitly, but late, finds its client accepted; a subprotocol is too late."""
        allowed = asyncio.Event()

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await allowed.wait()
            with pytest.raises(RuntimeError, match=r"Timeouts\.accept.*auto_accept=False"):
                await ws.accept("v1")
            await ws.accept()
            await ws.send("hello")

        async with client.websocket("/", subprotocols=["v1"]) as ws:
            allowed.set()
            assert await ws.receive() == "hello"

    @pytest.mark.parametrize("how", ["reject", "close", "raise", "return", "error"])
    async def test_slow_decision_to_refuse(self, app: Antiphon, watcher: TestClient, how: str) -> None:
        """A view that refuses late closes the connection it could not refuse any more."""
        decided = asyncio.Event()
        codes = {"reject": 1008, "close": 1000, "raise": 4401, "return": 1000, "error": 1011}

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await decided.wait()
            if how == "reject":
                await ws.reject(401)
            elif how == "close":
                await ws.close()
            elif how == "raise":
                raise HTTPException(401)
            elif how == "error":
                raise KeyError(how)

        async with watcher.websocket("/") as ws:
            decided.set()
            assert (await ws.receive_close()).code == codes[how]

    async def test_not_automatic(self, app: Antiphon, watcher: TestClient) -> None:
        """With `auto_accept=False`, using an unaccepted WebSocket is an error that says what to do."""

        @app.websocket("/", auto_accept=False)
        async def view(ws: WebSocket) -> None:
            uses: list[View] = [
                lambda ws: ws.send("x"),
                lambda ws: ws.receive(),
                lambda ws: anext(ws),
                lambda ws: ws.subscribe("news"),
            ]
            for use in uses:
                with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
                    await use(ws)
            with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
                ws.send_nowait("lost")
            await ws.accept()
            await ws.send("now")

        async with watcher.websocket("/") as ws:
            assert await ws.receive() == "now"

    async def test_not_automatic_and_never(self, app: Antiphon, client: TestClient) -> None:
        """With `auto_accept=False`, a view that never accepts is refused, whether it ends or not."""
        waiting, ended = asyncio.Event(), asyncio.Event()

        @app.websocket("/ends", auto_accept=False)
        async def ends(ws: WebSocket) -> None: ...

        @app.websocket("/stays", auto_accept=False)
        async def stays(ws: WebSocket) -> None:
            waiting.set()
            await ended.wait()
            await ws.accept()

        assert (await refused(client, "/ends")).status == 403
        connecting = asyncio.create_task(refused(client, "/stays"))
        await asyncio.wait_for(waiting.wait(), 5)
        # Refused while the view waits: its end is what the test client waits for besides.
        asyncio.get_running_loop().call_later(0.1, ended.set)
        assert (await connecting).status == 503

    async def test_async_with(self, app: Antiphon, client: TestClient) -> None:
        """`async with ws` accepts, also what is accepted already, and closes with 1000."""

        @app.websocket("/{accept}")
        async def view(ws: WebSocket, accept: bool) -> None:
            if accept:
                await ws.accept()
            async with ws as same:
                assert same is ws
                await ws.send("hello")
            assert ws.closed
            assert ws.close_code == 1000

        for path in ("/true", "/false"):
            async with client.websocket(path) as ws:
                assert [each async for each in ws] == ["hello"]
                assert ws.close_code == 1000

    async def test_async_with_and_an_error(self, app: Antiphon, watcher: TestClient) -> None:
        """An exception that leaves `async with ws` closes with 1011."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            try:
                async with ws:
                    raise LookupError("secret")
            except LookupError:
                await asyncio.sleep(0)

        async with watcher.websocket("/") as ws:
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (1011, "")

    async def test_async_with_on_a_refused_one(self, app: Antiphon, client: TestClient) -> None:
        """`async with` on a refused WebSocket ends the view quietly."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject(402)
            async with ws:
                raise AssertionError("never reached")

        assert (await refused(client)).status == 402


class TestRefusing:
    """`reject` before accepting is an HTTP response."""

    async def test_with_everything(self, app: Antiphon, client: TestClient) -> None:
        """Status, headers and body reach the client; the view ends quietly at its next use."""
        after = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject(401, headers={"WWW-Authenticate": "Bearer"}, body="who are you?")
            assert ws.closed
            after.append(ws)
            await ws.send("x")
            after.append("not reached")

        answer = await refused(client)
        assert (answer.status, answer.body) == (401, b"who are you?")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-length"] == "12"
        assert str(answer) == "the handshake was refused with 401 who are you?"
        assert len(after) == 1

    async def test_own_content_type(self, app: Antiphon, client: TestClient) -> None:
        """A given content type replaces the standard one; bytes are a body as they are."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject(403, headers={"Content-Type": "application/json"}, body=b"{}")

        answer = await refused(client)
        assert answer.headers.getlist("content-type") == ["application/json"]

    @pytest.mark.parametrize("code", [1000, 4001])
    async def test_close_before_accept(self, app: Antiphon, client: TestClient, code: int) -> None:
        """Closing before accepting refuses with 403; so does the raw close event."""

        @app.websocket("/method")
        async def method(ws: WebSocket) -> None:
            await ws.close(code)

        @app.websocket("/event")
        async def event(ws: WebSocket) -> None:
            await ws.send_event({"type": "websocket.close", "code": code})

        assert (await refused(client, "/method")).status == 403
        assert (await refused(client, "/event")).status == 403

    async def test_after_accept(self, app: Antiphon, client: TestClient) -> None:
        """Rejecting what is accepted is a RuntimeError that names `close`."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(RuntimeError, match="accepted already: close it"):
                await ws.reject()
            await ws.send("still here")

        async with client.websocket("/") as ws:
            assert await ws.receive() == "still here"

    async def test_use_afterwards(self, app: Antiphon, client: TestClient) -> None:
        """Every use of a refused WebSocket is a disconnect, which is no error of the view."""
        seen = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject()
            uses: list[View] = [
                lambda ws: ws.send("x"),
                lambda ws: ws.receive(),
                lambda ws: ws.accept(),
                lambda ws: ws.reject(),
                lambda ws: ws.close(),
                lambda ws: ws.subscribe("news"),
            ]
            for use in uses:
                with pytest.raises(HandshakeRejected) as caught:
                    await use(ws)
                seen.append(str(caught.value))
            with pytest.raises(HandshakeRejected):
                ws.send_nowait("x")
            await ws.ensure_closed()
            assert [each async for each in ws] == []
            raise ws.gone()

        await refused(client)
        assert set(seen) == {"1006 the handshake was refused"}

    @pytest.mark.parametrize("status", [101, 199, 600, 0])
    async def test_impossible_status(self, app: Antiphon, watcher: TestClient, status: int) -> None:
        """A status that cannot refuse is a ValueError; the handshake fails with 500."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject(status)

        assert (await refused(watcher)).status == 500

    async def test_server_without_denial_responses(self, app: Antiphon) -> None:
        """Where the server can't send a response, any refusal is its 403."""

        async def poor_server(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": None}, receive, send)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.reject(401, body="x")

        client = TestClient(poor_server)
        assert (await refused(client)).status == 403
        assert (await refused(client, "/unknown")).status == 403


class TestClosing:
    """A view's end closes; closing twice is a mistake, a client's close is none."""

    async def test_return(self, app: Antiphon, client: TestClient) -> None:
        """Leaving the view closes with 1000, also when it never used its WebSocket."""

        @app.websocket("/used")
        async def used(ws: WebSocket) -> None:
            await ws.send("x")

        @app.websocket("/unused")
        async def unused(ws: WebSocket) -> str:
            return "ignored: a view's return value is not sent"

        async with client.websocket("/used") as ws:
            assert [each async for each in ws] == ["x"]
            assert (ws.close_code, ws.close_reason) == (1000, "")
        async with client.websocket("/unused") as ws:
            assert (await ws.receive_close()).code == 1000

    async def test_code_and_reason(self, app: Antiphon, client: TestClient) -> None:
        """The chosen code and reason arrive, and both sides know them."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.close(4321, "grüß Gott")
            assert (ws.closed, ws.close_code, ws.close_reason) == (True, 4321, "grüß Gott")

        async with client.websocket("/") as ws:
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()
            assert (caught.value.code, caught.value.reason) == (4321, "grüß Gott")
            assert (ws.close_code, ws.close_reason) == (4321, "grüß Gott")

    async def test_twice(self, app: Antiphon, client: TestClient) -> None:
        """Closing twice is a RuntimeError; `ensure_closed` never is, and changes nothing."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.close(4001)
            with pytest.raises(RuntimeError, match="closed already"):
                await ws.close()
            await ws.ensure_closed(4002)
            assert ws.close_code == 4001

        async with client.websocket("/") as ws:
            assert (await ws.receive_close()).code == 4001

    async def test_ensure_closed(self, app: Antiphon, client: TestClient) -> None:
        """`ensure_closed` closes what is open, and refuses what is not accepted."""

        @app.websocket("/{accept}")
        async def view(ws: WebSocket, accept: bool) -> None:
            if accept:
                await ws.accept()
            await ws.ensure_closed(4001, "bye")
            await ws.ensure_closed()

        async with client.websocket("/true") as ws:
            assert str(await ws.receive_close()) == "4001 bye"
        assert (await refused(client, "/false")).status == 403

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, -1])
    async def test_impossible_code(self, app: Antiphon, client: TestClient, code: int) -> None:
        """A code that may not be sent is a ValueError, by whatever way; the connection stays open."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(ValueError, match="RFC 6455"):
                await ws.close(code)
            with pytest.raises(ValueError, match="RFC 6455"):
                await ws.send_event({"type": "websocket.close", "code": code})
            await ws.send("still open")

        async with client.websocket("/") as ws:
            assert await ws.receive() == "still open"

    async def test_longest_reason(self, app: Antiphon, client: TestClient) -> None:
        """A reason has at most 123 bytes of UTF-8."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            with pytest.raises(ValueError, match="123 bytes"):
                await ws.close(1000, "ä" * 62)
            await ws.close(1000, "ä" * 61 + "x")

        async with client.websocket("/") as ws:
            assert (await ws.receive_close()).reason == "ä" * 61 + "x"

    async def test_use_after_close(self, app: Antiphon, client: TestClient) -> None:
        """Using a WebSocket that this side has closed is an error that is a disconnect and a RuntimeError."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.close(4001, "enough")
            uses: list[View] = [
                lambda ws: ws.send("x"),
                lambda ws: ws.send_bytes(b"x"),
                lambda ws: ws.receive(),
                lambda ws: ws.accept(),
                lambda ws: ws.subscribe("news"),
            ]
            for use in uses:
                with pytest.raises(ConnectionClosed) as caught:
                    await use(ws)
                assert isinstance(caught.value, RuntimeError)
                assert (caught.value.code, caught.value.reason) == (4001, "enough")
            with pytest.raises(ConnectionClosed):
                ws.send_nowait("x")
            assert [each async for each in ws] == []
            assert (await ws.receive_event())["code"] == 4001
            await ws.send("ends the view quietly")

        async with client.websocket("/") as ws:
            assert (await ws.receive_close()).code == 4001

    async def test_messages_before_the_close(self, app: Antiphon, client: TestClient) -> None:
        """All that was sent arrives before the close."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            for number in range(100):
                ws.send_nowait(str(number))
            await ws.close(4000)

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == [str(number) for number in range(100)]
            assert ws.close_code == 4000


class TestDisconnects:
    """A connection that is gone is one exception: WebSocketDisconnect."""

    @pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 3000, 4999])
    @pytest.mark.parametrize("how", ["receive", "send", "subscribe", "loop"])
    async def test_ends_the_view_quietly(
        self, app: Antiphon, client: TestClient, code: int, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Unhandled, a disconnect with any code ends the view without a word in the log."""
        caplog.set_level(logging.INFO)
        ended = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            try:
                await ws.accept()
                if how == "receive":
                    await ws.receive()
                elif how == "loop":
                    async for _ in ws:
                        pass
                    assert ws.close_code == code
                elif how == "send":
                    while True:
                        await ws.send("x")
                        await asyncio.sleep(0)
                else:
                    while True:
                        await ws.subscribe("news")
                        await asyncio.sleep(0)
            finally:
                ended.append(ws.close_code)

        async with client.websocket("/", timeout=5) as ws:
            await ws.close(code)
        assert ended == [code]
        assert not [each for each in caplog.records if each.levelno > logging.INFO]

    async def test_says_how(self, app: Antiphon, client: TestClient) -> None:
        """The exception has the client's code and reason, and is Starlette's too."""
        import starlette.websockets

        seen = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            try:
                await ws.receive()
            except starlette.websockets.WebSocketDisconnect as gone:
                seen.append(gone)
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.send("x")
            seen.append(caught.value)
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.close()
            seen.append(caught.value)
            await ws.ensure_closed()

        async with client.websocket("/") as ws:
            await ws.close(4000, "bye")
        assert [(type(each), each.code, each.reason) for each in seen] == [
            (WebSocketDisconnect, 4000, "bye")
        ] * 3

    @pytest.mark.parametrize(
        ("caught", "code", "quiet"),
        [
            (all, 1006, True),
            ((1000, 1001), 1000, True),
            ((1000, 1001), 1006, False),
            ((), 1000, False),
            (range(4000, 5000), 4321, True),
            ({1005}, 1005, True),
        ],
    )
    @pytest.mark.parametrize("iterate", [False, True])
    async def test_caught_close_codes(
        self, app: Antiphon, client: TestClient, caught: Any, code: int, quiet: bool, iterate: bool
    ) -> None:
        """`caught_close_codes` says which codes end a view quietly; others are raised to the server."""

        @app.websocket("/", caught_close_codes=caught)
        async def view(ws: WebSocket) -> None:
            if iterate:
                async for _ in ws:
                    pass
            else:
                await ws.receive()

        async def talk() -> None:
            async with client.websocket("/") as ws:
                await ws.close(code)

        if quiet:
            await talk()
        else:
            with pytest.raises(WebSocketDisconnect) as error:
                await talk()
            assert error.value.code == code

    async def test_caught_close_codes_that_are_none(self, app: Antiphon) -> None:
        """Anything but codes or `all` is refused when the endpoint is made."""
        with pytest.raises(ConfigurationError, match="caught_close_codes"):
            app.websocket("/", caught_close_codes=1000)  # type: ignore[typeddict-item]

    async def test_what_came_before_is_received(self, app: Antiphon, client: TestClient) -> None:
        """Messages that arrived before the client left are received before the disconnect."""
        received = []
        gone = asyncio.Event()

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await gone.wait()
            received.extend([each async for each in ws])

        async with client.websocket("/") as ws:
            for number in range(5):
                await ws.send(str(number))
            await ws.close()
            gone.set()
        assert received == list("01234")

    async def test_somebody_elses(self, app: Antiphon, watcher: TestClient) -> None:
        """The disconnect of another connection, let through, is an error and no quiet end."""
        others: list[WebSocket] = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            others.append(ws)
            await ws.receive()
            for other in others:
                await other.send("x")

        async with watcher.websocket("/") as one:
            async with watcher.websocket("/") as two:
                await two.abort()
            await one.send("go")
            others.remove(others[0])
            assert (await one.receive_close()).code == 1011


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


class TestErrors:
    """What a handler raises ends its connection as the exception says; clients see no internals."""

    @pytest.mark.parametrize(
        ("error", "status", "code", "reason"),
        [
            (ValueError("secret"), 500, 1011, ""),
            (WebSocketException(4004, "no such room"), 403, 4004, "no such room"),
            (WebSocketException(1006), 403, 1011, ""),
            (WebSocketException(4000, "ä" * 100), 403, 4000, "ä" * 61),
            (HTTPException(404, "no such room"), 404, 4404, "no such room"),
            (HTTPException(401, {"a": 1}), 401, 4401, '{"a":1}'),  # type: ignore[arg-type]
            (InvalidMessage("no"), 400, 1007, "no"),
        ],
    )
    async def test_before_and_after_accept(
        self, app: Antiphon, watcher: TestClient, error: Exception, status: int, code: int, reason: str
    ) -> None:
        """Before accepting it refuses the handshake, after it closes; never with the text of a bug."""

        @app.websocket("/{accept}")
        async def view(ws: WebSocket, accept: bool) -> None:
            if accept:
                await ws.accept()
            raise error

        answer = await refused(watcher, "/false")
        assert answer.status == status
        assert b"secret" not in answer.body
        async with watcher.websocket("/true") as ws:
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (code, reason)
        assert not app.endpoints["/{accept}"].connections

    async def test_headers_of_an_http_exception(self, app: Antiphon, watcher: TestClient) -> None:
        """An HTTPException's headers go into the refusal."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})

        assert (await refused(watcher)).headers["www-authenticate"] == "Basic"

    async def test_reaches_the_log(self, app: Antiphon, client: TestClient) -> None:
        """An unhandled exception is raised on to the server."""

        @app.websocket("/{accept}")
        async def view(ws: WebSocket, accept: bool) -> None:
            if accept:
                await ws.accept()
            raise LookupError("for the log")

        for path in ("/true", "/false"):
            with pytest.raises(LookupError, match="for the log"):
                async with client.websocket(path) as ws:
                    await ws.receive()

    async def test_after_closing(self, app: Antiphon, watcher: TestClient) -> None:
        """An exception after the view closed leaves the close as it was."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.close(4001)
            raise ValueError

        async with watcher.websocket("/") as ws:
            assert (await ws.receive_close()).code == 4001

    async def test_disconnect_of_another_within_a_block(self, app: Antiphon, watcher: TestClient) -> None:
        """`async with ws` keeps quiet about the end of its own connection, not of another's."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            async with ws:
                raise WebSocketDisconnect(1001, "another")

        async with watcher.websocket("/") as ws:
            assert (await ws.receive_close()).code == 1011

    async def test_one_does_not_disturb_another(self, app: Antiphon, watcher: TestClient) -> None:
        """A view that fails ends its own connection and no other."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            async for message in ws:
                await ws.send(100 // int(message))

        async with watcher.websocket("/") as good, watcher.websocket("/") as bad:
            await bad.send("0")
            assert (await bad.receive_close()).code == 1011
            await good.send("5")
            assert await good.receive() == "20"


class TestRequest:
    """A WebSocket is the request it came from."""

    async def test_what_it_has(self, app: Antiphon, client: TestClient) -> None:
        """URL, headers, query, path, cookies, client and state are there; its id is its own."""
        client.cookies["token"] = "t"
        ids = []

        @app.websocket("/rooms/{room}")
        async def view(ws: WebSocket) -> None:
            ids.append(ws.id)
            assert ws.url.path == "/rooms/a b"
            assert ws.url.scheme == "ws"
            assert ws.headers["x-key"] == "k"
            assert ws.query_params.getlist("tag") == ["1", "2"]
            assert ws.path_params == {"room": "a b"}
            assert ws.cookies == {"token": "t"}
            assert ws.client is not None
            ws.state.name = "Ada"
            assert ws.state.name == "Ada"
            assert ws.app is app
            assert ws.endpoint is app.endpoints["/rooms/{room}"]
            assert repr(ws).startswith("<WebSocket /rooms/a b connecting ")
            assert bool(ws)
            assert {ws: 1}[ws] == 1

        for _ in range(2):
            async with client.websocket("/rooms/a%20b?tag=1&tag=2", headers={"X-Key": "k"}):
                pass
        assert ids[0] != ids[1]
        assert all(isinstance(each, str) for each in ids)

    async def test_lifespan_state(self) -> None:
        """What the lifespan yields is in `ws.state`."""
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def lifespan(app: Antiphon) -> AsyncIterator[dict[str, int]]:
            yield {"answer": 42}

        app = Antiphon(lifespan=lifespan)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.send(ws.state.answer)

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "42"
