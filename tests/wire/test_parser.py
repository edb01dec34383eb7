"""The parser, driven by raw bytes: what RFC 6455 § 5 and RFC 7692 § 6 demand of a server."""

import random
import runpy
import sys
import time
import tracemalloc
import zlib

import pytest

import antiphon.wire.parser
from antiphon.errors import ProtocolError
from antiphon.wire import Close, Inflater, Parser, ParserLimits, Ping, Pong
from tests.wire.helpers import binary, broken_rule, client_frame, close, run, text

TAIL = b"\x00\x00\xff\xff"

#: Eight blocks with codes of their own (RFC 1951 § 3.2.7), which hold nothing but their end.
EMPTY_BLOCKS = bytes.fromhex(
    "04c0010500000000a0feaf4e02e080020000000050ff57270170400100000000a8ffab930038a00000000000d4ffd549"
    "001c500000000000eaffea24000e280000000000f57f75120007140000000080fabf3a0980030a0000000040fd5f9d"
)


def deflated(message: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return (encoder.compress(message) + encoder.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


@pytest.mark.parametrize(
    ("data", "event"),
    [
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", "Hello"),
        ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", Pong(b"Hello")),
        ("89 85 37 fa 21 3d 7f 9f 4d 51 58", Ping(b"Hello")),
        ("82 83 00 00 00 00 00 ff 80", b"\x00\xff\x80"),
        ("81 80 01 02 03 04", ""),
        ("82 80 01 02 03 04", b""),
        ("88 80 01 02 03 04", Close(1005)),
    ],
)
def test_a_frame_is_an_event(data: str, event: object) -> None:
    """The masked examples of RFC 6455 § 5.7, and empty payloads."""
    events = Parser().feed(bytes.fromhex(data))
    assert events == [event]
    assert type(events[0]) is type(event)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 124, 125, 126, 127, 128, 131, 16384, 65535, 65536, 65537])
def test_every_form_of_length_is_read(size: int) -> None:
    """RFC 6455 § 5.2: 7 bits, 16 bits and 64 bits."""
    message = bytes(i & 0xFF for i in range(size))
    assert Parser().feed(binary(message)) == [message]
    assert Parser().feed(text("x" * size)) == ["x" * size]
    assert Parser().feed(binary(message) + text("x" * size)) == [message, "x" * size]


def test_a_close_frame_brings_code_and_reason() -> None:
    assert Parser().feed(close(1001, "bye é".encode())) == [Close(1001, "bye é")]


def test_what_follows_a_close_frame_is_discarded() -> None:
    """RFC 6455 § 1.4 and § 5.5.1."""
    parser = Parser()
    assert parser.feed(close(1000) + text("late") + b"\xff\xff") == [Close(1000)]
    assert parser.feed(text("later")) == []
    assert not parser.more
    assert repr(parser) == "<Parser closed, 0 bytes waiting>"


def test_a_close_frame_may_come_in_the_middle_of_a_fragmented_message() -> None:
    """RFC 6455 § 5.4: control frames may be injected there."""
    assert Parser().feed(text("ab", fin=False) + close(1000)) == [Close(1000)]


def test_fragments_are_one_message() -> None:
    """RFC 6455 § 5.4, and control frames between them are events of their own."""
    data = (
        text("Hel", fin=False)
        + client_frame(9, b"now")
        + client_frame(0, b"", fin=False)
        + client_frame(10)
        + client_frame(0, b"lo")
        + binary(b"\xff", fin=False)
        + client_frame(0, b"\xfe")
        + text("next")
    )
    assert Parser().feed(data) == [Ping(b"now"), Pong(), "Hello", b"\xff\xfe", "next"]


def test_a_character_may_be_cut_by_a_fragment() -> None:
    """RFC 6455 § 5.6: only the whole message need be UTF-8."""
    euro = "€".encode()
    data = b"".join(
        (client_frame(1, euro[:1], fin=False), client_frame(0, euro[1:2], fin=False),
         client_frame(0, euro[2:]))
    )  # fmt: skip
    assert Parser().feed(data) == ["€"]


