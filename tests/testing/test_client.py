"""The test client: what it shows, what it waits for, and that nothing in it waits for ever."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from antiphon import Antiphon, InvalidMessage, WebSocket, WebSocketDisconnect
from antiphon.errors import ConfigurationError, ConnectionClosed
from antiphon.testing import HandshakeRefused, TestClient

#: Seconds in which an application does, also on a busy machine, what it does at once.
AMPLE = 1.0


@pytest.fixture
def app() -> Antiphon:
    app = Antiphon()

    @app.websocket("/echo")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @app.websocket("/silent")
    async def silent(ws: WebSocket) -> None:
        await ws.receive()

    @app.websocket("/fails")
    async def fails(ws: WebSocket, accept: bool = True) -> None:
        if accept:
            await ws.accept()
        raise LookupError("the cause")

    return app


class TestReceive:
    """Receiving from the application."""

    async def test_kinds(self, app: Antiphon) -> None:
        """Text, bytes and JSON; the wrong kind is an error that says so."""
        async with TestClient(app) as client, client.websocket("/echo") as ws:
            await ws.send_text("a")
            await ws.send_bytes(b"b")
            await ws.send_json({"c": 1})
            await ws.send([2])
            assert await ws.receive_text() == "a"
            assert await ws.receive_bytes() == b"b"
            assert await ws.receive_json() == {"c": 1}
            assert await ws.receive() == "[2]"
            await ws.send("x")
            with pytest.raises(InvalidMessage, match="binary message is due"):
                await ws.receive_bytes()
            await ws.send(b"x")
            with pytest.raises(InvalidMessage, match="text message is due"):
                await ws.receive_text()
            await ws.send("{")
            with pytest.raises(InvalidMessage):
                await ws.receive_json()

    @pytest.mark.parametrize(
        ("receive", "awaited"),
        [
            ("receive", "a message"),
            ("receive_text", "a text message"),
            ("receive_bytes", "a binary message"),
            ("receive_json", "a JSON message"),
            ("receive_close", "the close"),
        ],
    )
    async def test_timeout(self, app: Antiphon, receive: str, awaited: str) -> None:
        """Nothing that comes is a TimeoutError saying what was waited for, how long, and where."""
        async with TestClient(app) as client, client.websocket("/silent?x=1") as ws:
            text = rf"waited 0\.01 s for {awaited} on <TestWebSocket /silent\?x=1 open, 0 received>"
            with pytest.raises(TimeoutError, match=text):
                await getattr(ws, receive)(timeout=0.01)

    async def test_timeout_of_the_client(self, app: Antiphon) -> None:
        """The client's own timeout is the default; a WebSocket may have its own."""
        async with TestClient(app, timeout=AMPLE) as client:
            async with client.websocket("/silent") as ws:
                with pytest.raises(TimeoutError, match=rf"waited {AMPLE:g} s"):
                    await ws.receive()
            async with client.websocket("/silent", timeout=1.5 * AMPLE) as ws:
                with pytest.raises(TimeoutError, match=rf"waited {1.5 * AMPLE:g} s"):
                    await ws.receive()

    async def test_close(self, app: Antiphon) -> None:
        """The application's close is a WebSocketDisconnect each time, with code and reason."""

        @app.websocket("/closes")
        async def closes(ws: WebSocket) -> None:
            await ws.send("last words")
            await ws.close(4001, "enough")

        async with TestClient(app) as client, client.websocket("/closes") as ws:
            assert await ws.receive() == "last words"
            for _ in range(2):
                with pytest.raises(WebSocketDisconnect) as caught:
                    await ws.receive()
                assert (caught.value.code, caught.value.reason) == (4001, "enough")
                assert not isinstance(caught.value, ConnectionClosed)
            with pytest.raises(WebSocketDisconnect):
                await ws.send("too late")
            assert (ws.closed, ws.close_code, ws.close_reason) == (True, 4001, "enough")
            assert "closed 4001 'enough', 1 received" in repr(ws)

    async def test_message_where_a_close_is_due(self, app: Antiphon) -> None:
        """`receive_close` fails on a message, and shows it."""
        async with TestClient(app) as client, client.websocket("/echo") as ws:
            await ws.send("surprise")
            with pytest.raises(AssertionError, match="'surprise'"):
                await ws.receive_close()

    async def test_own_close(self, app: Antiphon) -> None:
        """After its own close the client receives what came before, then ConnectionClosed."""
        async with TestClient(app) as client, client.websocket("/echo") as ws:
            await ws.send("x")
            assert await ws.receive() == "x"
            await ws.close(4000, "mine")
            await ws.close(4001)
            with pytest.raises(ConnectionClosed, match="4000 mine"):
                await ws.receive()
            with pytest.raises(ConnectionClosed):
                await ws.send("x")
            assert [each async for each in ws] == []

    async def test_not_entered(self, app: Antiphon) -> None:
        """Using it outside of its block says how it is used."""
        ws = TestClient(app).websocket("/echo")
        assert repr(ws) == "<TestWebSocket /echo not connected, 0 received>"
        with pytest.raises(RuntimeError, match=r"async with client\.websocket"):
            await ws.receive()


