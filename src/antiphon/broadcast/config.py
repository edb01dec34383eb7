"""Where the configuration comes from: the argument, then the environment, then a module, as in Masonite.

* ``Broadcast(driver="pusher", drivers={"pusher": {...}})``;
* ``ANTIPHON_BROADCAST_DRIVER=pusher``, ``ANTIPHON_BROADCAST_PUSHER_SECRET=...``;
* ``DRIVER`` and ``DRIVERS`` in the module ``config.broadcast``, if there is one.

Each setting is taken from the first of them that has it. With none of them it is the ``local`` driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import NoneType
from typing import Any

from antiphon.broadcast.drivers import Driver, driver_class, names
from antiphon.broadcast.settings import PREFIX
from antiphon.errors import ConfigurationError, DriverNotFound, UnacceptableDriverType

MODULE = "config.broadcast"
DEFAULT = "local"

Choice = str | type[Driver]
Choices = Choice | Iterable[Choice] | None
Drivers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Config:
    """Which drivers there are to choose from.

    Attributes:
        default: Those that are chosen when nobody says otherwise.
        drivers: The settings of each, by its key.
    """

    default: tuple[Choice, ...]
    drivers: Drivers

    def __repr__(self) -> str:
        return f"<Config {self.default!r} of {list(self.drivers)}>"

    def driver_class(self, choice: Choice) -> type[Driver]:
        """A chosen driver's class, whether it has its settings or not.

        Raises:
            DriverNotFound: No driver has that name.
        """
        if not isinstance(choice, str):
            return driver_class(choice)
        key = self._key(choice)
        return driver_class(self.drivers.get(key, {}).get("driver", key))

    def settings(self, choice: Choice) -> tuple[str, type[Driver], Mapping[str, Any]]:
        """A chosen driver's key, class and settings.

        Raises:
            DriverNotFound: No driver has that name.
            ConfigurationError: It needs settings and has none.
        """
        if not isinstance(choice, str):
            return self._of_class(driver_class(choice))
        key, cls = self._key(choice), self.driver_class(choice)
        values = self.drivers.get(key)
        if values is None and cls.needs_settings:
            raise ConfigurationError(
                f"the driver {key!r} has no settings: put them into DRIVERS[{key!r}], or into the "
                f"environment as {PREFIX}{_in_environment(key)}_…"
            )
        return key, cls, values or {}

    def _key(self, choice: str) -> str:
        # Masonite looked up capitalized names, so that 'Ably' and 'ably' were the same.
        for key in (choice, choice.lower()):
            if key in self.drivers or key in names():
                return key
        there_are = ", ".join(sorted({*names(), *self.drivers}))
        where = f"DRIVER (or {PREFIX}DRIVER): " if choice in self.default else ""
        raise DriverNotFound(f"{where}there is no broadcast driver {choice!r}; there are {there_are}")

    def _of_class(self, cls: type[Driver]) -> tuple[str, type[Driver], Mapping[str, Any]]:
        """A driver chosen by its class has the settings of the key that stands for it, if there is one."""
        for key, values in self.drivers.items():
            named = values.get("driver", key)
            if named is cls or (named in names() and driver_class(named) in cls.__mro__):
                return key, cls, values
        return cls.__name__, cls, {}


def load(
    driver: Choices = None,
    drivers: Drivers | None = None,
    module: str | None = MODULE,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read the configuration.

    Args:
        driver: The driver to take, by name or class, or several.
        drivers: Their settings.
        module: The module that holds what the others lack; None for none.
        environment: The environment variables; None for those of this process.

    Raises:
        ConfigurationError: Something of it is wrong; the text names the setting.
    """
    environment = os.environ if environment is None else environment
    stated = {} if module is None else stated_in(module, "DRIVER", "DRIVERS")
    if not isinstance(stated.get("DRIVERS", {}), Mapping):
        raise ConfigurationError(f"DRIVERS in {module} is a dictionary of the drivers' settings")
    if not isinstance(drivers, (Mapping, NoneType)):
        raise ConfigurationError("drivers= is a dictionary of the drivers' settings")
    lower, upper = _stated(stated.get("DRIVERS", {})), _stated(drivers or {})
    merged: dict[str, dict[str, Any]] = {key: {} for key in (*lower, *upper)}
    between = _of_environment(environment, merged)
    for source in (lower, between, upper):
        for key, values in source.items():
            merged.setdefault(key, {}).update(values)
    said = (driver, environment.get(f"{PREFIX}DRIVER"), stated.get("DRIVER"))
    return Config(choices(next((each for each in said if each not in (None, "")), DEFAULT)), merged)


def choices(given: Choices) -> tuple[Choice, ...]:
    """One choice or several, as several; text may name several with commas between.

    Raises:
        UnacceptableDriverType: It is neither a name nor a class, nor several of them.
    """
    if isinstance(given, str):
        return tuple(filter(None, map(str.strip, given.split(",")))) or (given,)
    if isinstance(given, (list, tuple)) and given:
        return tuple(each if isinstance(each, str) else driver_class(each) for each in given)
    if isinstance(given, (list, tuple)):
        raise UnacceptableDriverType("an empty list chooses no driver")
    return (driver_class(given),)


def stated_in(module: str, *names: str) -> Mapping[str, Any]:
    """What a module has of some names; nothing if there is no such module.

    Raises:
        ConfigurationError: It cannot be imported.
    """
    try:
        if find_spec(module) is None:
            return {}
    # The package around it is not there, or is no package.
    except (ModuleNotFoundError, ValueError):
        return {}
    try:
        found = import_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"the module {module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return {name: getattr(found, name) for name in names if hasattr(found, name)}


def _stated(drivers: Drivers) -> dict[str, dict[str, Any]]:
    """The settings that say something: None, as ``os.getenv`` returns it, leaves it to the next source."""
    found = {}
    for key, values in drivers.items():
        if not isinstance(values, Mapping):
            raise ConfigurationError(f"DRIVERS[{key!r}] is a dictionary of settings")
        found[key] = {name: value for name, value in values.items() if value is not None}
    return found


def _of_environment(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings in the environment."""
    keys = {_in_environment(key): key for key in (*names(), *known)}
    found: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        rest = variable.removeprefix(PREFIX)
        if rest == variable or rest == "DRIVER" or not value:
            continue
        fitting = [prefix for prefix in keys if rest.startswith(f"{prefix}_")]
        if not fitting:
            raise ConfigurationError(
                f"{variable} is the setting of no driver; there are {', '.join(sorted(set(keys.values())))}"
            )
        prefix = max(fitting, key=len)
        found.setdefault(keys[prefix], {})[rest[len(prefix) + 1 :].lower()] = value
    return found


def _in_environment(key: str) -> str:
    return key.upper().replace("-", "_")
