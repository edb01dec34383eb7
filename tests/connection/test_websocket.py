"""The WebSocket as a handler holds it: accepting, refusing, closing, and what misuse says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from antiphon import (
    Antiphon,
    Timeouts,
    WebSocket,
    WebSocketDisconnect,
)
from antiphon.errors import ConfigurationError, ConnectionClosed, HandshakeRejected
from antiphon.testing import HandshakeRefused, TestClient

View = Callable[[WebSocket], Awaitable[Any]]

#: For tests of deadlines; in all others even a machine that stands still for a moment meets none.
SHORT = Timeouts(accept=0.05, handshake=0.05)


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

    async def test_headers_that_are_none(self, app: Antiphon, client: TestClient) -> None:
        """Headers of the wrong kind are that error, and the handshake can be answered yet."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            headers: Any = [("x-seen", 5)]
            with pytest.raises((TypeError, AttributeError)):
                await ws.accept(headers=headers)
            await ws.accept(headers={"x-seen": "yes"})

        async with client.websocket("/") as ws:
            assert ws.headers["x-seen"] == "yes"

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
        app.timeouts = SHORT
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
        app.timeouts = SHORT
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
        app.timeouts = SHORT
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
        app.timeouts = SHORT
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
        app.timeouts = SHORT
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
