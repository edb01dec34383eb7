"""The response that Bocadillo's HTTP views are given to fill in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.responses import Response as HTTPResponse

from antiphon.app.binding import run
from antiphon.app.http import JSONResponse
from antiphon.loop import WorkerThreads

_NOTHING: Any = object()


class Response:
    """A response in the making: a view sets one of the bodies, and what else it wants.

    Attributes:
        text: The body as plain text.
        html: The body as HTML.
        json: The body as anything JSON can hold.
        status_code: The HTTP status.
        headers: Further headers.
    """

    def __init__(self) -> None:
        self.text: str | None = None
        self.html: str | None = None
        self.json: Any = _NOTHING
        self.status_code = 200
        self.headers: dict[str, str] = {}

    def finished(self) -> HTTPResponse:
        """The response as it is sent."""
        if self.html is not None:
            return HTMLResponse(self.html, self.status_code, self.headers)
        if self.json is not _NOTHING:
            return JSONResponse(self.json, self.status_code, self.headers)
        return PlainTextResponse(self.text or "", self.status_code, self.headers)


async def the_request(request: Request) -> Request:
    """What the parameter ``req`` of a view is given."""
    return request


async def new_response() -> Response:
    """What the parameter ``res`` of a view is given."""
    return Response()


def answering(view: Callable[..., Any], threads: WorkerThreads) -> Callable[..., Awaitable[Any]]:
    """Make a view return the response that it was given to fill in, unless it returns something itself."""

    @wraps(view)
    async def respond(*args: Any, **kwargs: Any) -> Any:
        value = await run(view, partial(view, *args, **kwargs), threads)
        given = (each for each in (*args, *kwargs.values()) if isinstance(each, Response))
        response = next(given, None)
        return value if value is not None or response is None else response.finished()

    return respond
