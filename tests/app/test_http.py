"""HTTP handlers: what they may return, and how they are called."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import pydantic
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from antiphon import Antiphon, Depends
from antiphon.app.http import response
from antiphon.errors import BindingError
from antiphon.testing import TestClient


@pytest.fixture
def app() -> Antiphon:
    return Antiphon()


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


class Point(msgspec.Struct):
    x: int


class Model(pydantic.BaseModel):
    y: int


@dataclasses.dataclass
class Data:
    z: int


@pytest.mark.parametrize(
    ("value", "status", "kind", "body"),
    [
        ("<h1>hello</h1>", 200, "text/html; charset=utf-8", b"<h1>hello</h1>"),
        ("\n <!DOCTYPE html><p>", 200, "text/html; charset=utf-8", b"\n <!DOCTYPE html><p>"),
        ("<p>ä", 200, "text/html; charset=utf-8", "<p>ä".encode()),
        ("<!-- a\n -->\n<!----><p>", 200, "text/html; charset=utf-8", b"<!-- a\n -->\n<!----><p>"),
        ("<!---->" * 9_000 + "x", 200, "text/plain; charset=utf-8", b"<!---->" * 9_000 + b"x"),
        ("<!--" * 9_000, 200, "text/plain; charset=utf-8", b"<!--" * 9_000),
        (" " * 90_000, 200, "text/plain; charset=utf-8", b" " * 90_000),
        ("hello", 200, "text/plain; charset=utf-8", b"hello"),
        ("1 < 2", 200, "text/plain; charset=utf-8", b"1 < 2"),
        ("<3", 200, "text/plain; charset=utf-8", b"<3"),
        ("<- back", 200, "text/plain; charset=utf-8", b"<- back"),
        ("", 200, "text/plain; charset=utf-8", b""),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([], 200, "application/json", b"[]"),
        (5, 200, "application/json", b"5"),
        (Point(1), 200, "application/json", b'{"x":1}'),
        (Model(y=2), 200, "application/json", b'{"y":2}'),
        (Data(3), 200, "application/json", b'{"z":3}'),
        ([Model(y=2)], 200, "application/json", b'[{"y":2}]'),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (None, 204, None, b""),
        (PlainTextResponse("x", 201), 201, "text/plain; charset=utf-8", b"x"),
        (Response(b"y", 202), 202, None, b"y"),
    ],
)
def test_return_values(value: object, status: int, kind: str | None, body: bytes) -> None:
    """Text is HTML when it looks like it; a dict or list is JSON; a response is itself; None is 204."""
    made = response(value)
    assert (made.status_code, made.headers.get("content-type"), bytes(made.body)) == (status, kind, body)


async def test_methods(app: Antiphon, client: TestClient) -> None:
    """Each decorator is for its method; another method is 405; `route` takes several."""
    for method in ("get", "post", "put", "patch", "delete"):
        getattr(app, method)(f"/{method}")(lambda request: request.method)

    @app.route("/both", ["GET", "POST"])
    async def both(request: Request) -> str:
        return request.method

    for method in ("get", "post", "put", "patch", "delete"):
        assert (await getattr(client, method)(f"/{method}")).text == method.upper()
        wrong = "post" if method == "get" else "get"
        assert (await getattr(client, wrong)(f"/{method}")).status == 405
    assert (await client.get("/both")).text == "GET"
    assert (await client.post("/both")).text == "POST"
    assert (await client.request("HEAD", "/get")).status == 200


async def test_plain_functions_run_in_threads(app: Antiphon, client: TestClient) -> None:
    """A plain handler does not run on the event loop; an async one does."""
    main = threading.get_ident()
    app.get("/plain")(lambda: threading.get_ident() == main)

    @app.get("/async")
    async def here() -> bool:
        return threading.get_ident() == main

    assert (await client.get("/plain")).json() is False
    assert (await client.get("/async")).json() is True


async def test_starlettes_responses(app: Antiphon, client: TestClient) -> None:
    """Redirects, streams and exceptions are Starlette's."""

    @app.get("/redirect")
    def redirect() -> Response:
        return RedirectResponse("/elsewhere")

    @app.get("/stream")
    async def stream() -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "a"
            yield "b"

        return StreamingResponse(parts())

    @app.get("/teapot")
    def teapot() -> None:
        raise HTTPException(418, "short and stout")

    answer = await client.get("/redirect")
    assert (answer.status, answer.headers["location"]) == (307, "/elsewhere")
    assert (await client.get("/stream")).text == "ab"
    answer = await client.get("/teapot")
    assert (answer.status, answer.text) == (418, "short and stout")


async def test_errors(app: Antiphon) -> None:
    """What a handler raises is a 500 without internals, and raised on to the server."""

    @app.get("/")
    def fails() -> None:
        raise LookupError("secret")

    async with TestClient(app, raise_exceptions=False) as client:
        answer = await client.get("/")
        assert answer.status == 500
        assert "secret" not in answer.text
    with pytest.raises(LookupError, match="secret"):
        await TestClient(app).get("/")


async def test_teardown_that_is_cancelled(app: Antiphon) -> None:
    """A dependency whose teardown lets a cancellation through has failed: 500."""

    async def resource() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    @app.get("/")
    async def page(number: Annotated[int, Depends(resource)]) -> str:
        return "x"

    async with TestClient(app, raise_exceptions=False) as client:
        assert (await client.get("/")).status == 500


async def test_what_json_cannot_hold(app: Antiphon) -> None:
    """A return value that cannot be sent is the handler's error."""
    app.get("/")(lambda: object())
    with pytest.raises(TypeError, match="object cannot be sent as JSON"):
        await TestClient(app).get("/")


async def test_own_pages_for_errors(client: TestClient) -> None:
    """Exception handlers of the application answer for unknown paths too."""

    async def missing(request: Request, error: Exception) -> Response:
        return PlainTextResponse("nothing here", 404)

    app = Antiphon(exception_handlers={404: missing})
    answer = await TestClient(app).get("/unknown")
    assert (answer.status, answer.text) == (404, "nothing here")
    answer = await client.get("/unknown")
    assert (answer.status, answer.text) == (404, "Not Found")


def test_binding_at_registration(app: Antiphon) -> None:
    """A handler that cannot be bound fails when it is registered."""
    with pytest.raises(BindingError, match="'databse'"):

        @app.get("/")
        def handler(request: Request, databse: object) -> None: ...
