"""docs/guide/parameters.md: where parameters come from, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from antiphon import Antiphon, WebSocket
from antiphon.errors import BindingError, ConfigurationError
from antiphon.testing import TestClient
from tests.docs.conftest import Load
from tests.docs.test_endpoints import refusal

PAGE = "docs/guide/parameters.md"


async def test_values(load: Load) -> None:
    """Query values are converted, defaults hold, and what is missing or does not fit is named."""
    app = load(PAGE, "values").app
    async with TestClient(app) as client:
        async with client.websocket("/weather/Oslo?day=2025-06-21") as ws:
            assert await ws.receive_json() == {
                "city": "Oslo",
                "day": "2025-06-21",
                "unit": "C",
                "hours": [],
                "wind": False,
                "source": None,
            }
        query = "day=2025-06-21&unit=F&hours=6&hours=18&wind=1&source=yr"
        async with client.websocket(f"/weather/%C3%85s?{query}") as ws:
            assert await ws.receive_json() == {
                "city": "Ås",
                "day": "2025-06-21",
                "unit": "F",
                "hours": [6, 18],
                "wind": True,
                "source": "yr",
            }
        assert await refusal(client, "/weather/Oslo") == (400, b"day: this query parameter is required")
        status, body = await refusal(client, "/weather/Oslo?day=soon")
        assert (status, body[:4]) == (400, b"day:")


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "ON", "True"),
        (bool, "", "True"),
        (bool, "No", "False"),
        (float, "1.5", "1.5"),
        (timedelta, "PT1M", "0:01:00"),
        (datetime, "2025-06-21T12:00:00Z", str(datetime(2025, 6, 21, 12, tzinfo=UTC))),
        (int | str, "x", "x"),
        (tuple[int, ...], "1", "(1,)"),
        (set[str], "a", "{'a'}"),
    ],
)
async def test_types(annotation: Any, text: str, value: str) -> None:
    """The types that the page lists."""
    app = Antiphon()

    async def view(ws: WebSocket, q: Any) -> None:
        await ws.send(str(q))

    view.__annotations__["q"] = annotation
    app.websocket("/")(view)
    async with TestClient(app) as client, client.websocket(f"/?q={text.replace(':', '%3A')}") as ws:
        assert await ws.receive() == value


async def test_a_message_handlers_parameter_is_checked_at_the_handshake() -> None:
    """All of an event endpoint's handlers are checked when the connection comes; a wrong path is 404."""
    app = Antiphon()
    numbers = app.events("/numbers/{n:int}")

    @numbers.on("message")
    def said(message: str, limit: int) -> None: ...

    async with TestClient(app) as client:
        assert (await refusal(client, "/numbers/1"))[0] == 400
        assert (await refusal(client, "/numbers/x"))[0] == 404


async def test_constraints(load: Load) -> None:
    """Values that break a constraint are refused."""
    app = load(PAGE, "constraints").app
    async with TestClient(app) as client:
        async with client.websocket("/rooms/red-1?count=5") as ws:
            assert await ws.receive_json() == {"room": "red-1", "count": 5}
        assert (await refusal(client, "/rooms/RED"))[0] == 400
        assert (await refusal(client, "/rooms/red?count=0"))[0] == 400


async def test_names(load: Load) -> None:
    """What is injected reaches the handler."""
    app = load(PAGE, "names").app
    async with TestClient(app) as client, client.websocket("/rooms") as one:
        assert await one.receive() == "Hello, number 1"
        async with client.websocket("/rooms") as two:
            assert await two.receive() == "Hello, number 2"


async def test_names_in_order() -> None:
    """The path comes before the endpoint, the endpoint before the application."""
    app = Antiphon()
    app.inject_global(a="app", b="app", c="app")
    desk = app.events("/{a}")
    desk.inject(a="endpoint", b="endpoint")

    @desk.on("connect")
    def connect(a, b, c):  # type: ignore[no-untyped-def]
        return [a, b, c]

    async with TestClient(app) as client, client.websocket("/path") as ws:
        assert await ws.receive_json() == ["path", "endpoint", "app"]


def test_reserved_names() -> None:
    """What always means the connection or the message cannot be injected."""
    for name in ("ws", "websocket", "request", "message"):
        with pytest.raises(ConfigurationError):
            Antiphon().inject_global(**{name: 1})


def test_the_error_names_handler_parameter_and_remedy() -> None:
    """A parameter that nothing can fill fails at registration."""
    app = Antiphon()
    with pytest.raises(BindingError, match=r"strange .*nothing can fill the parameter 'thing'.*inject"):

        @app.get("/")
        def strange(request, thing: object) -> None: ...  # type: ignore[no-untyped-def]


async def test_types_by_provider(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """The database is opened once, and closed when the application stops."""
    app = load(PAGE, "types").app
    async with TestClient(app) as client:
        for number in (1, 2):
            async with client.websocket(f"/users/{number}") as ws:
                assert await ws.receive() == f"user {number}"
        assert capsys.readouterr().out == ""
    assert capsys.readouterr().out == "the database is closed\n"


async def test_functions(load: Load) -> None:
    """The user is who has the token; nobody else gets in, by WebSocket or HTTP."""
    app = load(PAGE, "functions").app
    token = {"authorization": "Bearer t0ken"}
    async with TestClient(app) as client:
        async with client.websocket("/me", headers=token) as ws:
            assert await ws.receive() == "you are Ada"
        assert await refusal(client, "/me") == (401, b"who are you?")
        assert (await client.get("/me", headers=token)).json() == {"user": "Ada"}
        assert (await client.get("/me")).status == 401


async def test_positions() -> None:
    """Rule 8: what is left is the connection, then the message."""
    app = Antiphon()
    desk = app.events("/")

    @desk.on("message")
    def said(client, text):  # type: ignore[no-untyped-def]
        return f"{type(client).__name__} {text}"

    async with TestClient(app) as client, client.websocket("/") as ws:
        await ws.send("x")
        assert await ws.receive() == "WebSocket x"


async def test_a_message_by_another_name() -> None:
    """An annotated parameter that is not called `message` is a query parameter, also in a message handler."""
    app = Antiphon()
    desk = app.events("/")

    @desk.on("message")
    def said(ws: WebSocket, text: str) -> str:
        return text

    async with TestClient(app) as client:
        assert await refusal(client, "/") == (400, b"text: this query parameter is required")


def test_what_is_made_for_the_application_has_no_connection() -> None:
    """A factory with scope="app" that asks for the request fails when its user is registered."""
    app = Antiphon()

    class Thing: ...

    def make(request: Request) -> Thing:
        return Thing()

    app.provide(Thing, make, scope="app")
    with pytest.raises(BindingError):

        @app.get("/")
        def index(thing: Thing) -> None: ...
