"""The grammar of the handshake's header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.headers import check_field, extensions, tokens


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", []),
        ("chat", ["chat"]),
        ("chat, v2.chat", ["chat", "v2.chat"]),
        (" chat ,\tv2 , ,", ["chat", "v2"]),
    ],
)
def test_a_list_of_tokens_is_read(value: str, read: list[str]) -> None:
    assert tokens(value) == read


@pytest.mark.parametrize("value", ["a b", "a;b", '"a"', "a/b", "é", "a\x00", "a, b c"])
def test_what_is_no_token_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 9110 § 5\.6\.2"):
        tokens(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", []),
        ("foo", [("foo", ())]),
        ("foo, bar; baz=2", [("foo", ()), ("bar", (("baz", "2"),))]),
        ('foo;a="b";c', [("foo", (("a", "b"), ("c", None)))]),
        (r'foo ; a = "\b" ,, bar', [("foo", (("a", "b"),)), ("bar", ())]),
        ("foo; a, foo; b", [("foo", (("a", None),)), ("foo", (("b", None),))]),
    ],
)
def test_extensions_are_read_with_their_parameters(value: str, read: list[object]) -> None:
    """RFC 6455 § 9.1."""
    assert extensions(value) == read


@pytest.mark.parametrize(
    "value",
    ["foo bar", "foo;", "foo; =1", "foo; a=", 'foo; a="b', 'foo; a="b c"', 'foo; a=""', ";", "é"],
)
def test_malformed_extensions_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 6455 § 9\.1"):
        extensions(value)


@given(st.text(alphabet='ab;=," \t\\', max_size=30))
def test_any_value_is_read_or_refused(value: str) -> None:
    try:
        read = extensions(value)
    except ValueError:
        return
    assert all(name and set(name) <= {"a", "b"} for name, _ in read)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\x00", b"\xe9"])
def test_a_header_name_that_is_no_token_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a token"):
        check_field(name, b"v")


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\x00b", b"\x7f", b"\x1b"])
def test_a_header_value_with_a_control_character_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="control character"):
        check_field(b"x-name", value)


def test_spaces_tabs_and_latin_1_are_fine_in_a_value() -> None:
    check_field(b"X-Name", b"a b\tc\xe9")
    check_field(b"X-Name", b"")
