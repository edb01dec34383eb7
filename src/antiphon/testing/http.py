"""One HTTP request to an application, and its response."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class Response:
    """What an application answered.

    Attributes:
        status: The HTTP status.
        headers: The headers; a mapping that ignores case.
        body: The body.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text (UTF-8)."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, decoded from JSON.

        Raises:
            ValueError: It is no JSON.
        """
        return msgspec.json.decode(self.body)


async def exchange(
    app: ASGIApp, scope: dict[str, Any], body: bytes, *, timeout: float, raise_exceptions: bool
) -> Response:
    """Make one request and wait until the application has ended its work on it.

    Raises:
        TimeoutError: It does not end in time.
        Exception: What the application raised, if that is wanted; otherwise it is a response with 500.
    """
    sent = _Sent()
    incoming = asyncio.Queue[dict[str, Any]]()
    incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
    try:
        async with asyncio.timeout(timeout):
            await app(scope, incoming.get, sent)
    except TimeoutError as error:
        if sent.complete:
            problem = "was answered, but the application still works on it"
        else:
            problem = "is not answered"
        request = f"{scope['method']} {scope['path']}"
        raise TimeoutError(f"{request} {problem} after {timeout:g} s") from error
    except Exception:
        if raise_exceptions:
            raise
        return sent.response() if sent.status else Response(500, body=b"Internal Server Error")
    if not sent.complete:
        raise RuntimeError(f"the application returned without answering {scope['method']} {scope['path']}")
    return sent.response()


class _Sent:
    """What an application sends in answer to one request; called by it as ``send``."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    async def __call__(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "http.response.start" if not self.status:
                self.status = event["status"]
                self._headers = list(event.get("headers", ()))
            case "http.response.body" if self.status and not self.complete:
                self._body.append(event.get("body", b""))
                self.complete = not event.get("more_body", False)
            case other:
                raise RuntimeError(f"the application may not send {other!r} now")

    def response(self) -> Response:
        return Response(self.status, Headers(raw=self._headers), b"".join(self._body))
