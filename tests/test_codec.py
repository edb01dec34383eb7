"""Between messages and values, for every kind of type."""

import contextlib
import dataclasses
import enum
from datetime import date
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.codec import WrongKind, decoder, encode, encode_json, encoder
from antiphon.errors import ConfigurationError, InvalidMessage


class Struct(msgspec.Struct):
    x: int
    tags: list[str] = []


@dataclasses.dataclass
class Data:
    x: int


class Typed(TypedDict):
    x: int


@attrs.define
class Attrs:
    x: int


class Said(msgspec.Struct, tag="said"):
    text: str


class Left(msgspec.Struct, tag="left"):
    why: str


class Model(pydantic.BaseModel):
    x: int
    when: date | None = None


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Plain: ...


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


class Holder(msgspec.Struct):
    plain: Plain


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("message_type", "message", "value"),
    [
        (Struct, '{"x": 1, "tags": ["a"]}', Struct(1, ["a"])),
        (Struct, b'{"x": 1, "more": 2}', Struct(1)),
        (Data, '{"x": 1}', Data(1)),
        (Typed, '{"x": 1}', {"x": 1}),
        (Attrs, '{"x": 1}', Attrs(1)),
        (Said | Left, '{"type": "said", "text": "hi"}', Said("hi")),
        (Said | Left, '{"type": "left", "why": "late"}', Left("late")),
        (list[Struct], '[{"x": 1}]', [Struct(1)]),
        (dict[str, Data], '{"a": {"x": 1}}', {"a": Data(1)}),
        (Tree, '{"children": [{}]}', Tree([Tree()])),
        (Model, '{"x": 1, "when": "2024-05-06"}', Model(x=1, when=date(2024, 5, 6))),
        (Cat | Dog, '{"kind": "dog", "tricks": []}', Dog(tricks=[])),
        (Pet, '{"kind": "cat", "lives": 7}', Cat(lives=7)),
        (list[Model], '[{"x": 1}]', [Model(x=1)]),
        (Model | None, "null", None),
        (int, "5", 5),
        (float, "5", 5.0),
        (bool, "true", True),
        (dict, "{}", {}),
        (Any, "[1]", [1]),
        (int | str, '"x"', "x"),
        (Colour, '"red"', Colour.RED),
        (Literal["a"], '"a"', "a"),
        (date, '"2024-05-06"', date(2024, 5, 6)),
        (Annotated[int, msgspec.Meta(ge=1)], "1", 1),
    ],
)
def test_decodes(message_type: Any, message: str | bytes, value: object) -> None:
    """Every kind of type that can be validated; text and binary JSON alike."""
    decode = decoder(message_type)
    other = message.encode() if isinstance(message, str) else message.decode()
    assert decode(message) == decode(other) == value


@pytest.mark.parametrize(
    ("message_type", "message", "problem"),
    [
        (Struct, "{}", "Object missing required field `x`"),
        (Struct, '{"x": "secret"}', "Expected `int`, got `str` - at `$.x`"),
        (Struct, "no json", "JSON is malformed"),
        (Struct, b"\xff", "JSON is malformed"),
        (Data, '{"x": null}', "Expected `int`, got `null` - at `$.x`"),
        (Typed, "{}", "Object missing required field `x`"),
        (Attrs, "[]", "Expected `object`, got `array`"),
        (Said | Left, '{"type": "else"}', "Invalid value 'else' - at `$.type`"),
        (
            Model,
            '{"x": "secret"}',
            "Input should be a valid integer, unable to parse string as an integer - at `x`",
        ),
        (Model, "no json", "Invalid JSON"),
        (Pet, '{"kind": "cow"}', "Input tag 'cow' found using 'kind' does not match"),
        (Annotated[int, msgspec.Meta(ge=1)], "0", "Expected `int` >= 1"),
    ],
)
def test_refuses(message_type: Any, message: str | bytes, problem: str) -> None:
    """What does not fit is InvalidMessage, saying what and where, not repeating the message."""
    with pytest.raises(InvalidMessage) as caught:
        decoder(message_type)(message)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_kinds() -> None:
    """None is a message as it came; text and bytes insist on theirs; JSON takes both."""
    assert decoder(None)("x") == "x"
    assert decoder(None)(b"x") == b"x"
    for text in ("text", str):
        assert decoder(text)("x") == "x"
        with pytest.raises(WrongKind, match="text message is due"):
            decoder(text)(b"x")
    for data in ("bytes", bytes):
        assert decoder(data)(b"x") == b"x"
        with pytest.raises(WrongKind, match="binary message is due"):
            decoder(data)("x")
    assert decoder("json")('{"a": [1, null]}') == {"a": [1, None]}


