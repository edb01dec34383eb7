"""How often, and after how long, a request to a service is made again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from antiphon.broadcast.settings import Settings
from antiphon.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again where that is right, each time after twice as long.

    Attributes:
        times: How often at most, after the first attempt.
        delay: Seconds before the first of them; a random part of it, so that many do not return at once.
    """

    times: int = 2
    delay: float = 0.2

    @classmethod
    def from_settings(cls, settings: Settings) -> Retry:
        """The settings ``retries`` and ``retry_delay``.

        Raises:
            ConfigurationError: One is no number.
        """
        times = settings.number("retries", cls().times)
        return cls(int(times), settings.number("retry_delay", cls().delay))

    def call(self, request: Callable[[], object]) -> None:
        """Make a request until it succeeds.

        Raises:
            ServiceError: The last attempt's, or the first that must not be repeated.
        """
        for attempt in range(self.times + 1):
            try:
                request()
                return
            except ServiceError as error:
                if not error.may_retry or attempt == self.times:
                    raise
            time.sleep(self.delay * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
