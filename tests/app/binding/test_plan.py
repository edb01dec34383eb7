"""Binding: for every parameter of a handler the first rule that fits; and what says that none does."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from enum import Enum, IntEnum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection, Request

from antiphon import Antiphon, Depends, WebSocket
from antiphon.app.binding import Providers, Site, plan
from antiphon.errors import BindingError, ConfigurationError
from antiphon.testing import HandshakeRefused, TestClient


class Level(IntEnum):
    LOW = 1


class Colour(Enum):
    RED = "red"


class Service:
    """Something to be provided."""

    def __init__(self, name: str = "made") -> None:
        self.name = name


@pytest.fixture
def app() -> Antiphon:
    return Antiphon()


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


async def refusal(client: TestClient, path: str) -> tuple[int, str]:
    with pytest.raises(HandshakeRefused) as caught:
        async with client.websocket(path):
            pass
    return caught.value.status, caught.value.body.decode()


class TestConnection:
    """The connection: by its class, by reserved names, or as the first parameter."""

    async def test_by_class_name_or_position(self, app: Antiphon, client: TestClient) -> None:
        """Any of the three gets the WebSocket, wherever it stands."""

        async def by_class(number: int, peer: WebSocket) -> None:
            await peer.send(number)

        async def by_base(peer: HTTPConnection, number: int) -> None:
            await peer.send(number)  # type: ignore[attr-defined]

        async def by_ws(number: int, ws) -> None:  # type: ignore[no-untyped-def]
            await ws.send(number)

        async def by_websocket(number: int, websocket) -> None:  # type: ignore[no-untyped-def]
            await websocket.send(number)

        async def by_position(anything, number: int) -> None:  # type: ignore[no-untyped-def]
            await anything.send(number)

        async def keyword_only(*, number: int, ws: WebSocket) -> None:
            await ws.send(number)

        async def positional_only(ws: WebSocket, /, number: int) -> None:
            await ws.send(number)

        views = (by_class, by_base, by_ws, by_websocket, by_position, keyword_only, positional_only)
        for view in views:
            app.websocket(f"/{view.__name__}")(view)
        for view in views:
            async with client.websocket(f"/{view.__name__}?number=5") as ws:
                assert await ws.receive() == "5"

    async def test_none_at_all(self, app: Antiphon, client: TestClient) -> None:
        """A handler without parameters, or with *args and **kwargs only, is called without any."""
        called = []

        @app.websocket("/bare")
        async def bare() -> None:
            called.append(())

        @app.websocket("/variadic")
        async def variadic(*args: object, **kwargs: object) -> None:
            called.append((args, kwargs))

        for path in ("/bare", "/variadic"):
            async with client.websocket(path) as ws:
                await ws.receive_close()
        assert called == [(), ((), {})]

    async def test_its_parts(self, app: Antiphon, client: TestClient) -> None:
        """`headers`, `cookies`, `query_params`, `path_params` and `state` are of the connection."""

        @app.websocket("/plain/{room}")
        async def plain(ws, headers, cookies, query_params, path_params, state) -> None:  # type: ignore[no-untyped-def]
            state.seen = True
            await ws.send([headers["x-a"], dict(cookies), dict(query_params), path_params, ws.state.seen])

        @app.websocket("/annotated")
        async def annotated(ws: WebSocket, headers: Headers, query_params: QueryParams) -> None:
            await ws.send([headers["x-a"], dict(query_params)])

        @app.websocket("/query")
        async def query(ws: WebSocket, state: str, headers: list[str]) -> None:
            await ws.send([state, headers])

        client.cookies["c"] = "1"
        async with client.websocket("/plain/r?q=2", headers={"X-A": "a"}) as ws:
            assert await ws.receive_json() == ["a", {"c": "1"}, {"q": "2"}, {"room": "r"}, True]
        async with client.websocket("/annotated?q=2", headers={"X-A": "a"}) as ws:
            assert await ws.receive_json() == ["a", {"q": "2"}]
        async with client.websocket("/query?state=open&headers=a&headers=b") as ws:
            assert await ws.receive_json() == ["open", ["a", "b"]]

    async def test_http(self, app: Antiphon, client: TestClient) -> None:
        """HTTP handlers are bound by the same rules; their connection is the Request."""

        @app.post("/items/{number}")
        async def create(request: Request, number: int, dry: bool = False) -> dict[str, object]:
            return {"method": request.method, "number": number, "dry": dry, "body": await request.json()}

        @app.get("/plain")
        def plain(request, name="nobody") -> str:  # type: ignore[no-untyped-def]
            return f"{request.method} {name}"

        response = await client.post("/items/5?dry=1", json=[1])
        assert response.json() == {"method": "POST", "number": 5, "dry": True, "body": [1]}
        assert (await client.get("/plain?name=Ada")).text == "GET Ada"
        bad = await client.post("/items/x")
        assert (bad.status, bad.text) == (400, "number: Expected `int`, got `str`, got 'x'")


class TestMessage:
    """The message: by its name, or as what is left after the connection."""

    @pytest.mark.parametrize(
        "handler",
        [
            lambda ws, message: message.upper(),
            lambda message, ws: message.upper(),
            lambda ws, text: text.upper(),
            lambda message: message.upper(),
            lambda peer, anything, number=1: anything.upper(),
        ],
    )
    async def test_by_name_or_position(
        self, app: Antiphon, client: TestClient, handler: Callable[..., str]
    ) -> None:
        """The message handler gets it in any of these forms."""
        app.events("/").on("message")(handler)
        async with client.websocket("/") as ws:
            await ws.send("x")
            assert await ws.receive() == "X"

    async def test_annotated_and_in_the_last_place(self, app: Antiphon, client: TestClient) -> None:
        """An annotated parameter that nothing else fills is the message, validated as its type says."""
        room = app.events("/rooms/{room}")

        @room.on("message")
        async def said(ws: WebSocket, room: str, times: int, body: dict[str, int]) -> list[object]:
            return [room, times, body]

        async with client.websocket("/rooms/a?times=3") as ws:
            await ws.send('{"n": 1}')
            assert await ws.receive_json() == ["a", 3, {"n": 1}]

    async def test_connect_has_none(self, app: Antiphon) -> None:
        """Where there is no message, nothing else stands in for it."""
        with pytest.raises(BindingError, match="'message'"):

            @app.events("/").on("connect")
            async def joined(ws: WebSocket, message: object) -> None: ...


class TestPath:
    """Path parameters, by name, converted."""

    async def test_converted(self, app: Antiphon, client: TestClient) -> None:
        """By annotation, by the router's own converter, or as text."""

        @app.websocket("/{a}/{b}/{c:int}/{d}/{e:path}")
        async def view(ws: WebSocket, a, b: int, c, d: Colour, e: str) -> None:  # type: ignore[no-untyped-def]
            await ws.send([a, b, c, d, e])

        @app.websocket("/text/{number:int}")
        async def text(ws: WebSocket, number: str) -> None:
            await ws.send([number])

        async with client.websocket("/1/2/3/red/x/y") as ws:
            assert await ws.receive_json() == ["1", 2, 3, "red", "x/y"]

        @app.websocket("/enum/{level:int}")
        async def enum(ws: WebSocket, level: Level) -> None:
            await ws.send(level.name)

        async with client.websocket("/text/7") as ws:
            assert await ws.receive_json() == ["7"]
        async with client.websocket("/enum/1") as ws:
            assert await ws.receive() == "LOW"
        assert await refusal(client, "/enum/7") == (400, "level: Invalid enum value 7, got '7'")

    async def test_wins_over_everything_but_depends(self, app: Antiphon, client: TestClient) -> None:
        """A client cannot override a path parameter by the query; providers do not replace it."""
        app.inject_global(room="injected")

        @app.websocket("/{room}")
        async def view(ws: WebSocket, room: str = "default") -> None:
            await ws.send(room)

        async with client.websocket("/lobby?room=spoofed") as ws:
            assert await ws.receive() == "lobby"

    async def test_bad_value(self, app: Antiphon, client: TestClient) -> None:
        """A value that does not fit refuses with 400 and says which; the router's converter with 404."""

        @app.websocket("/annotated/{number}")
        async def annotated(ws: WebSocket, number: UUID) -> None: ...

        @app.websocket("/routed/{number:int}")
        async def routed(ws: WebSocket, number: int) -> None: ...

        assert await refusal(client, "/annotated/x") == (400, "number: Invalid UUID, got 'x'")
        assert (await refusal(client, "/routed/x"))[0] == 404

    async def test_impossible_type(self, app: Antiphon) -> None:
        """An annotation that no text can become fails at registration."""
        with pytest.raises(BindingError, match=r"view .*path parameter 'room' cannot become"):

            @app.websocket("/{room}")
            async def view(ws: WebSocket, room: dict[str, str]) -> None: ...


