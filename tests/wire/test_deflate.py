"""permessage-deflate: what is agreed, and both directions."""

import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from antiphon.errors import ConfigurationError, ProtocolError
from antiphon.wire import Agreement, Deflate, Deflater, Inflater, negotiate
from antiphon.wire.headers import extensions

TAIL = b"\x00\x00\xff\xff"
ALL = 1 << 30

#: Asks for nothing, so that a response holds what the client's offer made it hold.
PLAIN = Deflate(
    server_no_context_takeover=False,
    client_no_context_takeover=False,
    server_max_window_bits=15,
    client_max_window_bits=15,
)


def agree(header: str, settings: Deflate = PLAIN) -> Agreement | None:
    return negotiate(extensions(header), settings)


def response(header: str, settings: Deflate = PLAIN) -> str | None:
    agreement = agree(header, settings)
    return None if agreement is None else agreement.response


# Negotiation, RFC 7692 § 5.1 and § 7.1


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            'permessage-deflate; server_max_window_bits="10"',
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
        ),
    ],
)
def test_an_offer_is_accepted_with_what_it_asks_for(offer: str, answer: str) -> None:
    assert response(offer) == answer


@pytest.mark.parametrize(
    "parameters",
    [
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=x",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits=9",
        "server_no_context_takeover; server_no_context_takeover",
        "server_max_window_bits=8",
    ],
)
def test_an_offer_with_a_parameter_that_cannot_be_is_declined(parameters: str) -> None:
    """RFC 7692 § 7.1: unknown, invalid, repeated; and 8, with which zlib cannot deflate."""
    assert response(f"permessage-deflate; {parameters}") is None
    fallback = f"permessage-deflate; {parameters}, permessage-deflate"
    assert response(fallback) == "permessage-deflate"


@pytest.mark.parametrize("header", ["", "x-webkit-deflate-frame", "Permessage-Deflate"])
def test_other_extensions_are_declined(header: str) -> None:
    assert response(header) is None


def test_the_first_offer_that_can_be_is_taken() -> None:
    """RFC 7692 § 5.1: they come in the client's order of preference."""
    header = (
        "x-other; a=1, permessage-deflate; server_max_window_bits=8,"
        " permessage-deflate; server_max_window_bits=11,"
        " permessage-deflate; server_max_window_bits=12"
    )
    assert response(header) == "permessage-deflate; server_max_window_bits=11"


def test_our_settings_bind_both_sides_as_far_as_the_rfc_lets_them() -> None:
    """RFC 7692 § 7.1.2.2: no client_max_window_bits for a client that did not name it."""
    both = (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover;"
        " server_max_window_bits=12"
    )
    assert response("permessage-deflate", Deflate()) == both
    named = "permessage-deflate; client_max_window_bits"
    assert response(named, Deflate()) == f"{both}; client_max_window_bits=12"
    agreement = agree("permessage-deflate", Deflate())
    assert agreement is not None
    assert (agreement.server_max_window_bits, agreement.client_max_window_bits) == (12, 15)


@pytest.mark.parametrize(("offered", "agreed"), [(9, 9), (12, 12), (15, 12)])
def test_the_smaller_window_is_agreed_on(offered: int, agreed: int) -> None:
    header = f"permessage-deflate; server_max_window_bits={offered}; client_max_window_bits={offered}"
    agreement = agree(header, Deflate())
    assert agreement is not None
    assert agreement.server_max_window_bits == agreement.client_max_window_bits == agreed


def test_frames_can_be_shared_when_we_take_no_context_over() -> None:
    for header, shareable in (
        ("permessage-deflate", False),
        ("permessage-deflate; server_no_context_takeover", True),
    ):
        agreement = agree(header)
        assert agreement is not None
        assert agreement.shareable is shareable


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"server_max_window_bits": 8}, "server_max_window_bits"),
        ({"client_max_window_bits": 16}, "client_max_window_bits"),
        ({"level": 10}, "level"),
        ({"mem_level": 0}, "mem_level"),
        ({"threshold": -1}, "threshold"),
        ({"ratio": 0}, "ratio"),
        ({"client_max_window_bits": "a"}, "client_max_window_bits"),
        ({"level": None}, "level"),
        ({"ratio": 1.5}, "ratio"),
    ],
)
def test_a_setting_out_of_range_is_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Deflate.{name} must be"):
        Deflate(**options)


