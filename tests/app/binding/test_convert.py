"""From the text of a parameter to the value an annotation asks for."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from antiphon import Position
from antiphon.app.binding.convert import converter


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"


A_UUID = "5f0b9c2e-7d3e-4a55-9d58-d2a2f1f5a1b0"


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [
        (str, ["a"], "a"),
        (str, ["first", "last"], "last"),
        (str, [""], ""),
        (Any, ["a", "b"], "b"),
        (int, ["-7"], -7),
        (float, ["1e3"], 1000.0),
        (float, ["2"], 2.0),
        *[(bool, [word], True) for word in ("true", "True", "1", "on", "YES", "")],
        *[(bool, [word], False) for word in ("false", "FALSE", "0", "off", "no")],
        (Decimal, ["1.10"], Decimal("1.10")),
        (UUID, [A_UUID], UUID(A_UUID)),
        (datetime, ["2024-05-06T07:08:09Z"], datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (date, ["2024-05-06"], date(2024, 5, 6)),
        (time, ["07:08:09"], time(7, 8, 9)),
        (timedelta, ["PT90S"], timedelta(seconds=90)),
        (Path, ["a/b"], Path("a/b")),
        (Colour, ["red"], Colour.RED),
        (Level, ["2"], Level.HIGH),
        (Word, ["yes"], Word.YES),
        (Literal["a", "b"], ["b"], "b"),
        (Literal[1, 2], ["2"], 2),
        (Literal["a", 1], ["1"], 1),
        (int | None, ["3"], 3),
        (Colour | None, ["blue"], Colour.BLUE),
        (int | str, ["3"], 3),
        (int | str, ["x"], "x"),
        (Position, ["7.d9f4"], Position(7, "d9f4")),
        (Position | None, ["0.a.b"], Position(0, "a.b")),
        (list, ["a", "b"], ["a", "b"]),
        (list[int], ["1", "2"], [1, 2]),
        (list[str] | None, ["a", "b"], ["a", "b"]),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (set[Colour], ["red", "red"], {Colour.RED}),
        (frozenset[bool], ["1"], frozenset({True})),
        (list[int | None], ["1"], [1]),
    ],
)
def test_fits(annotation: Any, given: list[str], value: object) -> None:
    """Text that fits becomes the value, of exactly that type."""
    convert = converter(annotation)
    assert convert is not None
    converted = convert(given)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("annotation", "given", "problem"),
    [
        (int, "x", "Expected `int`, got `str`, got 'x'"),
        (int, "1.5", "'1.5'"),
        (int, "", "''"),
        (int, "1_0", "'1_0'"),
        (int, " 5", "' 5'"),
        (int, "9" * 5000, "Integer value out of range"),
        (float, "one", "'one'"),
        (bool, "maybe", "expected a boolean (true or false), got 'maybe'"),
        (UUID, "not-one", "Invalid UUID, got 'not-one'"),
        (datetime, "yesterday", "Invalid RFC3339"),
        (Colour, "green", "Invalid enum value 'green'"),
        (Level, "3", "Invalid enum value 3"),
        (Literal["a", "b"], "c", "Invalid enum value 'c'"),
        (int | bool, "x", "expected a boolean"),
        (list[int], "x", "'x'"),
        (int | None, "none", "'none'"),
        *[
            (Position | None, text, "expected a position as a publication carries it, offset.epoch")
            for text in ("", "7", "7.", ".d9f4", "-7.d9f4", "x.d9f4", "\u0667.d9f4", f"{10**20}.d9f4")
        ],
    ],
)
def test_does_not_fit(annotation: Any, given: str, problem: str) -> None:
    """Text that does not fit is a ValueError saying what was expected and what came."""
    convert = converter(annotation)
    assert convert is not None
    with pytest.raises(ValueError, match=r".") as caught:
        convert([given])
    assert problem in str(caught.value)


@pytest.mark.parametrize("annotation", [dict, dict[str, int], object, list[object], int | object, bytes])
def test_cannot_be_made(annotation: Any) -> None:
    """A type that no text can become has no converter."""
    assert converter(annotation) is None