class TestQuery:
    """Query parameters, by name, converted, required or with a default."""

    async def test_all_kinds(self, app: Antiphon, client: TestClient) -> None:
        """Each annotation converts; what is missing has its default."""

        @app.websocket("/")
        async def view(
            ws: WebSocket,
            flag: bool,
            count: int,
            tags: list[str],
            colour: Colour = Colour.RED,
            side: Literal["left", "right"] = "left",
            ids: list[int] | None = None,
            limit: int | None = None,
            name="anonymous",  # type: ignore[no-untyped-def]
            page=1,
        ) -> None:
            await ws.send([flag, count, tags, colour, side, ids, limit, name, page])

        async with client.websocket("/?flag&count=1&count=2&tags=a&tags=b") as ws:
            assert await ws.receive_json() == [
                True, 2, ["a", "b"], "red", "left", None, None, "anonymous", 1,
            ]  # fmt: skip
        path = "/?flag=no&count=-1&tags=%C3%A4+b&side=right&ids=1&ids=2&limit=5&name=Ada&page=3"
        async with client.websocket(path) as ws:
            assert await ws.receive_json() == [False, -1, ["ä b"], "red", "right", [1, 2], 5, "Ada", 3]

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("", "flag: this query parameter is required"),
            ("flag=maybe", "flag: expected a boolean (true or false), got 'maybe'"),
            ("flag=1&n=x", "n: Expected `int`, got `str`, got 'x'"),
            ("flag=1&tags=1&tags=x", "tags: Expected `int`, got `str`, got 'x'"),
        ],
    )
    @pytest.mark.parametrize("path", ["/view", "/events"])
    async def test_bad_values(
        self, app: Antiphon, client: TestClient, path: str, query: str, problem: str
    ) -> None:
        """A bad or missing value refuses the handshake with 400 and says which; no handler runs."""
        ran = []

        @app.websocket("/view")
        async def view(ws: WebSocket, flag: bool, n: int = 1, tags: list[int] = []) -> None:  # noqa: B006
            ran.append("view")

        endpoint = app.events("/events")
        endpoint.on("connect")(lambda ws: ran.append("connect"))
        endpoint.on("close")(lambda ws: ran.append("close"))

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str, flag: bool, n: int = 1, tags: list[int] = []) -> None:  # noqa: B006
            ran.append("message")

        assert await refusal(client, f"{path}?{query}") == (400, problem)
        assert ran == []

    async def test_default_that_is_no_query_parameter(self, app: Antiphon, client: TestClient) -> None:
        """A default of a type that no text can become is the value; so is an unannotated None."""
        options: dict[str, int] = {"a": 1}

        @app.websocket("/")
        async def view(ws: WebSocket, options: dict[str, int] = options, cache=None) -> None:  # type: ignore[no-untyped-def]
            await ws.send([options, cache])

        async with client.websocket("/?options=x&cache=y") as ws:
            assert await ws.receive_json() == [{"a": 1}, None]