PROTOCOL_ERRORS = {
    "frame not masked": (text("x", mask=None), "RFC 6455 § 5.1"),
    "empty frame not masked": (client_frame(9, mask=None), "RFC 6455 § 5.1"),
    "rsv1": (text("x", rsv=4), "RFC 6455 § 5.2"),
    "rsv2": (text("x", rsv=2), "RFC 6455 § 5.2"),
    "rsv3": (text("x", rsv=1), "RFC 6455 § 5.2"),
    "16 bits for 125": (binary(bytes(125), length_bytes=2), "RFC 6455 § 5.2"),
    "64 bits for 125": (binary(bytes(125), length_bytes=8), "RFC 6455 § 5.2"),
    "64 bits for 65535": (binary(bytes(65535), length_bytes=8), "RFC 6455 § 5.2"),
    "64th bit": (bytes.fromhex("82 ff 80 00 00 00 00 00 00 00"), "RFC 6455 § 5.2"),
    "fragmented ping": (client_frame(9, fin=False), "RFC 6455 § 5.5"),
    "fragmented close": (client_frame(8, fin=False), "RFC 6455 § 5.5"),
    "ping of 126 bytes": (client_frame(9, bytes(126)), "RFC 6455 § 5.5"),
    "continuation of nothing": (client_frame(0, b"x"), "RFC 6455 § 5.4"),
    "text within text": (text("x", fin=False) + text("y"), "RFC 6455 § 5.4"),
    "binary within text": (text("x", fin=False) + binary(b"y", fin=False), "RFC 6455 § 5.4"),
    "close of one byte": (client_frame(8, b"\x03"), "RFC 6455 § 5.5.1"),
    "close code 1005": (close(1005), "RFC 6455 § 7.4"),
    "close code 999": (close(999), "RFC 6455 § 7.4"),
} | {
    f"opcode {opcode}": (client_frame(opcode), "RFC 6455 § 5.2")
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
}


@pytest.mark.parametrize(("data", "section"), PROTOCOL_ERRORS.values(), ids=PROTOCOL_ERRORS)
def test_a_broken_rule_is_1002_and_named_by_its_section(data: bytes, section: str) -> None:
    assert broken_rule(Parser(), data) == (1002, section)


@pytest.mark.parametrize("head", ["81 05", "83 80", "c1 80", "09 80", "89 fe", "80 80"])
def test_two_bytes_are_enough_to_refuse_a_frame(head: str) -> None:
    """No waiting for the rest of what cannot become right."""
    parser = Parser()
    assert parser.feed(bytes.fromhex(head)[:1]) == []
    with pytest.raises(ProtocolError):
        parser.feed(bytes.fromhex(head)[1:])


INVALID_UTF_8 = {
    "lone continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "truncated": b"ok \xe2\x82",
    "long": b"x" * 300 + b"\xff",
}


@pytest.mark.parametrize("payload", INVALID_UTF_8.values(), ids=INVALID_UTF_8)
def test_text_that_is_not_utf_8_is_1007(payload: bytes) -> None:
    """RFC 6455 § 8.1, alone in a read, in a burst, and fragmented."""
    verdict = (1007, "RFC 6455 § 8.1")
    assert broken_rule(Parser(), client_frame(1, payload)) == verdict
    assert run(Parser(), [text("a") + client_frame(1, payload)]) == (["a"], 1007)
    fragmented = client_frame(1, payload, fin=False) + client_frame(0, b"")
    assert broken_rule(Parser(), fragmented) == verdict
    assert Parser().feed(client_frame(2, payload)) == [payload]


def test_fragmented_text_fails_at_its_first_broken_fragment() -> None:
    assert broken_rule(Parser(), client_frame(1, b"\xff", fin=False))[0] == 1007


def test_a_close_reason_that_is_not_utf_8_is_1007() -> None:
    assert broken_rule(Parser(), close(1000, b"\xff")) == (1007, "RFC 6455 § 5.5.1")


LIMITS = ParserLimits(frame=200, message=300, fragments=3)


