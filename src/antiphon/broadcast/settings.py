"""The settings of one driver, read with errors that say which setting is wrong and where it is set.

Nothing here shows a value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from antiphon.channels import Channel
from antiphon.errors import ConfigurationError
from antiphon.loop import WorkerThreads

PREFIX = "ANTIPHON_BROADCAST_"

OpenChannel = Callable[[str], Channel]
T = TypeVar("T")

_HOST = re.compile(r"(?!-)[\w.-]+|\[[0-9a-fA-F:.]+\]", re.ASCII)
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


class Settings:
    """What a driver is made with.

    Args:
        name: The driver's key in ``DRIVERS``.
        values: What is set there.
        channels: Opens a channel of the application around; None outside of an application.
        threads: Where blocking calls run.

    Attributes:
        name: Likewise.
        channels: Likewise.
        threads: Likewise.
    """

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any] | None = None,
        *,
        channels: OpenChannel | None = None,
        threads: WorkerThreads | None = None,
    ) -> None:
        self.name = name
        self.channels = channels
        self.threads = threads or WorkerThreads(8)
        # The key 'driver' chose the class; it says nothing to it.
        self._values = {key: value for key, value in (values or {}).items() if key != "driver"}

    def __repr__(self) -> str:
        return f"<Settings of {self.name!r}: {', '.join(self._values) or 'none'}>"

    def only(self, *known: str) -> None:
        """Refuse settings that the driver does not have.

        Raises:
            ConfigurationError: There is one.
        """
        for key in self._values:
            if key not in known:
                raise ConfigurationError(
                    f"{self.where(key)}: there is no such setting; there are {', '.join(known) or 'none'}"
                )

    def text(self, key: str, default: T | None = None) -> str | T | None:
        """A text, or the default where it is not set or empty.

        Raises:
            ConfigurationError: It is no text.
        """
        value = self._values.get(key)
        if value is None or value == "":
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.error(key, f"is text, not {type(value).__name__}")
        return value

    def required(self, *keys: str) -> str:
        """A text that must be set, under the first of several names that is.

        Raises:
            ConfigurationError: It is missing, or still the placeholder of an example.
        """
        for key in keys:
            value = self.text(key)
            if value:
                if value.endswith(".."):
                    raise self.error(key, "is still the placeholder of the example; put in your own")
                return value
        raise self.error(keys[0], "is missing")

    def flag(self, key: str, default: bool) -> bool:
        """Yes or no.

        Raises:
            ConfigurationError: It is neither.
        """
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise self.error(key, "is true or false")
        return text in _TRUE

    def number(self, key: str, default: float, *, least: float = 0) -> float:
        """A number.

        Raises:
            ConfigurationError: It is none, or too small.
        """
        value = self._values.get(key)
        if value is None or value == "":
            return default
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self.error(key, "is a number") from None
        if not least <= number < float("inf"):
            raise self.error(key, f"is a number of at least {least:g}")
        return number

    def host(self, key: str = "host") -> str | None:
        """The setting ``host``, or another that is a part of a host's name.

        Raises:
            ConfigurationError: It is none, but perhaps a URL.
        """
        host = self.text(key)
        if host is not None and not _HOST.fullmatch(host):
            raise self.error(key, "is a name alone, without scheme, port and path")
        return host

    def port(self) -> int | None:
        """The setting ``port``.

        Raises:
            ConfigurationError: It is no port.
        """
        number = self.number("port", 0)
        if number != int(number) or number > 65535:
            raise self.error("port", "is a whole number of at most 65535")
        return int(number) or None

    def where(self, key: str) -> str:
        """Where a setting is set."""
        return f"DRIVERS[{self.name!r}][{key!r}] (or {PREFIX}{self.name.upper()}_{key.upper()})"

    def error(self, key: str, problem: str) -> ConfigurationError:
        """The error of a setting."""
        return ConfigurationError(f"{self.where(key)} {problem}")
