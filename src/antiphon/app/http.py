"""HTTP handlers: the same parameters as everywhere, and a response made of what they return."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, Router, get_name

from antiphon.app.binding import Session, Site, is_async, names_in, plan
from antiphon.app.services import Services
from antiphon.codec import encode_json
from antiphon.errors import InvalidChannel, InvalidParameter

H = TypeVar("H", bound=Callable[..., Any])

# Possessive throughout: text that a client chose can be taken in one way only.
_HTML = re.compile(
    r"\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(!doctype\s++html|html|head|body|[a-z][a-z0-9-]*+[\s>/])",
    re.IGNORECASE | re.DOTALL,
)


class JSONResponse(Response):
    """Anything msgspec can encode, as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode_json(content).encode()


def response(value: Any, status: int = 200) -> Response:
    """The response that a handler's return value stands for.

    A response is itself; text is HTML when it looks like HTML; bytes are bytes; None is 204; anything
    else is JSON.
    """
    match value:
        case Response():
            return value
        case str():
            kind = HTMLResponse if _HTML.match(value) else PlainTextResponse
            return kind(value, status)
        case bytes() | bytearray() | memoryview():
            return Response(bytes(value), status, media_type="application/octet-stream")
        case None:
            return Response(status_code=204)
        case _:
            return JSONResponse(value, status)


def route(path: str, handler: Callable[..., Any], methods: Sequence[str] | None, services: Services) -> Route:
    """Make a Starlette route of a handler.

    Raises:
        BindingError: A parameter of the handler can be bound to nothing.
    """
    site = Site(path_names=names_in(path), providers=services.providers)
    bound = plan(handler, site)
    runs_here = is_async(handler)

    async def respond(request: Request) -> Response:
        session = Session(request, services.threads, services.session)
        try:
            call = await bound.bind(session)
            if runs_here:
                return response(await call(request, None))
            return response(await services.threads.run(call, request, None))
        except (InvalidParameter, InvalidChannel) as error:
            return PlainTextResponse(str(error), 400)
        finally:
            await session.close()

    return Route(path, respond, methods=list(methods or ["GET"]), name=get_name(handler))


class HttpRoutes:
    """How an application's HTTP handlers are registered: ``app.get("/")`` and its like.

    Attributes:
        router: Where the routes go.
        services: What handlers are bound with.
    """

    router: Router
    services: Services

    def route(self, path: str, methods: Sequence[str] | None = None) -> Callable[[H], H]:
        """Make a function an HTTP handler; plain functions run in worker threads.

        Args:
            path: The path, with parameters as ``/orders/{number:int}``.
            methods: HTTP methods; GET if None.

        Raises:
            BindingError: A parameter of the handler can be bound to nothing.
        """

        def register(handler: H) -> H:
            self.router.routes.append(route(path, handler, methods, self.services))
            return handler

        return register

    def get(self, path: str) -> Callable[[H], H]:
        """Make a function the handler of GET (and HEAD) on a path."""
        return self.route(path, ["GET"])

    def post(self, path: str) -> Callable[[H], H]:
        """Make a function the handler of POST on a path."""
        return self.route(path, ["POST"])

    def put(self, path: str) -> Callable[[H], H]:
        """Make a function the handler of PUT on a path."""
        return self.route(path, ["PUT"])

    def patch(self, path: str) -> Callable[[H], H]:
        """Make a function the handler of PATCH on a path."""
        return self.route(path, ["PATCH"])

    def delete(self, path: str) -> Callable[[H], H]:
        """Make a function the handler of DELETE on a path."""
        return self.route(path, ["DELETE"])