@given(
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, *range(9, 16)]),
    st.sampled_from([None, True, *range(9, 16)]),
    st.builds(
        Deflate,
        server_no_context_takeover=st.booleans(),
        client_no_context_takeover=st.booleans(),
        server_max_window_bits=st.integers(9, 15),
        client_max_window_bits=st.integers(9, 15),
    ),
    st.lists(st.binary(max_size=500), max_size=3),
)
def test_a_client_of_websockets_accepts_every_agreement_and_both_understand_each_other(
    server_alone: bool,
    client_alone: bool,
    server_bits: int | None,
    client_bits: int | None,
    settings: Deflate,
    messages: list[bytes],
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=server_alone,
        client_no_context_takeover=client_alone,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    offer = ("permessage-deflate", tuple(factory.get_request_params()))
    agreement = negotiate([offer], settings)
    assert agreement is not None
    ((_, parameters),) = extensions(agreement.response)
    client = factory.process_response_params(list(parameters), [])
    inflater, deflater = agreement.inflater(), agreement.deflater()
    for message in messages:
        sent = client.encode(_client_frame(message))
        assert inflater.inflate(bytes(sent.data), True, ALL) == message
        received = client.decode(_client_frame(deflater.deflate(message), rsv1=True))
        assert bytes(received.data) == message


def _client_frame(data: bytes, rsv1: bool = False) -> Frame:
    return Frame(Opcode.BINARY, data, rsv1=rsv1)


# Inflating, RFC 7692 § 7.2


@pytest.mark.parametrize(
    ("payloads", "message"),
    [
        (["f2 48 cd c9 c9 07 00"], b"Hello"),  # § 7.2.3.1
        (["f2 48 cd", "c9 c9 07 00"], b"Hello"),  # … in two frames
        (["00 05 00 fa ff 48 65 6c 6c 6f 00"], b"Hello"),  # § 7.2.3.3: a stored block
        (["f3 48 cd c9 c9 07 00 00"], b"Hello"),  # § 7.2.3.4: a block with BFINAL
        (["f3 48 cd c9 c9 07 00", "00"], b"Hello"),
        (["f3 48 cd c9 c9 07 00"], b"Hello"),  # … without the octet that should follow
        (["f3 48 cd c9 c9 07 00", ""], b"Hello"),
        (["f2 48 05 00 00 00 ff ff ca c9 c9 07 00"], b"Hello"),  # § 7.2.3.5: two blocks
        (["00"], b""),  # § 7.2.3.6
    ],
)
def test_the_examples_of_rfc_7692_are_inflated_and_leave_the_inflater_fit(
    payloads: list[str], message: bytes
) -> None:
    inflater = Inflater()
    for _ in range(2):
        *first, last = [bytes.fromhex(payload) for payload in payloads]
        inflated = [inflater.inflate(payload, False, 100) for payload in first]
        inflated.append(inflater.inflate(last, True, 100))
        assert b"".join(inflated) == message


def test_what_a_flush_ends_with_may_be_a_fragment_behind_a_block_with_bfinal() -> None:
    """Only in the last fragment it is what the receiver adds (RFC 7692 § 7.2.2)."""
    stored = bytes(range(256)) * 255
    assert len(stored) == 0xFF00
    for fragments in (["f3 48 cd c9 c9 07 00", "00 00 ff ff"], ["f3 48 cd c9 c9 07 00 00 00 ff ff"]):
        inflater = Inflater()
        for fragment in fragments:
            inflater.inflate(bytes.fromhex(fragment), False, 1 << 20)
        assert inflater.inflate(b"\0" + stored + b"\0", True, 1 << 20) == stored


def test_with_context_takeover_a_message_may_refer_to_the_one_before() -> None:
    """RFC 7692 § 7.2.3.2, and without takeover it may not."""
    first, second = bytes.fromhex("f2 48 cd c9 c9 07 00"), bytes.fromhex("f2 00 11 00 00")
    inflater = Inflater()
    assert inflater.inflate(first, True, 100) == b"Hello"
    assert inflater.inflate(second, True, 100) == b"Hello"
    inflater = Inflater(takeover=False)
    assert inflater.inflate(first, True, 100) == b"Hello"
    with pytest.raises(ProtocolError, match=r"1002 .*RFC 7692 § 7\.2"):
        inflater.inflate(second, True, 100)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x06garbage", b"\x03\x00" * 17])
def test_what_is_no_deflated_message_is_1002(payload: bytes) -> None:
    """Nothing at all, a reserved block type, and a stream that does nothing but end."""
    with pytest.raises(ProtocolError, match=r"1002 .*RFC 7692 § 7\.2"):
        Inflater().inflate(payload, True, 100)


def test_a_deflated_message_may_end_with_an_empty_fragment() -> None:
    inflater = Inflater()
    assert inflater.inflate(bytes.fromhex("f2 48 cd c9 c9 07 00"), False, 100) == b"Hello"
    assert inflater.inflate(b"", True, 100) == b""
    with pytest.raises(ProtocolError):
        inflater.inflate(b"", True, 100)


@pytest.mark.parametrize("fin", [True, False])
def test_a_bomb_allocates_no_more_than_there_is_room_for(fin: bool) -> None:
    bomb = Deflater(level=9).deflate(bytes(64 << 20))
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match=r"1009 .*RFC 7692 § 8\.1"):
            Inflater().inflate(bomb, fin, 1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def test_a_bomb_in_fragments_is_found_when_its_sum_is_too_much() -> None:
    inflater = Inflater()
    encoder = zlib.compressobj(9, wbits=-15)
    part = encoder.compress(bytes(1000)) + encoder.flush(zlib.Z_SYNC_FLUSH)
    assert len(inflater.inflate(part, False, 1000)) == 1000
    part = encoder.compress(bytes(1)) + encoder.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ProtocolError, match="1009"):
        inflater.inflate(part, False, 0)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_room_is_exact(size: int, room: int) -> None:
    payload = Deflater().deflate(bytes(size))
    if size <= room:
        assert Inflater().inflate(payload, True, room) == bytes(size)
    else:
        with pytest.raises(ProtocolError, match="1009"):
            Inflater().inflate(payload, True, room)


