"""Robyn's application: ours, with Robyn's paths, Robyn's ``start``, and its way of injecting."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from antiphon.app import Antiphon
from antiphon.compat.paths import to_path
from antiphon.compat.robyn.config import Config
from antiphon.compat.robyn.endpoint import WebSocket
from antiphon.errors import ConfigurationError

H = TypeVar("H", bound=Callable[..., Any])


class Robyn(Antiphon):
    """An application with Robyn's API.

    Args:
        file_object: The program's ``__file__``, which Robyn wants; nothing depends on it.
        config: How to run.
        **options: Options of our own application, as ``allowed_origins`` or ``limits``.
    """

    def __init__(self, file_object: str = "", config: Config | None = None, **options: Any) -> None:
        super().__init__(lifespan=_bound, **options)
        self.file_path = file_object
        self.config = config or Config()

    def route(self, path: str, methods: Sequence[str] | None = None) -> Callable[[H], H]:
        """Make a function an HTTP handler; as our own, with Robyn's ways to write a path."""
        return super().route(to_path(path), methods)

    def inject(self, **kwargs: Any) -> None:
        """Let all handlers ask for values by name; HTTP handlers registered after this."""
        self.inject_global(**kwargs)

    def start(self, host: str = "127.0.0.1", port: int = 8080) -> None:
        """Serve until SIGINT or SIGTERM.

        Args:
            host: The address to listen on; the environment's ``ROBYN_HOST`` comes first.
            port: The port to listen on; the environment's ``ROBYN_PORT`` comes first.

        Raises:
            AddressInUse: Another program listens there.
            BindingError: A handler has a parameter that nothing can fill.
            ConfigurationError: ``ROBYN_PORT`` is no number.
        """
        bind_all(self)
        host = os.environ.get("ROBYN_HOST", host)
        self.run(host, _port(port), log_level=self.config.log_level.lower())


def bind_all(app: Antiphon) -> None:
    """Bind the handlers of every WebSocket endpoint, so that mistakes show before the first client."""
    for endpoint in app.endpoints.values():
        if isinstance(endpoint, WebSocket):
            endpoint.bind()


@asynccontextmanager
async def _bound(app: Antiphon) -> AsyncIterator[None]:
    bind_all(app)
    yield


def _port(default: int) -> int:
    text = os.environ.get("ROBYN_PORT")
    try:
        return default if text is None else int(text)
    except ValueError:
        raise ConfigurationError(f"ROBYN_PORT: {text!r} is no port number") from None
