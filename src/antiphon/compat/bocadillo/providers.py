"""Providers: what views can ask for by name, declared once for all applications of the process.

What a provider makes lives as its scope says, in each application by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from antiphon.app.binding import Provider, Providers, Scope
from antiphon.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

DECLARED = Providers()

# Earlier versions of Bocadillo say "function" and "session" for what later ones call "request" and "app".
_SCOPES: dict[str, Scope] = {
    "request": "connection",
    "function": "connection",
    "app": "app",
    "session": "app",
}


@overload
def provider(function: F, /) -> F: ...


@overload
def provider(*, scope: str = "request", name: str | None = None) -> Callable[[F], F]: ...


def provider(function: Any = None, /, *, scope: str = "request", name: str | None = None) -> Any:
    """Make a function a provider: views and other providers get what it makes by asking for its name.

    A generator function gives with ``yield`` and tears down behind it.

    Args:
        function: The function.
        scope: ``"request"``: called for each connection or request; ``"app"`` or ``"session"``: called
            once for an application.
        name: The name to ask for; the function's own if None.

    Raises:
        ConfigurationError: There is no such scope, or the name means something else already.
    """
    if scope not in _SCOPES:
        raise ConfigurationError(f"there is no scope {scope!r} for providers: use 'request' or 'app'")

    def declare(factory: F) -> F:
        DECLARED.add(name or factory.__name__, Provider(factory=factory, scope=_SCOPES[scope]))
        return factory

    return declare if function is None else declare(function)
