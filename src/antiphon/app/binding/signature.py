"""A handler's parameters, with their annotations evaluated."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from antiphon.errors import BindingError


def parameters_of(handler: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that a call has to fill; ``*args`` and ``**kwargs`` are left empty.

    Raises:
        BindingError: It cannot be called, or an annotation names what does not exist.
    """
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError) as error:
        raise BindingError(f"{handler!r} cannot be a handler: {error}") from error
    parameters = [
        each
        for each in signature.parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    hints = _hints(handler, any(isinstance(each.annotation, str) for each in parameters))
    return [each.replace(annotation=hints.get(each.name, each.annotation)) for each in parameters]


def describe(handler: Callable[..., Any]) -> str:
    """A handler as its author would find it: its name, file and line."""
    name = getattr(handler, "__qualname__", repr(handler))
    code = getattr(inspect.unwrap(handler), "__code__", None)
    if code is None:
        return str(name)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _hints(handler: Callable[..., Any], needed: bool) -> dict[str, Any]:
    if not needed:
        return {}
    function = inspect.unwrap(handler)
    while hasattr(function, "func"):
        function = function.func
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = type(function).__call__
    try:
        return get_type_hints(function, localns=_enclosed(function), include_extras=True)
    except NameError as error:
        raise BindingError(
            f"{describe(handler)}: an annotation names {error.name!r}, which cannot be found from "
            "there; define or import it at module level"
        ) from error


def _enclosed(function: Any) -> dict[str, Any]:
    """Names that the function can see besides its globals."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    names = {} if code is None else dict(zip(code.co_freevars, cells, strict=False))
    found = {}
    for name, cell in names.items():
        try:
            found[name] = cell.cell_contents
        except ValueError:
            """A name that its function has not assigned yet."""
    return {**vars(builtins), **found}
