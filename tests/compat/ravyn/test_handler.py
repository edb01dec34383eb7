"""Ravyn's ``@websocket``: what handlers are given, and what becomes of their exceptions."""

from typing import Any

import pytest
from starlette.exceptions import HTTPException

import antiphon
from antiphon.compat import bocadillo, robyn
from antiphon.compat.ravyn import Inject, Ravyn, WebSocket, WebSocketDisconnect, WebSocketException, websocket
from antiphon.errors import BindingError, ConfigurationError
from tests.compat.live import ended, refusal, said, said_json, serving, ws


class TestParameters:
    """The connection is found by its annotation, by its name, or by being first."""

    async def test_connection(self) -> None:
        """Whatever the parameter is called, with or without annotations."""

        @websocket("/named")
        async def named(socket):  # type: ignore[no-untyped-def]
            await socket.accept()
            await socket.send_text("named")

        @websocket("/annotated")
        async def annotated(number: int, anything: WebSocket) -> None:
            await anything.accept()
            await anything.send_text(f"annotated {number}")

        @websocket("/first/<name>")
        async def first(whatever, name):  # type: ignore[no-untyped-def]
            await whatever.accept()
            await whatever.send_text(f"first {name}")

        async with serving(Ravyn(routes=[named, annotated, first])) as address:
            for path, answer in [
                ("/named", "named"),
                ("/annotated?number=7", "annotated 7"),
                ("/first/x", "first x"),
            ]:
                async with ws(address, path) as client:
                    assert await said(client) == answer

    async def test_path_and_query(self) -> None:
        """Converted; what does not fit refuses the handshake and says which."""

        @websocket("/{room}/{number:int}")
        async def view(socket: WebSocket, room: str, number: int, q: int, d: float = 0.5) -> None:
            await socket.accept()
            await socket.send_json([room, number, q, d])

        async with serving(Ravyn(routes=[view])) as address:
            async with ws(address, "/red/7?q=3") as client:
                assert await said_json(client) == ["red", 7, 3, 0.5]
            assert await refusal(address, "/red/7?q=x") == 400
            assert await refusal(address, "/red/7") == 400

    async def test_decorator_of_the_application(self) -> None:
        """``app.websocket`` returns the function; the default path is the root."""
        app = Ravyn()

        async def view(socket: WebSocket) -> None:
            await socket.accept()

        assert app.websocket()(view) is view
        async with serving(app) as address, ws(address, "/") as client:
            assert await ended(client) == (1000, "")

    def test_mistakes(self) -> None:
        """A plain function, and a parameter that nothing fills."""
        with pytest.raises(BindingError, match="async def"):
            websocket("/")(lambda socket: None)

        @websocket("/")
        async def view(socket, nobody):  # type: ignore[no-untyped-def]
            """Never called."""

        with pytest.raises(BindingError, match="'nobody'"):
            Ravyn(routes=[view])


class TestDependencies:
    """By name; the handler's own come before the application's."""

    async def test_order(self) -> None:
        """Path, then handler, then application; functions may depend on others."""

        def base() -> str:
            return "app"

        async def derived(base: str) -> str:
            return f"derived from {base}"

        @websocket("/own/{seat}", dependencies={"base": lambda: "own", "seat": lambda: "injected"})
        async def own(socket: WebSocket, base: str, derived: str, seat: str) -> None:
            await socket.accept()
            await socket.send_json([base, derived, seat])

        @websocket("/app")
        async def theirs(socket: WebSocket, base: str, derived: str) -> None:
            await socket.accept()
            await socket.send_json([base, derived])

        app = Ravyn(routes=[own, theirs], dependencies={"base": Inject(base), "derived": derived})
        async with serving(app) as address:
            async with ws(address, "/own/7") as client:
                assert await said_json(client) == ["own", "derived from own", "7"]
            async with ws(address, "/app") as client:
                assert await said_json(client) == ["app", "derived from app"]

    async def test_lifetime(self) -> None:
        """Made for each connection, torn down after it; made once with ``use_cache``."""
        log: list[str] = []

        def each() -> Any:
            log.append("made")
            yield len(log)
            log.append("torn down")

        def once() -> object:
            return log.append("once")

        @websocket("/", dependencies={"each": each, "once": Inject(once, use_cache=True)})
        async def view(socket: WebSocket, each: int, once: None) -> None:
            await socket.accept()

        async with serving(Ravyn(routes=[view])) as address:
            for _ in range(2):
                async with ws(address, "/") as client:
                    await ended(client)
        assert log == ["made", "once", "torn down", "made", "torn down"]

    @pytest.mark.parametrize(
        "name",
        ["state", "headers", "cookies", "request", "context", "socket", "data", "query", "payload", "ws"],
    )
    def test_reserved(self, name: str) -> None:
        """A name that means something in handlers is none for a dependency."""
        with pytest.raises(ConfigurationError, match=f"'{name}'"):
            Ravyn(dependencies={name: lambda: None})


class Teapot(Exception):
    """An exception with an HTTP status, of no class that we know."""

    status_code = 418
    detail = "short and stout"


class TestErrors:
    """What a handler raises decides how its client is told."""

    @pytest.mark.parametrize(
        ("error", "status", "end"),
        [
            (ValueError("secret"), 403, (1011, "")),
            (HTTPException(401, "who?"), 401, (4401, "who?")),
            (Teapot(), 418, (4418, "short and stout")),
            (WebSocketException(4001, "no"), 403, (4001, "no")),
        ],
    )
    async def test_table(self, error: Exception, status: int, end: Any) -> None:
        """Before the handshake is accepted a status, afterwards a code; never the text of a mistake."""

        @websocket("/before")
        async def before(socket: WebSocket) -> None:
            raise error

        @websocket("/after")
        async def after(socket: WebSocket) -> None:
            await socket.accept()
            raise error

        async with serving(Ravyn(routes=[before, after])) as address:
            assert await refusal(address, "/before") == status
            async with ws(address, "/after") as client:
                assert await ended(client) == end

    async def test_never_accepted(self) -> None:
        """A handler that ends without accepting has refused."""

        @websocket("/")
        async def view(socket: WebSocket) -> None:
            """Forgot."""

        async with serving(Ravyn(routes=[view])) as address:
            assert await refusal(address, "/") == 403


async def test_one_disconnect() -> None:
    """Every dialect's class is the one that is raised."""
    assert WebSocketDisconnect is antiphon.WebSocketDisconnect is bocadillo.WebSocketDisconnect
    assert issubclass(robyn.WebSocketConnector, antiphon.WebSocket)