class TestProviders:
    """Values by name and by type."""

    async def test_nearest_first(self, app: Antiphon, client: TestClient) -> None:
        """The endpoint's provider comes before the application's; a name before a type."""
        app.inject_global(who="app", only="app")
        app.provide(Service, lambda: Service("by type"))
        app.provide("named", lambda: Service("by name"))
        endpoint = app.events("/")
        endpoint.inject(who="endpoint")

        @endpoint.on("connect")
        async def joined(
            ws: WebSocket,
            who: str,
            only,  # type: ignore[no-untyped-def]
            service: Service,
            named: Service,
            annotated: Annotated[Service, "a note"],
        ) -> list[str]:
            return [who, only, service.name, named.name, annotated.name]

        async with client.websocket("/?who=client") as ws:
            assert await ws.receive_json() == ["endpoint", "app", "by type", "by name", "by type"]

    async def test_one_endpoints_are_not_anothers(self, app: Antiphon) -> None:
        """What one endpoint injects, another one does not see; nor does another application."""
        app.events("/one").inject(secret=1)
        app.inject_global(common=1)
        for elsewhere in (app.events("/two"), Antiphon().events("/one")):
            with pytest.raises(BindingError, match="'secret'"):

                @elsewhere.on("connect")
                async def joined(ws: WebSocket, secret: object) -> None: ...

        with pytest.raises(BindingError, match="'common'"):

            @Antiphon().websocket("/")
            async def view(ws: WebSocket, common: object) -> None: ...

    @pytest.mark.parametrize("name", ["ws", "websocket", "request", "message", "headers", "state"])
    async def test_reserved_names(self, app: Antiphon, name: str) -> None:
        """A name that always means something else cannot be injected."""
        with pytest.raises(ConfigurationError, match=f"'{name}' always means"):
            app.inject_global(**{name: 1})
        with pytest.raises(ConfigurationError, match=f"'{name}' always means"):
            app.provide(name, Service)

    async def test_unknown_scope(self, app: Antiphon) -> None:
        """A scope that does not exist is refused, naming those that do."""
        with pytest.raises(ConfigurationError, match=r"'session'.*connection, app"):
            app.provide(Service, Service, scope="session")  # type: ignore[arg-type]


