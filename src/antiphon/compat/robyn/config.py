"""Robyn's settings, as a value: nothing is read from the command line of the program."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Config:
    """How an application runs.

    Attributes:
        processes: 1; more need a broker between them, which this API has no way to name.
        workers: Robyn's threads for handlers. Here they come as they are needed.
        log_level: How much is logged.

    Raises:
        ConfigurationError: More than one process.
    """

    processes: int = 1
    workers: int = 1
    log_level: str = "info"

    def __post_init__(self) -> None:
        if self.processes != 1:
            raise ConfigurationError(
                f"Config(processes={self.processes}): an application started this way is one process"
            )
