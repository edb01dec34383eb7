"""One way of writing paths for all dialects.

Each framework writes path parameters in its own way; routes are made of Starlette's. ``{}``, which takes
whatever follows and has no name, gets a name that no handler asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from starlette.convertors import CONVERTOR_TYPES

from antiphon.errors import BindingError

_PARAMETER = re.compile(r"<([^<>]*)>|(?<=/):([^/]+)|\{([^{}]*)\}")
_ALIASES = {"string": "str"}


def to_path(pattern: str) -> str:
    """Translate ``/<room>``, ``/<int:room>``, ``/:room``, ``/{room:int}`` and ``/{}`` for the router.

    Raises:
        BindingError: A parameter has no possible name, or a type that paths do not have.
    """
    numbers = count(1)
    path = _PARAMETER.sub(lambda match: _parameter(pattern, match, numbers), pattern)
    return path if path.startswith("/") else f"/{path}"


def _parameter(pattern: str, match: re.Match[str], numbers: Iterator[int]) -> str:
    angle, colon, brace = match.groups()
    if brace == "":
        return f"{{_{next(numbers)}:path}}"
    name, _, kind = (angle or colon or brace or "").partition(":")
    if angle and kind and _is_kind(name) and not _is_kind(kind):
        name, kind = kind, name
    kind = _ALIASES.get(kind, kind)
    if not (name.isascii() and name.isidentifier()):
        raise BindingError(f"{pattern!r}: {name!r} cannot be the name of a path parameter")
    if kind and kind not in CONVERTOR_TYPES:
        raise BindingError(
            f"{pattern!r}: {kind!r} is no type of path parameter; there are {', '.join(CONVERTOR_TYPES)}"
        )
    return f"{{{name}:{kind}}}" if kind else f"{{{name}}}"


def _is_kind(word: str) -> bool:
    return word in CONVERTOR_TYPES or word in _ALIASES
