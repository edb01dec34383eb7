"""Which driver class a name means: ours, and those that other packages bring.

A package brings one with an entry point of the group ``antiphon.drivers``, whose name is the driver's::

    [project.entry-points."antiphon.drivers"]
    carrier-pigeon = "pigeons:PigeonDriver"
"""

from __future__ import annotations

import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from antiphon.broadcast.drivers.ably import AblyDriver
from antiphon.broadcast.drivers.contract import Driver
from antiphon.broadcast.drivers.local import LocalDriver
from antiphon.broadcast.drivers.log import LogDriver
from antiphon.broadcast.drivers.null import NullDriver
from antiphon.broadcast.drivers.pusher import PusherDriver
from antiphon.errors import ConfigurationError, DriverNotFound, UnacceptableDriverType

GROUP = "antiphon.drivers"

OURS: dict[str, type[Driver]] = {
    "local": LocalDriver,
    "pusher": PusherDriver,
    "ably": AblyDriver,
    "log": LogDriver,
    "null": NullDriver,
}


def names() -> list[str]:
    """The names of all drivers there are."""
    return sorted({*OURS, *_theirs()})


def driver_class(choice: Any) -> type[Driver]:
    """The class that a name means, or that was given as such.

    Raises:
        DriverNotFound: No driver has that name.
        UnacceptableDriverType: It is neither a name nor a driver class.
        ConfigurationError: The package that brings it is broken.
    """
    if inspect.isclass(choice) and issubclass(choice, Driver):
        return choice
    if not isinstance(choice, str):
        raise UnacceptableDriverType(
            f"a driver is chosen by its name or by its class, a subclass of {Driver.__module__}."
            f"{Driver.__name__}; {_shown(choice)} is neither"
        )
    if choice in OURS:
        return OURS[choice]
    entry = _theirs().get(choice)
    if entry is None:
        raise DriverNotFound(f"there is no broadcast driver {choice!r}; there are {', '.join(names())}")
    try:
        found = entry.load()
    except Exception as error:
        raise ConfigurationError(
            f"the broadcast driver {choice!r} cannot be loaded from {entry.value}: {error}"
        ) from error
    if not (inspect.isclass(found) and issubclass(found, Driver)):
        raise UnacceptableDriverType(f"the entry point {choice!r}, {entry.value}, is no driver class")
    return found


def _shown(choice: Any) -> str:
    # Not what it is made of: somebody may have put a driver's settings here.
    return choice.__qualname__ if inspect.isclass(choice) else f"something of type {type(choice).__name__}"


@cache
def _theirs() -> dict[str, EntryPoint]:
    # Looking through all installed packages takes milliseconds, and the answer stays the same.
    return {each.name: each for each in entry_points(group=GROUP)}