@pytest.mark.parametrize(
    "limits", [ParserLimits(frame=10), ParserLimits(message=10)], ids=["frame", "message"]
)
def test_a_size_is_refused_from_one_byte_above_its_limit(limits: ParserLimits) -> None:
    assert Parser(limits).feed(text("x" * 10)) == ["x" * 10]
    assert Parser(limits).feed(text("x" * 10) * 2) == ["x" * 10] * 2
    assert broken_rule(Parser(limits), text("x" * 11)) == (1009, "RFC 6455 § 10.4")
    assert run(Parser(limits), [binary(b"") + binary(bytes(11))]) == ([b""], 1009)


def test_a_control_frame_may_be_as_large_as_the_protocol_lets_it_be() -> None:
    """RFC 6455 § 5.5: 125 bytes, however small messages are to be."""
    parser = Parser(ParserLimits(frame=1, message=1))
    assert parser.feed(client_frame(9, bytes(125)) + client_frame(10, bytes(125))) == [
        Ping(bytes(125)),
        Pong(bytes(125)),
    ]
    assert parser.feed(client_frame(9, bytes(125))) == [Ping(bytes(125))]
    assert parser.feed(close(4000, b"r" * 123)) == [Close(4000, "r" * 123)]


@pytest.mark.parametrize("size", [130, 200, 70_000])
def test_limits_hold_for_every_form_of_length(size: int) -> None:
    exact = ParserLimits(frame=size, message=size)
    assert Parser(exact).feed(binary(bytes(size))) == [bytes(size)]
    assert broken_rule(Parser(exact), binary(bytes(size + 1)))[0] == 1009


def test_a_size_is_refused_before_its_payload_has_come() -> None:
    """RFC 6455 § 10.4: nothing is kept for a frame that is too big."""
    head = binary(bytes(70_000))[:14]
    assert broken_rule(Parser(LIMITS), head) == (1009, "RFC 6455 § 10.4")


def test_a_message_is_limited_over_all_its_fragments() -> None:
    parser = Parser(LIMITS)
    assert parser.feed(text("x" * 200, fin=False) + client_frame(0, b"y" * 100)) == ["x" * 200 + "y" * 100]
    assert parser.feed(text("x" * 200, fin=False)) == []
    assert broken_rule(parser, client_frame(0, bytes(101))) == (1009, "RFC 6455 § 10.4")


def test_a_message_has_no_more_fragments_than_its_limit() -> None:
    """Empty fragments cost nothing to send; so they are counted."""
    empty = client_frame(0, fin=False)
    parser = Parser(LIMITS)
    assert parser.feed(text("", fin=False) + empty + client_frame(0)) == [""]
    assert parser.feed(text("", fin=False) + empty + empty) == []
    assert broken_rule(parser, empty) == (1009, "RFC 6455 § 10.4")


def test_control_frames_are_not_fragments() -> None:
    parser = Parser(ParserLimits(fragments=2))
    data = text("a", fin=False) + client_frame(9) * 10 + client_frame(0, b"b")
    assert parser.feed(data) == [Ping()] * 10 + ["ab"]


def test_events_before_an_error_come_first_and_the_error_with_the_next_call() -> None:
    parser = Parser()
    assert parser.feed(text("a") + client_frame(9) + text("b", mask=None)) == ["a", Ping()]
    assert parser.more
    with pytest.raises(ProtocolError, match=r"§ 5\.1"):
        parser.feed(b"")
    assert not parser.more
    assert repr(parser) == "<Parser failed, 0 bytes waiting>"


def test_a_parser_that_failed_stays_failed() -> None:
    parser = Parser()
    for data in (b"\x83\x80", text("fine"), b""):
        with pytest.raises(ProtocolError, match="reserved opcode 3"):
            parser.feed(data)


def test_no_more_events_than_asked_for_are_returned_and_the_rest_waits() -> None:
    parser = Parser()
    assert parser.feed(text("a") + text("b") + text("c"), at_most=2) == ["a", "b"]
    assert parser.more
    assert parser.feed(text("d"), at_most=1) == ["c"]
    assert parser.more
    assert parser.feed(b"") == ["d"]
    assert not parser.more