class TestErrors:
    """What cannot be bound fails at registration, naming handler, parameter and remedy."""

    @pytest.mark.parametrize("how", ["view", "event", "http", "depends"])
    async def test_names_handler_parameter_and_remedy(self, app: Antiphon, how: str) -> None:
        """The text has all that is needed to mend it."""
        app.inject_global(database=1)

        async def handler(ws: WebSocket, databse: object) -> None: ...

        def outer(x: Annotated[object, Depends(handler)]) -> None: ...

        register: dict[str, Callable[[], object]] = {
            "view": lambda: app.websocket("/")(handler),
            "event": lambda: app.events("/").on("connect")(handler),
            "http": lambda: app.get("/")(handler),
            "depends": lambda: app.get("/")(outer),
        }
        with pytest.raises(BindingError) as caught:
            register[how]()
        text = str(caught.value)
        for part in ("handler", __file__, "'databse'", "inject(databse=", "Depends(", "database"):
            assert part in text
        assert isinstance(caught.value, TypeError)

    async def test_second_connection_parameter(self, app: Antiphon) -> None:
        """A handler has one connection; a second one is bound to nothing."""
        with pytest.raises(BindingError, match="'other'"):

            @app.websocket("/")
            async def view(ws: WebSocket, other: WebSocket) -> None: ...

    async def test_annotation_that_names_nothing(self, app: Antiphon) -> None:
        """An annotation as text that cannot be evaluated says which name is missing."""

        async def view(ws: "Websocket") -> None: ...  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(BindingError, match=r"view .*'Websocket'.*module level"):
            app.websocket("/")(view)

    async def test_no_handler_at_all(self, app: Antiphon) -> None:
        """What cannot be called cannot be a handler."""
        with pytest.raises(BindingError, match="cannot be a handler"):
            app.events("/").on("connect")("text")  # type: ignore[type-var]

    async def test_plain_function_as_a_view(self, app: Antiphon) -> None:
        """A view is a coroutine function; the error names the alternative."""
        with pytest.raises(BindingError, match=r"view .*'async def'.*event endpoint"):

            @app.websocket("/")
            def view(ws: WebSocket) -> None: ...

    async def test_positional_only_parameter(self, app: Antiphon) -> None:
        """A positional-only parameter that is neither connection nor message can't be filled, and says so."""
        with pytest.raises(BindingError, match=r"'number'.*positional-only"):

            @app.websocket("/")
            async def view(ws: WebSocket, number: int, /) -> None: ...

    async def test_event_that_does_not_exist(self, app: Antiphon) -> None:
        """A wrong event name fails when it is registered, naming the right ones."""
        with pytest.raises(BindingError, match=r"'disconnect'.*connect, message, close, error"):
            app.events("/").on("disconnect")  # type: ignore[arg-type]

    async def test_two_handlers_of_one_event(self, app: Antiphon) -> None:
        """A second handler of an event names the first."""
        endpoint = app.events("/")

        @endpoint.on("message")
        async def first(ws: WebSocket, message: str) -> None: ...

        with pytest.raises(BindingError, match=r"second .*'message' already: .*first "):

            @endpoint.on("message")
            async def second(ws: WebSocket, message: str) -> None: ...


