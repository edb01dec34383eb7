"""What drivers of hosted services share: an SDK imported late, one client, retries, and no secrets shown."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from antiphon.broadcast.drivers.contract import Driver
from antiphon.broadcast.drivers.retry import Retry
from antiphon.broadcast.settings import Settings
from antiphon.errors import DriverLibraryNotFound, ServiceError


class HostedDriver(Driver):
    """A driver whose service is reached by its vendor's SDK.

    Args:
        settings: As of any driver; ``retries`` and ``retry_delay`` are read here.
        secrets: What no error may show.
    """

    def __init__(self, settings: Settings, secrets: Sequence[str]) -> None:
        super().__init__(settings)
        self._retry = Retry.from_settings(settings)
        self._secrets = tuple(secrets)
        self._client: Any = None
        self._lock = threading.Lock()

    @abstractmethod
    def make_client(self) -> Any:
        """Make the SDK's client."""

    @abstractmethod
    def translated(self, error: Exception) -> Exception:
        """The SDK's and its HTTP library's exceptions as ours; see ``failed``."""

    def close_client(self, client: Any) -> None:
        """Let go of the SDK's client."""

    def open(self) -> None:
        self._ready()

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            self.close_client(client)

    def request(self, call: Callable[[Any], object]) -> None:
        """Make a request, as often as is right.

        Args:
            call: Makes it, with the SDK's client.

        Raises:
            ServiceError: It did not succeed.
        """
        client = self._ready()

        def once() -> None:
            try:
                call(client)
            except Exception as error:
                # Its text, and that of what caused it, may hold a signed address: it ends here.
                raise self.translated(error) from None

        self._retry.call(once)

    def failed(self, status: int | None, text: str, *, may_retry: bool) -> ServiceError:
        """The error of a request, without secrets and not too long."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return ServiceError(self.name, status, text[:300].strip(), may_retry=may_retry)

    def _ready(self) -> Any:
        """The SDK's client: one for all threads, so that its connections are kept."""
        with self._lock:
            if self._client is None:
                self._client = self.make_client()
            return self._client


def library(module: str, package: str) -> ModuleType:
    """Import a service's package.

    Args:
        module: The module, as ``"ably.sync"``.
        package: The package that holds it, which is also the name of our extra.

    Raises:
        DriverLibraryNotFound: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise DriverLibraryNotFound(
            f'Could not find the "{package}" library. Install it with pip install "antiphon[{package}]", or '
            f"pip install {package}"
        ) from error
