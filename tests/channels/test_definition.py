"""Definitions: which one a channel has, and what they refuse."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.channels import (
    ChannelLimits,
    Definition,
    Definitions,
    History,
    Overflow,
    Presence,
    presence_channel,
)
from antiphon.channels.definition import REMEMBERED, UNDEFINED
from antiphon.errors import ConfigurationError


def definitions(*patterns: str) -> Definitions:
    found = Definitions()
    for pattern in patterns:
        found.add(Definition(pattern))
    return found


def test_first_that_fits() -> None:
    """Of several that fit the first counts; what none fits is live only."""
    found = definitions("room:lobby", "room:{room}", "{kind}:{name}")
    assert found.of("room:lobby").pattern == "room:lobby"
    assert found.of("room:7").pattern == "room:{room}"
    assert found.of("news:7").pattern == "{kind}:{name}"
    assert found.of("news") is UNDEFINED
    assert (UNDEFINED.history, UNDEFINED.presence, UNDEFINED.authorize) == (None, None, None)
    assert [each.pattern for each in found] == ["room:lobby", "room:{room}", "{kind}:{name}"]


@pytest.mark.parametrize(
    ("channel", "fits"),
    [("room:", False), ("room:a:b", False), ("xroom:a", False), ("room:ä.b", True), ("room:*", True)],
)
def test_what_a_parameter_is(channel: str, fits: bool) -> None:
    """A parameter is at least one character without a colon; all else of a pattern is literal."""
    assert (definitions("room:{room}").of(channel) is not UNDEFINED) == fits
    assert definitions("a.b").of("axb") is UNDEFINED


def test_values() -> None:
    """A channel's name has the values of its pattern's parameters."""
    found = definitions("{kind}:{name}")
    assert found.values("room:7") == {"kind": "room", "name": "7"}
    assert found.values("room") == {}
    assert Definition("{kind}:{name}").parameters == ("kind", "name")


@given(
    st.lists(st.text("ab:-", max_size=3), min_size=1, max_size=5),
    st.lists(st.sampled_from(("a", "b", ":", "-", "--", "a:a", "xyz")), min_size=1, max_size=12),
)
def test_values_of_several_parameters(texts: list[str], pieces: list[str]) -> None:
    """Of several ways to divide a name the earlier parameters are as long as they can be."""
    name = "".join(pieces)
    parameters = [f"p{n}" for n in range(len(texts) - 1)]
    pattern = texts[0] + "".join(
        f"{{{name}}}{text}" for name, text in zip(parameters, texts[1:], strict=True)
    )
    groups = (f"(?P<{name}>[^:]+){re.escape(text)}" for name, text in zip(parameters, texts[1:], strict=True))
    fit = re.fullmatch(re.escape(texts[0]) + "".join(groups), name)
    found = definitions(pattern or "x")
    assert (found.of(name) is not UNDEFINED) == (fit is not None)
    assert found.values(name) == (fit.groupdict() if fit else {})


def test_names_that_nearly_fit() -> None:
    """A name that can be divided in thousands of ways is looked at once."""
    assert definitions("{a}-{b}-{c}-{d}-{e}-{f}-{g}:x").of("-" * 198 + ":y") is UNDEFINED


@pytest.mark.parametrize("channel", [presence_channel("room"), "$endpoint:/chat", "$rules"])
def test_own_channels(channel: str) -> None:
    """Antiphon's own channels fit no pattern, however wide."""
    found = definitions("{all}", "{a}:{b}", "${a}:{b}")
    assert found.of(channel) is UNDEFINED
    assert found.values(channel) == {}


@pytest.mark.parametrize("pattern", ["", "{a}:{a}", "{1}", "{a-b}", "room:{", "{{a}}"])
def test_no_pattern(pattern: str) -> None:
    """What is no pattern is refused."""
    with pytest.raises(ConfigurationError, match="pattern"):
        definitions(pattern)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("pattern", 5),
        ("history", True),
        ("history", 100),
        ("presence", 3.0),
        ("overflow", "close"),
        ("limits", {"data": 1}),
        ("idempotency", float("inf")),
        ("idempotency", -1),
    ],
)
def test_other_kinds(part: str, value: object) -> None:
    """What is of another kind than it is to be is refused at once, and the error names it."""
    with pytest.raises(ConfigurationError, match=f"^{part}="):
        Definition(**{"pattern": "a", part: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: History(0),
        lambda: History(1.5),  # type: ignore[arg-type]
        lambda: History("10"),  # type: ignore[arg-type]
        lambda: History(ttl=0),
        lambda: History(ttl=float("nan")),
        lambda: Presence(grace=-1),
        lambda: ChannelLimits(data=0),
        lambda: ChannelLimits(subscribers=0),
    ],
)
def test_numbers(make: Callable[[], object]) -> None:
    """Numbers that cannot be are refused at once."""
    with pytest.raises(ConfigurationError):
        make()


def test_twice() -> None:
    """A pattern is defined once."""
    with pytest.raises(ConfigurationError, match="defined already"):
        definitions("a", "a")


def test_many_names() -> None:
    """Names are remembered in a bounded number, and rightly."""
    found = definitions("room:{room}")
    for number in range(REMEMBERED + 10):
        assert found.of(f"room:{number}").pattern == "room:{room}"
    assert len(found._remembered) <= REMEMBERED


def test_added_later() -> None:
    """A definition counts for names that were asked for before it."""
    found = Definitions()
    assert found.of("news") is UNDEFINED
    found.add(Definition("news", History()))
    assert found.of("news").history == History()


@pytest.mark.parametrize(("size", "ttl"), [(0, 1), (1, 0), (1, -1), (1, float("inf")), (1, float("nan"))])
def test_history_is_positive(size: int, ttl: float) -> None:
    """A history that keeps nothing, or for ever, is refused."""
    with pytest.raises(ConfigurationError, match="positive"):
        History(size, ttl)


@given(st.lists(st.tuples(st.sampled_from(("a", "b:{c}", "{d}", "e:{f}:g")), st.integers(1, 9)), max_size=5))
def test_told_to_others(rules: list[tuple[str, int]]) -> None:
    """Whoever publishes from elsewhere is told what it has to keep, and in which order patterns count."""
    found = Definitions()
    for pattern, size in dict(rules).items():
        found.add(Definition(pattern, History(size), overflow=Overflow.LATEST, idempotency=size))
    read = Definitions.from_json(found.to_json())
    assert [(each.pattern, each.retention) for each in read] == [
        (each.pattern, each.retention) for each in found
    ]
