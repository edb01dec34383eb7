"""Ravyn's application: ours, with dependencies given at construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.routing import BaseRoute

from antiphon.app import Antiphon, Endpoint
from antiphon.compat.paths import to_path
from antiphon.compat.ravyn.handler import Dependencies, providers_of, websocket

H = TypeVar("H", bound=Callable[..., Any])


class Ravyn(Antiphon):
    """An application with Ravyn's API.

    Args:
        routes: Handlers made by ``@websocket``, and Starlette's routes.
        dependencies: What all handlers can ask for by name, unless they have their own.
        **options: Options of our own application, as ``allowed_origins``, ``middleware`` or ``lifespan``.

    Raises:
        ConfigurationError: Something of this cannot be.
        BindingError: A handler has a parameter that nothing can fill.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute | Endpoint] | None = None,
        *,
        dependencies: Dependencies | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for name, provider in providers_of(dependencies).items():
            self.providers.add(name, provider)
        for each in routes or ():
            self.add(each)

    # Ravyn's connections have no message types and are never accepted by themselves.
    def websocket(  # type: ignore[override]
        self, path: str = "/", *, dependencies: Dependencies | None = None
    ) -> Callable[[H], H]:
        """Make a coroutine function the handler of a path; as the stand-alone ``@websocket``."""
        decorate = websocket(path, dependencies=dependencies)

        def register(view: H) -> H:
            self.add(decorate(view))
            return view

        return register

    def route(self, path: str, methods: Sequence[str] | None = None) -> Callable[[H], H]:
        """Make a function an HTTP handler; as our own, with Ravyn's ways to write a path."""
        return super().route(to_path(path), methods)