class TestHandshake:
    """Connecting."""

    async def test_refused(self, app: Antiphon) -> None:
        """A refusal is an exception with status, headers and body."""

        @app.websocket("/refuses")
        async def refuses(ws: WebSocket) -> None:
            await ws.reject(401, headers={"X-Why": "because"}, body="who are you?")

        async with TestClient(app) as client:
            with pytest.raises(HandshakeRefused, match="refused with 401 who are you") as caught:
                await client.websocket("/refuses").__aenter__()
        assert (caught.value.status, caught.value.body) == (401, b"who are you?")
        assert caught.value.headers["X-WHY"] == "because"

    async def test_neither_accepted_nor_refused(self) -> None:
        """An application that answers nothing is a TimeoutError, and is cancelled."""
        cancelled = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(scope["path"])
                raise

        client = TestClient(app, timeout=0.02)
        with pytest.raises(TimeoutError, match=r"waited 0\.02 s for the handshake's answer"):
            await client.websocket("/x").__aenter__()
        await asyncio.sleep(0)
        assert cancelled == ["/x"]

    async def test_application_that_returns(self) -> None:
        """One that returns without an answer counts as a refusal with 500, as on a server."""

        async def app(scope: Any, receive: Any, send: Any) -> None: ...

        with pytest.raises(HandshakeRefused) as caught:
            await TestClient(app).websocket("/").__aenter__()
        assert caught.value.status == 500

    async def test_what_it_sends(self) -> None:
        """Headers, origin, subprotocols, cookies and query are the application's to see."""
        scopes: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await send({"type": "websocket.accept", "subprotocol": "b"})

        client = TestClient(app, base_url="https://example.org:8443", headers={"X-All": "1", "X-One": "1"})
        client.cookies["c"] = "d"
        options: dict[str, Any] = {
            "subprotocols": ["a", "b"],
            "origin": "https://o",
            "headers": [("x-one", "2")],
        }
        async with client.websocket("/a%20b?c=%C3%A4", **options) as ws:
            assert ws.subprotocol == "b"
        scope = scopes[0]
        headers = dict(scope["headers"])
        assert (scope["scheme"], scope["path"], scope["raw_path"]) == ("wss", "/a b", b"/a%20b")
        assert scope["query_string"] == b"c=%C3%A4"
        assert scope["subprotocols"] == ["a", "b"]
        assert scope["server"] == ("example.org", 8443)
        assert headers[b"host"] == b"example.org:8443"
        assert headers[b"origin"] == b"https://o"
        assert headers[b"sec-websocket-protocol"] == b"a, b"
        assert headers[b"cookie"] == b"c=d"
        assert (headers[b"x-all"], headers[b"x-one"]) == (b"1", b"2")
        assert len(headers) == len(scope["headers"])

    def test_wrong_addresses(self, app: Antiphon) -> None:
        """A path without its slash, and a base that is no address, are errors that show the form."""
        with pytest.raises(ConfigurationError, match="http://testserver"):
            TestClient(app, base_url="testserver")

    async def test_wrong_path(self, app: Antiphon) -> None:
        """A path begins with a slash."""
        with pytest.raises(ValueError, match="begins with '/'"):
            await TestClient(app).get("echo")
        with pytest.raises(ValueError, match="begins with '/'"):
            await TestClient(app).websocket("ws://x/echo").__aenter__()


