"""Constraints in annotations: a path or query value is held to the `msgspec.Meta` of its parameter."""

from typing import Annotated

import pytest
from msgspec import Meta

from antiphon.app.binding.convert import converter

Short = Annotated[str, Meta(max_length=3)]
Positive = Annotated[int, Meta(ge=1)]


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [
        (Short, ["abc"], "abc"),
        (Short | None, ["abc"], "abc"),
        (Positive, ["2"], 2),
        (list[Positive], ["1", "2"], [1, 2]),
        (Annotated[list[int], Meta(max_length=2)], ["1", "2"], [1, 2]),
        (Annotated[str, "a note that constrains nothing"], ["abcd"], "abcd"),
    ],
)
def test_lets_through_what_fits(annotation: object, given: list[str], value: object) -> None:
    """A value within the constraints is converted as without them."""
    convert = converter(annotation)
    assert convert is not None
    assert convert(given) == value


@pytest.mark.parametrize(
    ("annotation", "given", "problem"),
    [
        (Short, ["abcd"], "length <= 3"),
        (Short | None, ["abcd"], "length <= 3"),
        (Positive, ["0"], ">= 1"),
        (list[Positive], ["1", "0"], ">= 1"),
        (Annotated[list[int], Meta(max_length=2)], ["1", "2", "3"], "length <= 2"),
    ],
)
def test_refuses_what_does_not_fit(annotation: object, given: list[str], problem: str) -> None:
    """A value outside the constraints is refused, and the text says which one it broke."""
    convert = converter(annotation)
    assert convert is not None
    with pytest.raises(ValueError, match=problem):
        convert(given)