class TestCallables:
    """Handlers need not be plain functions."""

    async def test_objects_partials_and_methods(self, app: Antiphon, client: TestClient) -> None:
        """A bound method, a partial and an object with `__call__` are bound by what is left to fill."""

        class Views:
            async def method(self, ws: WebSocket, n: int) -> None:
                await ws.send(n)

            async def __call__(self, ws: WebSocket, n: int) -> None:
                await ws.send(n + 1)

        async def partially(greeting: str, ws: WebSocket, n: int) -> None:
            await ws.send([greeting, n])

        app.websocket("/method")(Views().method)
        app.websocket("/object")(Views())
        app.websocket("/partial")(functools.partial(partially, "hi"))
        for path, received in (("/method", "1"), ("/object", "2"), ("/partial", '["hi",1]')):
            async with client.websocket(f"{path}?n=1") as ws:
                assert await ws.receive() == received

    async def test_http_objects(self, app: Antiphon, client: TestClient) -> None:
        """So too HTTP handlers."""

        class Hello:
            def __call__(self, name: str) -> str:
                return f"hello {name}"

        app.get("/object")(Hello())
        app.get("/partial")(functools.partial(lambda greeting, name: f"{greeting} {name}", "hi"))
        assert (await client.get("/object?name=Ada")).text == "hello Ada"
        app.inject_global(friend="Bob")
        app.get("/late")(functools.partial(lambda greeting, friend: f"{greeting} {friend}", "hi"))
        assert (await client.get("/late")).text == "hi Bob"

    def test_too_late(self, app: Antiphon) -> None:
        """What a handler already takes from the query cannot be injected any more: the client would win."""
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket, user: str) -> None: ...

        with pytest.raises(ConfigurationError, match="'user' comes too late"):
            endpoint.inject(user="real")
        with pytest.raises(ConfigurationError, match="'user' comes too late"):
            app.inject_global(user="real")

    async def test_decorators_return_the_function(self, app: Antiphon) -> None:
        """Registering leaves the name usable."""

        async def view(ws: WebSocket) -> None: ...

        def handler() -> str:
            return "x"

        assert app.websocket("/a")(view) is view
        assert app.events("/b").on("connect")(view) is view
        assert app.get("/c")(handler) is handler


async def test_plans_are_made_once() -> None:
    """A plan resolves what is constant for a connection once, whatever the number of messages."""
    made = []
    app = Antiphon()
    app.provide(Service, lambda: made.append(1) or Service())
    endpoint = app.events("/")

    @endpoint.on("message")
    async def said(ws: WebSocket, message: str, service: Service, n: int = 1) -> str:
        return f"{service.name} {n}"

    async with TestClient(app) as client, client.websocket("/") as ws:
        for _ in range(5):
            await ws.send("x")
            assert await ws.receive() == "made 1"
    assert made == [1]


def test_site_without_an_application() -> None:
    """A plan can be made, and called, without an application."""

    def handler(ws: object, message: str, factor: int) -> str:
        return message * factor

    providers = Providers()
    providers.constants({"factor": 2})
    bound = plan(handler, Site(providers=providers, subject="message"))
    assert (bound.connection, bound.subject, bound.subject_type) == ("ws", "message", str)
    call = asyncio.run(bound.bind(None))  # type: ignore[arg-type]
    assert call(object(), "ab") == "abab"


def test_repr_of_providers() -> None:
    """A table of providers shows what it has."""
    providers = Providers()
    providers.constants({"factor": 2})
    assert repr(providers) == "<Providers ['factor']>"
    assert Providers(providers).names == ["factor"]
    assert Providers(providers).find("nothing") is None
    assert isinstance(Providers(providers).find("factor"), object)


async def test_annotated_connection() -> None:
    """A connection class within `Annotated` is the connection all the same."""
    app = Antiphon()

    @app.websocket("/")
    async def view(client: Annotated[WebSocket, "whoever it is"]) -> None:
        await client.send("hello")

    async with TestClient(app) as client, client.websocket("/") as ws:
        assert await ws.receive() == "hello"
