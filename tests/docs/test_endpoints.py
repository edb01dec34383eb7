"""docs/guide/endpoints.md: what it says about views, event endpoints, exceptions and HTTP handlers."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import msgspec
import pytest
from starlette.exceptions import HTTPException

from antiphon import Antiphon, Depends, Timeouts, WebSocket, WebSocketDisconnect, WebSocketException
from antiphon.errors import BindingError, ConnectionClosed
from antiphon.testing import HandshakeRefused, TestClient
from tests.docs.conftest import Load, eventually
from tests.docs.markdown import ROOT

PAGE = "docs/guide/endpoints.md"


async def refusal(client: TestClient, path: str, **options: object) -> tuple[int, bytes]:
    """How a handshake is refused: status and body."""
    with pytest.raises(HandshakeRefused) as refused:
        async with client.websocket(path, **options):  # type: ignore[arg-type]
            pass
    return refused.value.status, refused.value.body


async def test_views(load: Load) -> None:
    """The page's views, one after the other."""
    views = load(PAGE, "views")
    async with TestClient(views.app) as client:
        async with client.websocket("/greet") as ws:
            await ws.send("Ada")
            assert await ws.receive() == "Hello, Ada!"
            assert (await ws.receive_close()).code == 1000

        assert await refusal(client, "/private") == (401, b"an api-key, please")
        async with client.websocket("/private", headers={"api-key": "s3cret"}) as ws:
            assert await ws.receive() == "welcome"

        async with client.websocket("/chosen", subprotocols=["v1", "v2"]) as ws:
            assert (ws.subprotocol, ws.headers["x-served-by"]) == ("v2", "antiphon")
            assert await ws.receive_json() == ["v1", "v2"]
        async with client.websocket("/chosen") as ws:
            assert ws.subprotocol is None

        async with client.websocket("/explicit") as ws:
            assert await ws.receive() == "accepted"
            assert (await ws.receive_close()).code == 1000

        async with client.websocket("/watched") as ws:
            await ws.send("x")
            assert await ws.receive() == "x"
            await ws.close(4321)
        assert views.departures == [4321]

        for answer, code, reason in [("42", 4001, "right"), ("41", 4000, "wrong")]:
            async with client.websocket("/quiz") as ws:
                assert await ws.receive() == "six times seven?"
                await ws.send(answer)
                closed = await ws.receive_close()
                assert (closed.code, closed.reason) == (code, reason)


async def test_accepting(load: Load) -> None:
    """Explicit accepting, and the view that thinks for long."""
    app = Antiphon(timeouts=Timeouts(accept=0.05))
    errors: list[Exception] = []

    @app.websocket("/unaccepted", auto_accept=False)
    async def unaccepted(ws: WebSocket) -> None:
        try:
            await ws.send("x")
        except RuntimeError as error:
            errors.append(error)

    @app.websocket("/slow")
    async def slow(ws: WebSocket) -> None:
        await asyncio.sleep(0.2)
        await ws.reject(401)

    async with TestClient(app) as client:
        assert (await refusal(client, "/unaccepted"))[0] == 403
        assert "not accepted yet" in str(errors[0])
        async with client.websocket("/slow") as ws:
            assert (await ws.receive_close()).code == 1008


