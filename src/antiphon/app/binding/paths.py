"""The parameters in a path."""

from __future__ import annotations

from collections.abc import Collection

from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import compile_path

from antiphon.errors import ConfigurationError


def names_in(path: str) -> Collection[str]:
    """The names of a path's parameters, as ``room`` in ``/rooms/{room}``.

    Raises:
        ConfigurationError: No route can have this path; the text says why.
    """
    if not path.startswith("/"):
        raise ConfigurationError(f"a path begins with '/': {'/' + path!r}, not {path!r}")
    try:
        return compile_path(path)[2].keys()
    except (AssertionError, ValueError) as error:
        raise ConfigurationError(
            f"{path!r} is no path: {error}; parameters are written {{name}} or {{name:kind}}, with a kind of "
            f"{', '.join(CONVERTOR_TYPES)}"
        ) from None