def test_a_fragment_is_a_frame_as_well() -> None:
    """Fragments make no events until the last, and take their time."""
    parser = Parser()
    stream = text("a", fin=False) + client_frame(0, b"b", fin=False) * 98 + client_frame(0, b"c") + text("d")
    turns = [parser.feed(stream, at_most=10)]
    while parser.more:
        turns.append(parser.feed(b"", at_most=10))
    assert turns == [*([[]] * 9), ["a" + "b" * 98 + "c"], ["d"]]


def test_what_is_inflated_takes_its_time() -> None:
    """A few bytes that become many are as many frames as what they become, in one fragment or in two."""
    parser = Parser(inflater=Inflater())
    message = deflated(bytes(400_000))
    halves = client_frame(2, message[:200], fin=False, rsv=4) + client_frame(0, message[200:])
    turns = [parser.feed(binary(message, rsv=4) * 2 + halves + text("end"), at_most=64)]
    while parser.more:
        turns.append(parser.feed(b"", at_most=64))
    assert [each for each in turns if each] == [[bytes(400_000)]] * 3 + [["end"]]


def test_what_inflates_to_nothing_takes_its_time() -> None:
    """A large frame is inflated in pieces: blocks without a symbol take a hundred times as long as others."""
    parser = Parser(inflater=Inflater())
    events = parser.feed(binary(EMPTY_BLOCKS * 600 + b"\0", rsv=4) + text("end"), at_most=64)
    turns = 1
    while parser.more:
        events += parser.feed(b"", at_most=64)
        turns += 1
    assert events == [b"", "end"]
    assert turns == 4


def test_what_inflates_to_nothing_is_as_large_as_a_message_at_most() -> None:
    """A message's deflated bytes have its limit, and what deflating may add; before the fragment is read."""
    limits = ParserLimits(frame=1000, message=1000)
    parser = Parser(limits, Inflater())
    parser.feed(binary(EMPTY_BLOCKS * 10, rsv=4, fin=False))
    assert parser.feed(client_frame(0, EMPTY_BLOCKS * 2 + bytes(1), fin=False)) == []
    assert broken_rule(parser, client_frame(0, bytes(250))[:8]) == (1009, "RFC 6455 § 10.4")


@pytest.mark.parametrize("step", [1, 3, 8191, 8192, 8193, 70_000])
def test_a_large_deflated_frame_is_one_message_however_it_comes(step: int) -> None:
    """The pieces in which it is inflated are nobody's concern."""
    message = random.Random(1).randbytes(30_000)
    stream = binary(deflated(message), rsv=4) + text("end")
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert run(Parser(inflater=Inflater()), chunks) == run(Parser(inflater=Inflater()), [stream])
    assert run(Parser(inflater=Inflater()), chunks)[0] == [message, "end"]


@pytest.mark.parametrize("message", ["short", "x" * 500])
def test_with_no_room_input_is_kept_unparsed(message: str) -> None:
    parser = Parser()
    assert parser.feed(text(message), at_most=0) == []
    assert parser.more
    assert parser.feed(b"", at_most=1) == [message]
    assert not parser.more


def test_more_is_false_when_only_a_part_of_a_frame_waits() -> None:
    parser = Parser()
    assert parser.feed(text("a") + text("b")[:4], at_most=5) == ["a"]
    assert not parser.more
    assert repr(parser) == "<Parser open, 4 bytes waiting>"
    assert parser.feed(text("b")[4:]) == ["b"]