class TestFailures:
    """What the application raises surfaces in the test."""

    async def test_on_leaving(self, app: Antiphon) -> None:
        """It is raised when the block is left; it takes the place of a disconnect that it explains."""

        async def talk(receive: bool) -> None:
            async with TestClient(app) as client, client.websocket("/fails") as ws:
                if receive:
                    await ws.receive()

        for receive in (False, True):
            with pytest.raises(LookupError, match="the cause"):
                await talk(receive)

    async def test_in_the_handshake(self, app: Antiphon) -> None:
        """It says more than the refusal that it led to, and names it as its context."""
        with pytest.raises(LookupError, match="the cause") as caught:
            await TestClient(app).websocket("/fails?accept=no").__aenter__()
        assert isinstance(caught.value.__context__, HandshakeRefused)

    async def test_its_own_cause(self) -> None:
        """What is no Exception is the cause of one that a test can catch."""
        app = Antiphon()

        @app.websocket("/")
        async def exits() -> None:
            raise SystemExit(3)

        with pytest.raises(RuntimeError, match="SystemExit") as caught:
            await TestClient(app).websocket("/").__aenter__()
        assert isinstance(caught.value.__cause__, SystemExit)

    async def test_beside_another_error(self, app: Antiphon) -> None:
        """It accompanies an error of the test itself as a note."""

        async def talk() -> None:
            async with TestClient(app) as client, client.websocket("/fails"):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            await talk()
        assert "LookupError('the cause')" in caught.value.__notes__[0]

    async def test_switched_off(self, app: Antiphon) -> None:
        """Without it, the client sees what any client would."""
        async with TestClient(app, raise_exceptions=False) as client:
            async with client.websocket("/fails") as ws:
                assert (await ws.receive_close()).code == 1011
            with pytest.raises(HandshakeRefused) as caught:
                await client.websocket("/fails?accept=no").__aenter__()
            assert caught.value.status == 500

    async def test_application_that_does_not_end(self, app: Antiphon) -> None:
        """One that still works on a connection that is over is a TimeoutError, and is cancelled."""
        stopped = asyncio.Event()

        @app.websocket("/stubborn")
        async def stubborn(ws: WebSocket) -> None:
            await ws.accept()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        async def talk() -> None:
            async with client.websocket("/stubborn", timeout=AMPLE):
                pass

        async with TestClient(app) as client:
            with pytest.raises(TimeoutError, match="application to end its work on <TestWebSocket /stubborn"):
                await talk()
            await asyncio.wait_for(stopped.wait(), 10)

    async def test_ended(self, app: Antiphon) -> None:
        """`ended` waits for the application's end, and tells its failure once."""
        async with TestClient(app) as client, client.websocket("/fails") as ws:
            with pytest.raises(LookupError):
                await ws.ended()
            await ws.ended()


