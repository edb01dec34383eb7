"""Frames that the server sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire import Opcode, binary_frame, binary_header, frame, text_frame, text_header


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (text_frame("Hello"), "81 05 48 65 6c 6c 6f"),
        (frame(Opcode.TEXT, b"Hel", fin=False), "01 03 48 65 6c"),
        (frame(Opcode.CONTINUATION, b"lo"), "80 02 6c 6f"),
        (frame(Opcode.PING, b"Hello"), "89 05 48 65 6c 6c 6f"),
        (binary_frame(bytes(256))[:4], "82 7e 01 00"),
        (binary_frame(bytes(65536))[:10], "82 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_frames_are_those_of_the_examples_in_rfc_6455_5_7(built: bytes, expected: str) -> None:
    assert built == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "82 00"),
        (125, "82 7d"),
        (126, "82 7e 00 7e"),
        (65535, "82 7e ff ff"),
        (65536, "82 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_the_length_takes_its_shortest_form(size: int, expected: str) -> None:
    """RFC 6455 § 5.2."""
    payload = bytes(size)
    assert binary_frame(payload) == bytes.fromhex(expected) + payload
    assert frame(Opcode.BINARY, payload) == binary_frame(payload)
    assert binary_header(size) == bytes.fromhex(expected)
    assert text_header(size) == b"\x81" + bytes.fromhex(expected)[1:]


@given(st.text())
def test_a_text_frame_holds_utf_8(text: str) -> None:
    assert text_frame(text) == frame(Opcode.TEXT, text.encode())


def test_a_text_frame_of_65536_bytes_has_a_64_bit_length() -> None:
    assert text_frame("x" * 65536)[:10] == bytes.fromhex("81 7f 00 00 00 00 00 01 00 00")


def test_text_that_has_no_utf_8_is_not_sent() -> None:
    """RFC 6455 § 8.1: a lone surrogate has no encoding."""
    with pytest.raises(UnicodeEncodeError):
        text_frame("\ud800")


def test_rsv1_marks_a_deflated_message() -> None:
    """RFC 7692 § 6."""
    assert frame(Opcode.TEXT, b"x", rsv1=True)[0] == 0xC1
    assert frame(Opcode.BINARY, bytes(200), fin=False, rsv1=True)[0] == 0x42


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_a_control_frame_is_whole_and_short_and_not_deflated(opcode: Opcode) -> None:
    """RFC 6455 § 5.5, RFC 7692 § 6.1."""
    assert len(frame(opcode, bytes(125))) == 127
    with pytest.raises(ValueError, match=r"§ 5\.5"):
        frame(opcode, bytes(126))
    with pytest.raises(ValueError, match=r"§ 5\.5"):
        frame(opcode, b"", fin=False)
    with pytest.raises(ValueError, match=r"§ 5\.5"):
        frame(opcode, b"", rsv1=True)