@pytest.mark.parametrize(
    "message_type", [Plain, list[Plain], dict[str, Plain], Holder, Said | Struct, 5, "xml", Plain | None]
)
def test_types_that_no_message_can_become(message_type: Any) -> None:
    """They are refused when the type is declared, not with the first message."""
    with pytest.raises(ConfigurationError):
        decoder(message_type)


def test_unknown_kind_names_the_known_ones() -> None:
    """A misspelt kind says which there are, for both directions."""
    for make in (decoder, encoder):
        with pytest.raises(ConfigurationError, match="'txt': use one of text, bytes, json, or a type"):
            make("txt")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "text"),
        (b"bytes", b"bytes"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (None, "null"),
        (True, "true"),
        ({"ä": 1.5}, '{"ä":1.5}'),
        ((1, 2), "[1,2]"),
        (Struct(1), '{"x":1,"tags":[]}'),
        (Said("hi"), '{"type":"said","text":"hi"}'),
        (Data(1), '{"x":1}'),
        (Attrs(1), '{"x":1}'),
        (Model(x=1), '{"x":1,"when":null}'),
        ([Model(x=1)], '[{"x":1,"when":null}]'),
        (Colour.RED, '"red"'),
        (date(2024, 5, 6), '"2024-05-06"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
    ],
)
def test_encodes(value: object, message: str | bytes) -> None:
    """Text is text, bytes are binary, all else is JSON text."""
    encoded = encode(value)
    assert encoded == message
    assert type(encoded) is type(message)


def test_encoders() -> None:
    """A declared kind holds what is sent to it; a type sends JSON."""
    assert encoder("text")("x") == "x"
    assert encoder(bytes)(bytearray(b"x")) == b"x"
    assert encoder("json")("x") == '"x"'
    assert encoder(Struct)(Struct(1)) == '{"x":1,"tags":[]}'
    assert encoder(None)(1) == "1"
    with pytest.raises(TypeError, match="sends text, not bytes"):
        encoder(str)(b"x")
    with pytest.raises(TypeError, match="sends bytes, not str"):
        encoder("bytes")("x")


@pytest.mark.parametrize("value", [object(), {"a": object()}, {1: {object(): 1}}, 1 + 2j])
def test_what_json_cannot_hold(value: object) -> None:
    """It is a TypeError, whatever the depth."""
    with pytest.raises(TypeError):
        encode_json(value)


@pytest.mark.parametrize("make", [encode, encode_json, encoder("text"), encoder("json")])
def test_half_characters(make: Any) -> None:
    """A lone surrogate is refused by every encoder; whole characters of all planes pass."""
    with pytest.raises(ValueError, match="surrogate"):
        make("\udfff")
    assert "😀" in make("😀")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(json_values)
def test_round_trip(value: object) -> None:
    """What JSON can hold arrives as it was sent."""
    assert decoder("json")(encode_json(value)) == value


@given(st.text(), st.binary())
def test_text_and_bytes_pass(text: str, data: bytes) -> None:
    """Text and bytes are not touched."""
    assert encode(text) is text
    assert decoder(None)(encode(data)) == data


@pytest.mark.parametrize("message_type", [Struct, Model, dict, list, "json"])
@pytest.mark.parametrize("message", ["[" * 100_000, '{"a":' * 100_000, b"[" * 100_000])
def test_nested_too_deeply(message: str | bytes, message_type: object) -> None:
    """JSON that is nothing but brackets is a message that does not fit."""
    with pytest.raises(InvalidMessage):
        decoder(message_type)(message)


@pytest.mark.parametrize("message_type", [set, frozenset[list[int]], dict[str, set[Any]]])
def test_set_of_lists(message_type: object) -> None:
    """A set of what cannot be in one is a message that does not fit, and nobody's error."""
    for message in ("[[1]]", '{"a":[[1]]}'):
        with pytest.raises(InvalidMessage):
            decoder(message_type)(message)


@given(st.binary(max_size=50) | st.text(max_size=50))
def test_any_message(message: str | bytes) -> None:
    """Whatever a client sends either fits or is InvalidMessage, never another error."""
    for message_type in (Struct, Model, Pet, Said | Left, "json", "text", "bytes"):
        with contextlib.suppress(InvalidMessage):
            decoder(message_type)(message)
