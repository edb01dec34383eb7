"""The application as a whole: routes, mounting, lifespan, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute

from antiphon import Antiphon, Limits, Timeouts, WebSocket, websocket
from antiphon.errors import BindingError, ConfigurationError
from antiphon.testing import HandshakeRefused, TestClient


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def echoes(client: TestClient, path: str) -> bool:
    async with client.websocket(path) as ws:
        await ws.send("x")
        return await ws.receive() == "x"


async def refusal(client: TestClient, path: str) -> int:
    with pytest.raises(HandshakeRefused) as caught:
        async with client.websocket(path):
            pass
    return caught.value.status


class TestRoutes:
    """`Antiphon(routes=[…])`, decorators, and paths nobody serves."""

    async def test_list(self) -> None:
        """It takes Starlette's routes and endpoints made by the stand-alone decorator."""

        async def index(request: Request) -> PlainTextResponse:
            return PlainTextResponse("index")

        @websocket("/echo/{times:int}", receive_type="text")
        async def view(ws: WebSocket, times: int, suffix: str = "") -> None:
            await ws.send(await ws.receive() * times + suffix)

        app = Antiphon(
            routes=[Route("/", index), view, Mount("/inner", Starlette(routes=[Route("/", index)]))]
        )
        assert app.endpoints == {"/echo/{times:int}": view}
        async with TestClient(app) as client:
            assert (await client.get("/")).text == "index"
            assert (await client.get("/inner/")).text == "index"
            async with client.websocket("/echo/3?suffix=!") as ws:
                await ws.send("x")
                assert await ws.receive() == "xxx!"

    async def test_unknown_path(self) -> None:
        """A handshake for a path nobody serves is 404, as is one for an HTTP path."""
        app = Antiphon()
        app.get("/http")(lambda: "x")
        async with TestClient(app) as client:
            assert await refusal(client, "/unknown") == 404
            assert await refusal(client, "/http") == 404
            assert (await client.get("/unknown")).status == 404

    @pytest.mark.parametrize("prefix", ["", "/mounted"])
    async def test_plain_request(self, prefix: str) -> None:
        """A plain request for a WebSocket's path is 426, and says what clients and proxies have to do."""
        app = Antiphon()
        app.websocket("/rooms/{name}")(echo)
        outer = Antiphon()
        outer.mount("/mounted", app)
        async with TestClient(outer if prefix else app) as client:
            answer = await client.get(f"{prefix}/rooms/red")
            assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
            assert "a proxy in between has to pass on the headers Upgrade and Connection" in answer.text
            assert (await client.get(f"{prefix}/rooms")).status == 404

    async def test_second_time(self) -> None:
        """The second handshake for a path, which takes a shorter way, finds the same in its scope."""
        app = Antiphon()

        @app.websocket("/ws")
        async def view(ws: WebSocket) -> None:
            scope = ws.scope
            await ws.send([scope["route"].path, scope["path_params"], scope["endpoint"] is ws.endpoint])
            await ws.send([scope["app"] is app, scope["router"] is app.router, str(ws.url_for("/ws"))])

        async with TestClient(app) as client:
            seen = []
            for _ in range(3):
                async with client.websocket("/ws") as ws:
                    seen.append([await ws.receive_json(), await ws.receive_json()])
        assert seen[0][0] == ["/ws", {}, True]
        assert seen[0] == seen[1] == seen[2]

    async def test_routes_change(self) -> None:
        """A route that is put before another one later comes first from then on."""
        app = Antiphon()
        app.websocket("/ws")(echo)

        @websocket("/{any}")
        async def other(ws: WebSocket) -> None:
            await ws.send("other")

        async with TestClient(app) as client:
            for _ in range(2):
                assert await echoes(client, "/ws")
            app.add(other)
            app.router.routes.insert(0, app.router.routes.pop())
            for _ in range(2):
                async with client.websocket("/ws") as ws:
                    assert await ws.receive() == "other"

    async def test_routes_changed_meanwhile(self) -> None:
        """What a handshake found out counts for nothing when the routes have changed before it ends."""

        @websocket("/{any}")
        async def other(ws: WebSocket) -> None:
            await ws.send("other")

        app = Antiphon()
        app.websocket("/ws")(echo)
        async with TestClient(app) as client:
            async with client.websocket("/ws"):
                app.add(other)
                app.router.routes.insert(0, app.router.routes.pop())
                async with client.websocket("/ws") as ws:
                    assert await ws.receive() == "other"
            async with client.websocket("/ws") as ws:
                assert await ws.receive() == "other"

    async def test_within_a_host(self) -> None:
        """A host of another application that this one is mounted at has its parameters each time."""
        app = Antiphon()

        @app.websocket("/ws")
        async def whose(ws: WebSocket, tenant: str = "nobody") -> None:
            await ws.send_json(ws.path_params)

        async with TestClient(Starlette(routes=[Host("{tenant}.example", app)])) as client:
            for tenant in ("one", "two", "two"):
                async with client.websocket("/ws", headers={"host": f"{tenant}.example"}) as ws:
                    assert await ws.receive_json() == {"tenant": tenant}

    async def test_host_before_path(self) -> None:
        """A route that matches by more than the path is asked each time."""

        async def elsewhere(ws: Any) -> None:
            await ws.accept()
            await ws.send_text("elsewhere")
            await ws.close()

        inner = Starlette(routes=[WebSocketRoute("/ws", elsewhere)])
        app = Antiphon(routes=[Host("other.example", inner), websocket("/ws")(echo)])
        async with TestClient(app) as client:
            for _ in range(2):
                assert await echoes(client, "/ws")
            async with client.websocket("/ws", headers={"host": "other.example"}) as ws:
                assert await ws.receive() == "elsewhere"

    async def test_layers_of_ones_own(self) -> None:
        """Middleware and exception handlers of the application see every handshake, not only the first."""
        seen = []

        class Watching:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "websocket":
                    seen.append(scope["path"])
                await self.app(scope, receive, send)

        app = Antiphon(middleware=[Middleware(Watching)])
        app.websocket("/ws")(echo)
        async with TestClient(app) as client:
            for _ in range(3):
                assert await echoes(client, "/ws")
        assert seen == ["/ws"] * 3

    def test_binding_errors(self) -> None:
        """A view that cannot be bound fails when the application takes it."""

        @websocket("/")
        async def view(ws: WebSocket, unknown: object) -> None: ...

        with pytest.raises(BindingError, match="'unknown'"):
            Antiphon(routes=[view])

    def test_twice(self) -> None:
        """One path has one endpoint, and one endpoint one application."""
        app = Antiphon()
        app.websocket("/")(echo)
        with pytest.raises(ConfigurationError, match="endpoint for '/' already"):
            app.events("/")
        view = websocket("/view")(echo)
        app.add(view)
        with pytest.raises(ConfigurationError, match="belongs to another application"):
            Antiphon(routes=[view])

    def test_repr(self) -> None:
        """What is printed says what there is."""
        app = Antiphon(routes=[websocket("/")(echo)])
        assert repr(app) == "<Antiphon 1 routes, 0 connections>"
        assert repr(app.endpoints["/"]) == "<ViewEndpoint / 0 connections>"
        assert repr(app.channel("news")) == "<Channel 'news', 0 subscribers here>"

    async def test_paths(self) -> None:
        """Paths are Starlette's: text, integers, the rest of the path; encoded ones are decoded."""
        app = Antiphon()

        @app.websocket("/files/{name:path}")
        async def view(ws: WebSocket, name: str) -> None:
            await ws.send(name)

        async with TestClient(app) as client, client.websocket("/files/a%20b/%C3%A4") as ws:
            assert await ws.receive() == "a b/ä"


