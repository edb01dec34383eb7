"""From the text of a path or query parameter to the value that a handler's annotation asks for."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec

from antiphon.subscription import Position

T = TypeVar("T")
Convert = Callable[[Sequence[str]], Any]

_TRUE = frozenset({"true", "1", "on", "yes", ""})
_FALSE = frozenset({"false", "0", "off", "no"})
_SCALARS = (str, int, float, bool, Decimal, UUID, datetime, date, time, timedelta)
_UNIONS = (Union, types.UnionType)
_LISTS = (list, tuple, set, frozenset, Sequence)


def converter(annotation: Any) -> Convert | None:
    """Make the function that converts a parameter's values, or None if none can be made.

    The function takes the values in the order they came; a single-valued annotation takes the last. It
    raises ``ValueError``, with a text that may be shown to the client. An ``Annotated`` annotation holds
    the value to the constraints of its ``msgspec.Meta``.
    """
    if get_origin(annotation) is Annotated:
        return _constrained(converter(get_args(annotation)[0]), annotation)
    if annotation is Any:
        return _last
    origin = get_origin(annotation) or annotation
    if origin in _UNIONS:
        choices = _choices(annotation)
        if len(choices) == 1:
            return converter(choices[0])
    if origin in _LISTS:
        item = _scalar((get_args(annotation) or (str,))[0])
        make = list if origin is Sequence else origin
        return None if item is None else lambda values: make([item(each) for each in values])
    scalar = _scalar(annotation)
    return None if scalar is None else lambda values: scalar(values[-1])


def _last(values: Sequence[str]) -> str:
    return values[-1]


def _constrained(convert: Callable[[T], Any] | None, annotation: Any) -> Callable[[T], Any] | None:
    constrained = any(isinstance(each, msgspec.Meta) for each in get_args(annotation)[1:])
    if convert is None or not constrained:
        return convert
    return lambda given: msgspec.convert(convert(given), annotation)


def _scalar(annotation: Any) -> Callable[[str], Any] | None:
    if get_origin(annotation) is Annotated:
        return _constrained(_scalar(get_args(annotation)[0]), annotation)
    if annotation is Any or annotation is str:
        return lambda text: text
    if annotation is bool:
        return _bool
    if annotation is Position:
        return Position.parse
    origin = get_origin(annotation)
    if origin in _UNIONS:
        return _union(_choices(annotation))
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return annotation
    is_enum = isinstance(annotation, type) and issubclass(annotation, Enum)
    if annotation in _SCALARS or is_enum or origin is Literal:
        return lambda text: _lax(text, annotation, by_number=annotation not in _SCALARS)
    return None


def _choices(union: Any) -> list[Any]:
    return [each for each in get_args(union) if each is not type(None)]


def _union(choices: list[Any]) -> Callable[[str], Any] | None:
    converts = [_scalar(each) for each in choices]
    if None in converts:
        return None

    def convert(text: str) -> Any:
        problems = []
        for one in converts:
            try:
                return one(text)  # type: ignore[misc]
            except ValueError as error:
                problems.append(str(error))
        raise ValueError("; ".join(problems))

    return convert


def _bool(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"expected a boolean (true or false), got {text!r}")


def _lax(text: str, annotation: Any, *, by_number: bool) -> Any:
    try:
        return msgspec.convert(text, annotation, strict=False)
    except msgspec.ValidationError as error:
        # An enum or literal of numbers: msgspec looks a text up only among texts.
        try:
            if by_number:
                return msgspec.convert(int(text), annotation)
        except ValueError:
            pass
        raise ValueError(f"{error}, got {text!r}") from None
