"""What Robyn's handlers can ask for by name.

A map counts its changes, so that an endpoint can tell whether what it has worked out still holds:
dependencies may be injected after the handlers that ask for them.
"""

from __future__ import annotations

from typing import Any

from antiphon.errors import ConfigurationError

CONNECTION_NAMES = ("ws", "websocket", "socket", "websocket_connector", "connector")
MESSAGE_NAMES = ("msg", "message", "data")
GLOBAL = "global_dependencies"
LOCAL = "router_dependencies"

_RESERVED = {
    *CONNECTION_NAMES,
    *MESSAGE_NAMES,
    *(GLOBAL, LOCAL),
    *("request", "headers", "cookies", "query_params", "path_params", "state"),
}


class DependencyMap:
    """Dependencies for every endpoint that uses this map, and for each one alone.

    Attributes:
        changes: How often something was added.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._global: dict[str, Any] = {}
        self._local: dict[object, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"<DependencyMap {list(self._global)}, {len(self._local)} endpoints>"

    def add_global_dependency(self, **dependencies: Any) -> None:
        """Add for every endpoint that uses this map.

        Raises:
            ConfigurationError: A name means something else already.
        """
        _check(dependencies)
        self._global.update(dependencies)
        self.changes += 1

    def add_router_dependency(self, router: object, **dependencies: Any) -> None:
        """Add for one endpoint; it comes before what all have under the same name.

        Raises:
            ConfigurationError: A name means something else already.
        """
        _check(dependencies)
        self._local.setdefault(router, {}).update(dependencies)
        self.changes += 1

    def get_global_dependencies(self) -> dict[str, Any]:
        """What every endpoint of this map has."""
        return self._global

    def get_router_dependencies(self, router: object) -> dict[str, Any]:
        """What one endpoint has besides."""
        return self._local.setdefault(router, {})

    def names(self, router: object) -> dict[str, Any]:
        """All that the handlers of one endpoint can ask for, the two dictionaries themselves included."""
        everywhere, here = self._global, self.get_router_dependencies(router)
        return {**everywhere, **here, GLOBAL: everywhere, LOCAL: here}


def _check(names: dict[str, Any]) -> None:
    for name in names:
        if name in _RESERVED:
            raise ConfigurationError(
                f"{name!r} has a meaning of its own in handlers; inject it under another name"
            )