class TestSpecification:
    """The application is held to ASGI."""

    @pytest.mark.parametrize(
        ("events", "problem"),
        [
            (["send"], "may not send 'websocket.send': the WebSocket is connecting"),
            (["accept", "accept"], "may not send 'websocket.accept': the WebSocket is open"),
            (["accept", "close", "send"], "may not send 'websocket.send': the WebSocket is closed"),
            (["accept", "close", "close"], "may not send 'websocket.close': the WebSocket is closed"),
            (["accept", "http.response.start"], "may not send 'websocket.http.response.start'"),
        ],
    )
    async def test_order(self, events: list[str], problem: str) -> None:
        """An event that may not come now is a RuntimeError for the application."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for event in events:
                await send({"type": f"websocket.{event}", "text": "x", "status": 403, "headers": []})

        async def talk() -> None:
            async with TestClient(app).websocket("/") as ws:
                async for _ in ws:
                    pass

        with pytest.raises(RuntimeError, match=problem):
            await talk()

    @pytest.mark.parametrize("event", [{}, {"text": 5}, {"bytes": "x"}, {"text": "x", "bytes": b"x"}])
    async def test_messages(self, event: dict[str, Any]) -> None:
        """A message has text or bytes, of those types."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", **event})

        async def talk() -> None:
            async with TestClient(app).websocket("/") as ws:
                await ws.receive_close()

        with pytest.raises(TypeError, match="either text"):
            await talk()

    async def test_client_that_has_gone(self) -> None:
        """Sending to it is an OSError; receiving tells of the end, each time."""
        seen: list[Any] = []
        gone = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await gone.wait()
            with pytest.raises(OSError, match="client has gone"):
                await send({"type": "websocket.send", "text": "x"})
            seen.extend([await receive(), await receive()])

        async with TestClient(app).websocket("/") as ws:
            await ws.abort()
            gone.set()
        assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}] * 2

    async def test_buffer(self) -> None:
        """A client with a buffer holds the application back when it does not receive."""
        sent = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            for number in range(10):
                await send({"type": "websocket.send", "text": str(number)})
                sent.append(number)

        async with TestClient(app).websocket("/", buffer=3) as ws:
            for _ in range(20):
                await asyncio.sleep(0)
            assert (len(sent), ws.unread) == (3, 4)
            assert [each async for each in ws] == [str(number) for number in range(10)]

    async def test_other_frameworks(self) -> None:
        """It talks to any ASGI application."""

        async def shout(ws: StarletteWebSocket) -> None:
            await ws.accept()
            await ws.send_text((await ws.receive_text()).upper())
            await ws.close(4000, "done")

        async with TestClient(Starlette(routes=[WebSocketRoute("/", shout)])) as client:
            async with client.websocket("/") as ws:
                await ws.send("x")
                assert await ws.receive() == "X"
                assert str(await ws.receive_close()) == "4000 done"
            with pytest.raises(HandshakeRefused) as caught:
                await client.websocket("/unknown").__aenter__()
            assert caught.value.status in (403, 404)


