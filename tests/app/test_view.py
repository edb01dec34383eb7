"""Views: how they end when their clients leave, and when they fail."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import pytest
from starlette.exceptions import HTTPException

from antiphon import (
    Antiphon,
    Depends,
    InvalidMessage,
    Limits,
    Timeouts,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from antiphon.errors import ConfigurationError
from antiphon.testing import HandshakeRefused, TestClient
from tests.app.calls import Call

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


class TestServing:
    """One run of the view for each connection."""

    async def test_many_at_once(self, app: Antiphon, client: TestClient) -> None:
        """Each connection has its own run, and they do not wait for each other."""
        together = asyncio.Barrier(10)

        @app.websocket("/{name}")
        async def view(ws: WebSocket, name: str) -> None:
            await together.wait()
            await ws.send(name)

        async def talk(name: str) -> object:
            async with client.websocket(f"/{name}") as ws:
                return await ws.receive()

        names = [str(number) for number in range(10)]
        assert await asyncio.gather(*map(talk, names)) == names

    async def test_background_task_of_a_view(self, app: Antiphon, client: TestClient) -> None:
        """A task that the view started sends while the view receives."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            async def tick() -> None:
                for number in range(3):
                    await ws.send(number)

            ticking = asyncio.create_task(tick())
            assert await ws.receive() == "go"
            await ticking

        async with client.websocket("/") as ws:
            assert [await ws.receive() for _ in range(3)] == ["0", "1", "2"]
            await ws.send("go")
            assert (await ws.receive_close()).code == 1000

    async def test_task_that_waits_for_a_slow_peer(self) -> None:
        """A task that waits to send when the view ends is let go with a disconnect."""
        app = Antiphon(limits=Limits(outbox=1000, high_water=100), timeouts=Timeouts(close=0.05))
        ended = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            async def flood() -> None:
                try:
                    while True:
                        await ws.send("x" * 200)
                except WebSocketDisconnect as gone:
                    ended.append(gone.code)

            await ws.accept()
            flooding = asyncio.create_task(flood())
            await asyncio.sleep(0.01)
            app.state.flooding = flooding

        async with TestClient(app) as client:
            async with client.websocket("/", buffer=1):
                pass
            await asyncio.wait_for(app.state.flooding, 5)
        assert len(ended) == 1

    async def test_fails_twice(
        self, app: Antiphon, client: TestClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What its teardown raises does not hide what it raised itself."""

        async def resource() -> AsyncIterator[int]:
            yield 1
            raise LookupError("second")

        @app.websocket("/")
        async def view(ws: WebSocket, number: Annotated[int, Depends(resource)]) -> None:
            await ws.accept()
            raise ValueError("first")

        async with client.websocket("/") as ws:
            with pytest.raises(ValueError, match="first"):
                await ws.ended()
        assert "second" in caplog.text

    async def test_teardown_that_fails_when_it_is_stopped(self, app: Antiphon) -> None:
        """That it was cancelled does not hide what its teardown raises."""
        begun = asyncio.Event()

        async def resource() -> AsyncIterator[int]:
            yield 1
            raise LookupError("in the teardown")

        @app.websocket("/")
        async def view(ws: WebSocket, number: Annotated[int, Depends(resource)]) -> None:
            await ws.accept()
            begun.set()
            await asyncio.Event().wait()

        call = Call(app).task
        await begun.wait()
        call.cancel()
        with pytest.raises(LookupError, match="in the teardown"):
            await asyncio.wait_for(call, 10)

    async def test_signals(self, app: Antiphon, client: TestClient) -> None:
        """An observer learns of connections and failures, with endpoint, id, code and reason."""
        from antiphon.signals import ConnectionEnded, ConnectionOpened, HandlerFailed

        mistake = LookupError()
        seen: list[Any] = []
        assert app.observe(seen.append) == seen.append

        @app.websocket("/rooms/{room}")
        async def view(ws: WebSocket) -> None:
            await ws.send(ws.id)
            await ws.receive()
            raise mistake

        async with client.websocket("/rooms/1") as ws:
            id = await ws.receive_text()
            await ws.close(4000, "bye")
        assert seen == [
            ConnectionOpened("/rooms/{room}", id),
            ConnectionEnded("/rooms/{room}", id, 4000, "bye"),
        ]
        seen.clear()
        async with client.websocket("/rooms/1") as ws:
            id = await ws.receive_text()
            await ws.send("x")
            with pytest.raises(LookupError):
                await ws.ended()
        assert seen == [
            ConnectionOpened("/rooms/{room}", id),
            HandlerFailed("/rooms/{room}", id, mistake),
            ConnectionEnded("/rooms/{room}", id, 1011, ""),
        ]