class TestMounting:
    """An Antiphon application inside others, and others inside it."""

    async def test_in_starlette(self) -> None:
        """Mounted in Starlette it serves below its path, without a lifespan of its own."""
        app = Antiphon()
        app.websocket("/echo")(echo)
        app.get("/page")(lambda: "page")

        @app.websocket("/news")
        async def news(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await app.channel("news").publish("published")
            await ws.endpoint.broadcast("broadcast")

        outer = Starlette(routes=[Mount("/live", app)])
        async with TestClient(outer) as client:
            assert await echoes(client, "/live/echo")
            assert (await client.get("/live/page")).text == "page"
            assert (await client.get("/live/unknown")).status == 404
            assert await refusal(client, "/live/unknown") == 404
            async with client.websocket("/live/news") as ws:
                assert [each async for each in ws] == ["published", "broadcast"]

    async def test_in_fastapi(self) -> None:
        """Mounted in FastAPI it serves beside its routes, which can publish to its channels."""
        from fastapi import FastAPI

        live, outer = Antiphon(), FastAPI()
        live.websocket("/echo")(echo)
        live.events("/feed").on("connect")(lambda ws: ws.id)

        @outer.post("/orders")
        async def create() -> dict[str, int]:
            await live.endpoints["/feed"].broadcast("created")
            return {"id": 7}

        outer.mount("/live", live)
        async with TestClient(outer) as client:
            assert await echoes(client, "/live/echo")
            async with client.websocket("/live/feed") as ws:
                await ws.receive()
                assert (await client.post("/orders")).json() == {"id": 7}
                assert await ws.receive() == "created"

    async def test_others_within(self) -> None:
        """`mount` takes any ASGI application."""

        async def plain(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse(f"{scope['path']}")(scope, receive, send)

        app = Antiphon()
        app.mount("/plain", plain)
        inner = Antiphon()
        inner.websocket("/echo")(echo)
        app.mount("/inner", inner)
        async with TestClient(app) as client:
            assert (await client.get("/plain/x")).text == "/plain/x"
            assert await echoes(client, "/inner/echo")

    async def test_middleware(self) -> None:
        """Middleware is Starlette's: sessions are there in HTTP and WebSocket alike."""
        app = Antiphon(middleware=[Middleware(SessionMiddleware, secret_key="made up")])

        @app.post("/login")
        def login(request: Request, name: str) -> str:
            request.session["name"] = name
            return "welcome"

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.send(ws.session.get("name", "nobody"))

        async with TestClient(app) as client:
            async with client.websocket("/") as ws:
                assert await ws.receive() == "nobody"
            await client.post("/login?name=Ada")
            async with client.websocket("/") as ws:
                assert await ws.receive() == "Ada"


class TestLifespan:
    """What runs around the application's life."""

    async def test_order(self) -> None:
        """At its end, connections are parted from first, then what was made for them, then the user's own."""
        log: list[object] = []

        @asynccontextmanager
        async def lifespan(app: Antiphon) -> AsyncIterator[dict[str, str]]:
            log.append("start")
            yield {"database": "db"}
            log.append("stop")

        app = Antiphon(lifespan=lifespan)

        async def pool() -> AsyncIterator[str]:
            log.append("pool")
            yield "pool"
            log.append("no pool")

        app.provide("pool", pool, scope="app")
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket, pool: str) -> str:
            return str(ws.state.database)

        endpoint.on("close")(lambda ws: log.append(ws.close_code))
        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "db"
            await client.stop()
            assert str(await ws.receive_close()) == "1001 the server stops"
        assert log == ["start", "pool", 1001, "no pool", "stop"]

    async def test_twice(self) -> None:
        """An application that stopped can be started again, also on another event loop."""
        app = Antiphon()
        app.websocket("/echo")(echo)

        @app.websocket("/news")
        async def news(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await app.channel("news").publish("fresh")

        async def once() -> None:
            async with TestClient(app) as client:
                assert await echoes(client, "/echo")
                async with client.websocket("/news") as ws:
                    assert await ws.receive() == "fresh"

        await once()
        await once()
        await asyncio.to_thread(asyncio.run, once())

    async def test_loop_that_just_ended(self) -> None:
        """So can one whose event loop ended without a stop, in the middle of a publication."""
        app = Antiphon()

        @app.websocket("/news")
        async def news(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await app.channel("news").publish("fresh")
            await ws.receive()

        async def cut_off() -> None:
            client = TestClient(app)
            await client.websocket("/news").__aenter__()
            await app.channel("news").publish("lost")

        await asyncio.to_thread(asyncio.run, cut_off())
        async with TestClient(app) as client, client.websocket("/news") as ws:
            assert await ws.receive() == "fresh"

    async def test_failing(self) -> None:
        """What the lifespan raises comes out of the start, or of the stop."""

        @asynccontextmanager
        async def broken(app: Antiphon) -> AsyncIterator[None]:
            raise LookupError("no database")
            yield

        with pytest.raises(LookupError, match="no database"):
            async with TestClient(Antiphon(lifespan=broken)):
                pass

        @asynccontextmanager
        async def breaks(app: Antiphon) -> AsyncIterator[None]:
            yield
            raise LookupError("cannot stop")

        with pytest.raises(LookupError, match="cannot stop"):
            async with TestClient(Antiphon(lifespan=breaks)):
                pass


class TestValues:
    """Limits and Timeouts."""

    @pytest.mark.parametrize("values", [{"message": 0}, {"outbox": -1}, {"inbound_messages": 0}])
    def test_limits_are_positive(self, values: dict[str, Any]) -> None:
        """A limit that lets nothing through is refused, by its name."""
        with pytest.raises(ConfigurationError, match=rf"Limits\.{next(iter(values))} must be positive"):
            Limits(**values)

    def test_timeouts_are_positive(self) -> None:
        """So is a time-out; None is for no pings."""
        with pytest.raises(ConfigurationError, match=r"Timeouts\.ping must be positive, not 0"):
            Timeouts(ping=0)
        assert Timeouts(ping_interval=None).ping_interval is None

    def test_high_water(self) -> None:
        """Waiting must begin before the outbox is full."""
        with pytest.raises(ConfigurationError, match=r"high_water \(65536\) is above Limits.outbox \(10\)"):
            Limits(outbox=10)