class TestHttp:
    """HTTP requests."""

    async def test_everything(self) -> None:
        """Method, query, headers, body and JSON go there; status, headers, text and JSON come back."""

        async def mirror(request: Request) -> Response:
            body = (await request.body()).decode()
            about = [request.method, str(request.query_params), request.headers.get("x-a"), body]
            return JSONResponse([*about, request.headers.get("content-type")], 201, headers={"X-B": "b"})

        app = Starlette(routes=[Route("/", mirror, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
        async with TestClient(app) as client:
            answer = await client.get("/?q=1", headers={"X-A": "a"})
            assert (answer.status, answer.headers["x-b"]) == (201, "b")
            assert answer.json() == ["GET", "q=1", "a", "", None]
            assert (await client.post("/", body="ä")).json() == ["POST", "", None, "ä", None]
            assert (await client.put("/", json={"a": 1})).json()[3:] == ['{"a":1}', "application/json"]
            assert (await client.patch("/", json=[])).json()[3] == "[]"
            assert (await client.delete("/")).text.startswith('["DELETE"')

    async def test_cookies(self) -> None:
        """Cookies are kept and sent again, until they are deleted."""

        async def set_cookie(request: Request) -> Response:
            answer = PlainTextResponse(str(sorted(request.cookies.items())))
            if request.method == "POST":
                answer.set_cookie("a", "1")
                answer.set_cookie("b", "2")
            else:
                answer.delete_cookie("a")
            return answer

        async with TestClient(Starlette(routes=[Route("/", set_cookie, methods=["GET", "POST"])])) as client:
            await client.post("/")
            assert client.cookies == {"a": "1", "b": "2"}
            assert (await client.get("/")).text == "[('a', '1'), ('b', '2')]"
            assert (await client.get("/")).text == "[('b', '2')]"

    async def test_failures(self) -> None:
        """What the application raises is raised; or it is the response, or a 500."""

        async def fails(request: Request) -> Response:
            raise LookupError("the cause")

        async def bare(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError("the cause")

        for app in (Starlette(routes=[Route("/", fails)]), bare):
            with pytest.raises(LookupError, match="the cause"):
                await TestClient(app).get("/")
            assert (await TestClient(app, raise_exceptions=False).get("/")).status == 500

    async def test_no_answer(self) -> None:
        """None, half of one, or one whose work goes on are errors that say which."""

        async def nothing(scope: Any, receive: Any, send: Any) -> None: ...

        async def half(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.Event().wait()

        async def never_ending(request: Request) -> Response:
            return PlainTextResponse("x", background=BackgroundTask(asyncio.Event().wait))

        with pytest.raises(RuntimeError, match="returned without answering GET /x"):
            await TestClient(nothing).get("/x")
        with pytest.raises(TimeoutError, match=r"GET /x is not answered after 0\.02 s"):
            await TestClient(half, timeout=0.02).get("/x")
        app = Starlette(routes=[Route("/x", never_ending)])
        with pytest.raises(TimeoutError, match=r"GET /x was answered, but the application still works on it"):
            await TestClient(app).request("GET", "/x", timeout=AMPLE)

    async def test_wrong_order(self) -> None:
        """A body before its start, or two starts, are errors of the application."""

        async def body_first(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.body"})

        async def two_starts(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(2):
                await send({"type": "http.response.start", "status": 200})

        for app in (body_first, two_starts):
            with pytest.raises(RuntimeError, match=r"may not send 'http\.response\.\w+' now"):
                await TestClient(app).get("/")


class TestLifespan:
    """Starting and stopping the application."""

    async def test_application_without(self) -> None:
        """An application that knows no lifespan is served without."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await PlainTextResponse("x")(scope, receive, send)

        async with TestClient(app) as client:
            assert (await client.get("/")).text == "x"
            await client.stop()

    async def test_one_that_takes_too_long(self) -> None:
        """Starting or stopping for ever is a TimeoutError."""

        async def no_start(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.Event().wait()

        async def no_stop(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await asyncio.Event().wait()

        with pytest.raises(TimeoutError, match=r"startup takes longer than 0\.02 s"):
            await TestClient(no_start, timeout=0.02).__aenter__()
        client = await TestClient(no_stop, timeout=AMPLE).__aenter__()
        with pytest.raises(TimeoutError, match=rf"shutdown takes longer than {AMPLE:g} s"):
            await client.stop()

    async def test_failure_without_an_exception(self) -> None:
        """An application that only says that it failed has its message shown."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with pytest.raises(RuntimeError, match="startup failed: no database"):
            await TestClient(app).__aenter__()

    async def test_failing_stop_beside_another_error(self) -> None:
        """It accompanies an error of the test itself as a note."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "stuck"})

        async def test() -> None:
            async with TestClient(app):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            await test()
        assert "stuck" in caught.value.__notes__[0]


def test_pytest_does_not_collect_it() -> None:
    """Its names begin with Test, and are no test cases."""
    from antiphon.testing import TestWebSocket

    assert not TestClient.__test__
    assert not TestWebSocket.__test__