async def test_the_end() -> None:
    """Closing twice, using what is closed, two readers, codes that are not caught."""
    app = Antiphon()
    seen: list[object] = []

    @app.websocket("/twice")
    async def twice(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close()
        with pytest.raises(RuntimeError):
            await ws.close()
        await ws.ensure_closed()
        with pytest.raises(ConnectionClosed) as closed:
            await ws.send("x")
        assert isinstance(closed.value, WebSocketDisconnect)
        assert isinstance(closed.value, RuntimeError)
        seen.append((ws.closed, ws.close_code, ws.close_reason))

    @app.websocket("/readers")
    async def readers(ws: WebSocket) -> None:
        first = asyncio.ensure_future(ws.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks receive"):
            await ws.receive()
        first.cancel()

    @app.websocket("/strict", caught_close_codes=(1000, 1001))
    async def strict(ws: WebSocket) -> None:
        await ws.receive()

    async with TestClient(app) as client:
        for path in ("/twice", "/readers"):
            async with client.websocket(path) as ws:
                await ws.receive_close()
        assert seen == [(True, 1000, "")]
        async with client.websocket("/strict"):
            pass
        with pytest.raises(WebSocketDisconnect):
            async with client.websocket("/strict") as ws:
                await ws.abort()


async def test_routes(load: Load) -> None:
    """The stand-alone decorator makes the endpoint; it takes text only, as told."""
    module = load(PAGE, "routes")
    async with TestClient(module.app) as client, client.websocket("/echo") as ws:
        await ws.send("x")
        assert await ws.receive() == "x"
        await module.echo.broadcast("to all")
        assert await ws.receive() == "to all"
        assert len(module.echo.connections) == 1
        await ws.send(b"x")
        assert (await ws.receive_close()).code == 1003


async def test_events(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's desk: greeting, answer, error, leaving, refusing."""
    app = load(PAGE, "events").app
    async with TestClient(app) as client:
        async with client.websocket("/desk/3") as ws:
            assert await ws.receive() == "desk 3"
            await ws.send("where?")
            assert await ws.receive_json() == {"you asked": "where?"}
            await ws.send(b"binary")
            assert await ws.receive() == "sorry"
            await ws.send("bye")
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (4000, "see you")
        assert capsys.readouterr().out == "somebody left desk 3\n"
        assert await refusal(client, "/desk/10") == (404, b"there are nine desks")
        # The handler `close` runs for a connection whose `connect` refused, too.
        await eventually(lambda: capsys.readouterr().out == "somebody left desk 10\n")


async def test_event_mistakes() -> None:
    """A wrong event name, a second handler, and a parameter that nothing can fill."""
    desk = Antiphon().events("/desk")
    with pytest.raises(BindingError, match="there is no event 'conect'"):
        desk.on("conect")  # type: ignore[arg-type]
    desk.on("close")(lambda ws: None)
    with pytest.raises(BindingError, match="already"):
        desk.on("close")(lambda ws: None)
    with pytest.raises(BindingError, match="nothing can fill the parameter 'thing'"):

        @desk.on("message")
        def message(ws: WebSocket, message: str, thing: object) -> None: ...


@dataclass
class Point:
    x: int


RAISED = {
    "WebSocketException(code, reason)": (WebSocketException(4123, "why"), 403, 4123, "why"),
    "HTTPException(status, detail)": (HTTPException(418, "tea"), 418, 4418, "tea"),
    "anything else": (ValueError("a secret"), 500, 1011, ""),
}


@pytest.mark.parametrize("row", RAISED)
async def test_exceptions(row: str) -> None:
    """The page's table, by views that raise before and after accepting."""
    error, status, code, reason = RAISED[row]
    app = Antiphon()

    @app.websocket("/before")
    async def before(ws: WebSocket) -> None:
        raise error

    @app.websocket("/after")
    async def after(ws: WebSocket) -> None:
        await ws.accept()
        raise error

    async with TestClient(app, raise_exceptions=False) as client:
        assert (await refusal(client, "/before"))[0] == status
        async with client.websocket("/after") as ws:
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (code, reason)
    assert f"| {row}" in " ".join((ROOT / PAGE).read_text().replace("`", "").split())


async def test_exceptions_of_messages() -> None:
    """The page's table: what a client sent does not fit."""
    app = Antiphon()

    @app.websocket("/typed", receive_type=Point)
    async def typed(ws: WebSocket, q: int = 0) -> None:
        await ws.receive()

    async with TestClient(app) as client:
        assert (await refusal(client, "/typed?q=x"))[0] == 400
        async with client.websocket("/typed") as ws:
            await ws.send("{}")
            assert (await ws.receive_close()).code == 1007


async def test_http(load: Load) -> None:
    """The page's HTTP handlers and what their results become."""
    app = load(PAGE, "http").app
    async with TestClient(app) as client:
        index = await client.get("/")
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        plain = await client.get("/plain")
        assert plain.headers["content-type"] == "text/plain; charset=utf-8"
        item = await client.get("/items/7?detail=on")
        assert item.json() == {"number": 7, "detail": True}
        assert (await client.post("/items", json={})).status == 204
        old = await client.get("/old")
        assert (old.status, old.headers["location"]) == (307, "/")


async def test_dataclasses_and_structs_are_json() -> None:
    """What the page says of return values besides dictionaries."""

    class Struct(msgspec.Struct):
        y: int

    app = Antiphon()
    app.get("/list")(lambda: [1])
    app.get("/dataclass")(lambda: Point(1))
    app.get("/struct")(lambda: Struct(2))
    async with TestClient(app) as client:
        assert (await client.get("/list")).json() == [1]
        assert (await client.get("/dataclass")).json() == {"x": 1}
        assert (await client.get("/struct")).json() == {"y": 2}


def dependency() -> int:
    return 1


async def test_annotated_dependency_in_http() -> None:
    """HTTP handlers have the same parameters."""
    app = Antiphon()

    @app.get("/")
    def index(one: Annotated[int, Depends(dependency)]) -> dict[str, int]:
        return {"one": one}

    async with TestClient(app) as client:
        assert (await client.get("/")).json() == {"one": 1}