def test_a_ratio_refuses_what_grows_too_much_but_for_short_messages() -> None:
    def inflate(size: int, ratio: int | None) -> bytes:
        return Inflater(ratio=ratio).inflate(Deflater(level=9).deflate(bytes(size)), True, ALL)

    assert len(inflate(64 * 1024, ratio=10)) == 64 * 1024
    with pytest.raises(ProtocolError, match="1009"):
        inflate(64 * 1024 + 1, ratio=10)
    assert len(inflate(1 << 20, ratio=1032)) == len(inflate(1 << 20, ratio=None)) == 1 << 20


def test_a_ratio_is_for_a_message_and_not_for_a_connection() -> None:
    inflater = Inflater(takeover=False, ratio=10)
    payload = Deflater(level=9).deflate(bytes(60_000))
    for _ in range(3):
        assert inflater.inflate(payload, True, ALL) == bytes(60_000)
    assert inflater.inflate(payload, False, ALL) == bytes(60_000)
    with pytest.raises(ProtocolError, match="1009"):
        inflater.inflate(TAIL + payload, True, ALL)


# Deflating


def test_hello_is_deflated_as_in_rfc_7692_7_2_3() -> None:
    deflater = Deflater(takeover=True, level=6)
    assert deflater.deflate(b"Hello") == bytes.fromhex("f2 48 cd c9 c9 07 00")
    assert deflater.deflate(b"Hello") == bytes.fromhex("f2 00 11 00 00")


def test_without_context_takeover_every_message_stands_alone() -> None:
    """So one frame serves all, and a new reader understands the second message."""
    deflater = Deflater(takeover=False)
    first, second = deflater.deflate(b"Hello" * 20), deflater.deflate(b"Hello" * 20)
    assert first == second
    assert Inflater().inflate(second, True, 100) == b"Hello" * 20


def test_an_empty_message_is_one_zero_octet() -> None:
    """RFC 7692 § 7.2.3.6, and again after another."""
    deflater = Deflater(takeover=True)
    assert [deflater.deflate(b"") for _ in range(2)] == [b"\x00", b"\x00"]


@given(
    st.lists(st.binary(max_size=2000), max_size=5),
    st.booleans(),
    st.integers(9, 15),
    st.integers(0, 9),
)
def test_what_is_deflated_can_be_inflated(
    messages: list[bytes], takeover: bool, window_bits: int, level: int
) -> None:
    deflater = Deflater(window_bits, takeover=takeover, level=level)
    inflater = Inflater(window_bits, takeover=takeover)
    for message in messages:
        payload = deflater.deflate(message)
        assert inflater.inflate(payload, True, len(message)) == message
