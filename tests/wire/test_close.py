"""Close codes and payloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import ProtocolError
from antiphon.wire import Close, CloseCode, close_payload, is_valid_code, parse_close

SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def test_the_codes_that_may_travel_are_those_of_rfc_6455_7_4() -> None:
    assert {code for code in range(0x10000) if is_valid_code(code)} == SENDABLE


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_code_that_may_not_travel_is_refused_both_ways(code: int) -> None:
    with pytest.raises(ValueError, match=r"§ 7\.4"):
        close_payload(code, "why")
    with pytest.raises(ProtocolError) as raised:
        parse_close(code.to_bytes(2, "big"))
    assert raised.value.code == 1002
    assert "§ 7.4" in raised.value.reason


def test_an_empty_payload_is_reported_as_1005_and_1005_is_sent_as_an_empty_payload() -> None:
    """RFC 6455 § 7.1.5."""
    assert parse_close(b"") == Close(CloseCode.NO_STATUS_RECEIVED, "")
    assert close_payload() == b""


def test_a_payload_of_one_byte_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"1002 .*§ 5\.5\.1"):
        parse_close(b"\x03")


def test_a_reason_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"1007 .*§ 5\.5\.1"):
        parse_close(b"\x03\xe8\xc3\x28")


@given(st.sampled_from(sorted(SENDABLE)), st.text())
def test_a_reason_keeps_as_many_whole_characters_as_fit(code: int, reason: str) -> None:
    payload = close_payload(code, reason)
    read = parse_close(payload)
    assert read.code == code
    assert reason.startswith(read.reason)
    assert len(payload) <= 125
    if read.reason != reason:
        one_more = reason[: len(read.reason) + 1]
        assert len(one_more.encode()) > 123


def test_a_long_reason_is_cut_before_the_character_that_does_not_fit() -> None:
    assert parse_close(close_payload(1000, "x" * 122 + "é")).reason == "x" * 122
    assert parse_close(close_payload(1000, "x" * 121 + "é")).reason == "x" * 121 + "é"