def test_a_burst_taken_one_by_one_costs_no_more_than_its_length() -> None:
    """Going on does not copy what is left: 20 000 steps through 120 KB are not 1.2 GB."""
    parser = Parser()
    parser.feed(text("") * 20_000, at_most=0)
    started = time.process_time()
    assert sum(len(parser.feed(b"", at_most=1)) for _ in range(20_000)) == 20_000
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("size", [1, 2])
def test_a_large_frame_in_tiny_chunks_takes_linear_time(size: int) -> None:
    """Copying all that came before with each chunk would be 80 GB."""
    message = bytes(400_000)
    data = binary(message)
    parser = Parser()
    started = time.process_time()
    for at in range(0, len(data) - size, size):
        assert parser.feed(data[at : at + size]) == []
    assert parser.feed(data[at + size :]) == [message]
    assert time.process_time() - started < 8.0


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_large_frame_in_tiny_chunks_takes_little_memory(size: int) -> None:
    message = bytes(100_000)
    data = binary(message)
    parser = Parser()
    tracemalloc.start()
    try:
        for at in range(0, len(data) - size, size):
            parser.feed(data[at : at + size])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1.5 * len(message)


def test_a_frame_that_is_announced_and_does_not_come_costs_nothing() -> None:
    parser = Parser(ParserLimits(frame=1 << 40, message=1 << 40))
    tracemalloc.start()
    try:
        parser.feed(bytes.fromhex("82 ff 00 00 00 ff ff ff ff ff 00 00 00 00 00"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000


def test_without_native_unmasking_the_python_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    module = runpy.run_path(antiphon.wire.parser.__file__)
    assert module["apply_mask"].__module__ == "websockets.utils"
    feed = module["Parser"]().feed
    assert feed(text("short")) == ["short"]
    for size in (500, 70_000):
        assert feed(binary(bytes(size))) == [bytes(size)]


def test_a_message_from_a_large_read_does_not_share_its_memory() -> None:
    """A short message that an application keeps must not keep a whole read alive."""
    (message, *_) = Parser().feed(binary(b"keep") + binary(bytes(60_000)))
    assert sys.getsizeof(message) < 100


def test_a_deflated_message_is_inflated() -> None:
    """RFC 7692 § 6.2, in one frame and in several; others need not be deflated."""
    payload = deflated("Hello é".encode())
    data = (
        client_frame(1, payload, rsv=4)
        + text("plain")
        + text("in ", fin=False)
        + client_frame(0, b"pieces")
        + client_frame(2, payload[:3], rsv=4, fin=False)
        + client_frame(9)
        + client_frame(0, payload[3:])
    )
    parser = Parser(inflater=Inflater(takeover=False))
    assert parser.feed(data) == ["Hello é", "plain", "in pieces", Ping(), "Hello é".encode()]


@pytest.mark.parametrize(
    ("data", "section"),
    [
        (client_frame(9, rsv=4), "RFC 7692 § 6.1"),
        (client_frame(8, rsv=4), "RFC 7692 § 6.1"),
        (text("x", fin=False) + client_frame(0, rsv=4), "RFC 7692 § 6.1"),
        (client_frame(1, deflated(b"x"), rsv=6), "RFC 6455 § 5.2"),
        (client_frame(1, deflated(b"x"), rsv=5), "RFC 6455 § 5.2"),
        (client_frame(1, b"\xff\xff", rsv=4), "RFC 7692 § 7.2"),
    ],
)
def test_rsv1_belongs_to_the_first_frame_of_a_deflated_message(data: bytes, section: str) -> None:
    assert broken_rule(Parser(inflater=Inflater()), data) == (1002, section)


def test_inflated_text_is_checked_for_utf_8() -> None:
    data = client_frame(1, deflated(b"\xff"), rsv=4)
    assert broken_rule(Parser(inflater=Inflater()), data) == (1007, "RFC 6455 § 8.1")


def test_the_message_limit_is_for_what_is_inflated() -> None:
    limits = ParserLimits(frame=5000, message=1000)
    data = client_frame(2, deflated(bytes(1000)), rsv=4)
    assert Parser(limits, Inflater()).feed(data) == [bytes(1000)]
    data = client_frame(2, deflated(bytes(1001)), rsv=4)
    assert broken_rule(Parser(limits, Inflater()), data) == (1009, "RFC 7692 § 8.1")
    halves = deflated(bytes(600))
    data = client_frame(2, halves + TAIL, rsv=4, fin=False) + client_frame(0, halves)
    assert broken_rule(Parser(limits, Inflater()), data) == (1009, "RFC 7692 § 8.1")
