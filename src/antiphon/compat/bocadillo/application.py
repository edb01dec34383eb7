"""Bocadillo's application: ours, with its routes, and bound when it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar, Unpack

from starlette.requests import Request
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from antiphon.app import Antiphon
from antiphon.app.binding import Provider
from antiphon.app.http import route
from antiphon.compat.bocadillo.providers import DECLARED
from antiphon.compat.bocadillo.response import answering, new_response, the_request
from antiphon.compat.bocadillo.view import RouteOptions, View
from antiphon.compat.paths import to_path

H = TypeVar("H", bound=Callable[..., Any])


class App(Antiphon):
    """An application with Bocadillo's API.

    Args:
        name: Its name, for whoever reads it.
        **options: Options of our own application, as ``allowed_origins``, ``middleware`` or ``limits``.
    """

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(lifespan=self._bound, **options)
        self.name = name
        self.providers.outer = DECLARED
        self.providers.add("req", Provider(factory=the_request))
        self.providers.add("res", Provider(factory=new_response))
        self._bind_later: list[Callable[[], object]] = []

    def websocket_route(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Make a coroutine function the view of a path; for the options see ``RouteOptions``.

        Args:
            pattern: The path, with parameters as ``/rooms/{room}``; ``{}`` for whatever follows.
            **options: How the WebSockets behave.

        Raises:
            BindingError: It is no coroutine function.
            ConfigurationError: A type is unknown, or the codes are none.
        """

        def register(view: H) -> H:
            endpoint = View(pattern, view, options)
            self.add(endpoint)
            self._bind_later.append(endpoint.bind_now)
            return view

        return register

    def route(self, pattern: str, methods: Sequence[str] | None = None) -> Callable[[H], H]:
        """Make a function the HTTP view of a path.

        It may take the request, ``res`` to fill in, path and query parameters, and what providers give.

        Args:
            pattern: The path, with parameters as ``/rooms/{room}``; ``{}`` for whatever follows.
            methods: HTTP methods; GET if None.
        """
        path = to_path(pattern)

        def register(view: H) -> H:
            @cache
            def bound() -> Route:
                return route(path, answering(view, self.services.threads), methods, self.services)

            async def respond(request: Request) -> HTTPResponse:
                response: HTTPResponse = await bound().endpoint(request)
                return response

            self._bind_later.append(bound)
            served = Route(path, respond, methods=list(methods or ["GET"]), name=view.__name__)
            self.router.routes.append(served)
            return view

        return register

    @asynccontextmanager
    async def _bound(self, app: Antiphon) -> AsyncIterator[None]:
        for bind in self._bind_later:
            bind()
        yield
