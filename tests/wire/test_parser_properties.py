"""The parser, whatever way the bytes come: properties over generated streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import antiphon.wire.parser
from antiphon.wire import Close, Deflater, Event, Inflater, Opcode, Parser, ParserLimits, Ping, Pong
from tests.wire.helpers import client_frame, run

SMALL = ParserLimits(frame=400, message=600, fragments=6)

payloads = st.binary(max_size=20) | st.integers(120, 300).map(lambda n: b"p" * n)
masks = st.binary(min_size=4, max_size=4)
#: Anything that has the shape of a frame, mostly right.
frames = st.builds(
    client_frame,
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 8, 9, 10, 11]),
    payloads,
    fin=st.sampled_from([True, True, False]),
    rsv=st.sampled_from([0] * 20 + [1, 4]),
    mask=st.one_of([masks] * 20 + [st.none()]),
)
streams = st.lists(frames, max_size=8).map(b"".join)

messages = st.text(max_size=40) | st.binary(max_size=300)
controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=125))


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces, empty ones included."""
    places = draw(st.lists(st.integers(0, len(data)), max_size=12).map(sorted))
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


@st.composite
def fragmented(draw: st.DrawFn, message: str | bytes) -> list[bytes]:
    """The frames of a message, cut anywhere."""
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    pieces = draw(cut(message.encode() if isinstance(message, str) else message))
    return [
        client_frame(opcode if i == 0 else 0, piece, fin=i == len(pieces) - 1, mask=draw(masks))
        for i, piece in enumerate(pieces)
    ]


@given(streams)
def test_every_split_in_two_gives_the_same_events_and_verdict(stream: bytes) -> None:
    whole = run(Parser(SMALL), [stream])
    for at in range(len(stream) + 1):
        assert run(Parser(SMALL), [stream[:at], stream[at:]]) == whole


@given(streams)
def test_byte_by_byte_gives_the_same_events_and_verdict(stream: bytes) -> None:
    single = [stream[at : at + 1] for at in range(len(stream))]
    assert run(Parser(SMALL), single) == run(Parser(SMALL), [stream])


@given(st.data(), streams, st.integers(1, 4))
def test_any_split_with_any_at_most_gives_the_same_events_and_verdict(
    data: st.DataObject, stream: bytes, at_most: int
) -> None:
    chunks = data.draw(cut(stream))
    assert run(Parser(SMALL), chunks, at_most) == run(Parser(SMALL), [stream])


@given(streams, st.integers(0, 3))
def test_at_most_is_never_exceeded(stream: bytes, at_most: int) -> None:
    parser = Parser(SMALL)
    _, code = run(Parser(SMALL), [stream])
    if code is None:
        assert len(parser.feed(stream, at_most)) <= at_most


@given(st.data(), st.lists(messages, min_size=1, max_size=4), st.lists(controls, max_size=4))
def test_any_fragmentation_with_any_interleaving_gives_the_same_messages_and_controls(
    data: st.DataObject, sent: list[str | bytes], interleaved: list[Ping | Pong]
) -> None:
    """RFC 6455 § 5.4: intermediaries may fragment at will, control frames go between."""
    parts = [part for message in sent for part in data.draw(fragmented(message))]
    places = data.draw(
        st.lists(st.integers(0, len(parts)), min_size=len(interleaved), max_size=len(interleaved)).map(sorted)
    )
    for place, control in reversed(list(zip(places, interleaved, strict=True))):
        opcode = Opcode.PING if isinstance(control, Ping) else Opcode.PONG
        parts.insert(place, client_frame(opcode, control.payload))
    events, code = run(Parser(), data.draw(cut(b"".join(parts))))
    assert code is None
    assert [event for event in events if isinstance(event, str | bytes)] == sent
    assert [event for event in events if isinstance(event, Ping | Pong)] == interleaved


@given(st.data(), st.lists(messages, min_size=1, max_size=4), st.integers(1, 64))
def test_deflated_messages_come_out_whole_however_they_are_cut(
    data: st.DataObject, sent: list[str | bytes], at_most: int
) -> None:
    """Into fragments, into reads, and by us into pieces, of which short messages have many here."""
    deflater = Deflater(takeover=True, level=data.draw(st.sampled_from([0, 1, 9])))
    parts = []
    for message in sent:
        opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        payload = deflater.deflate(message.encode() if isinstance(message, str) else message)
        payloads = data.draw(cut(payload))
        for at, each in enumerate(payloads):
            fin = at == len(payloads) - 1
            first = client_frame(opcode, each, fin=fin, rsv=4, mask=data.draw(masks))
            parts.append(client_frame(0, each, fin=fin, mask=data.draw(masks)) if at else first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(antiphon.wire.parser, "_PIECE", 4 * data.draw(st.integers(1, 8)))
        assert run(Parser(inflater=Inflater()), data.draw(cut(b"".join(parts))), at_most) == (sent, None)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_give_events_or_a_protocol_error(data: bytes) -> None:
    events, code = run(Parser(SMALL), [data])
    assert code in (None, 1002, 1007, 1009)
    assert all(isinstance(event, Event) for event in events)


@settings(max_examples=50)
@given(streams)
def test_nothing_follows_a_close(stream: bytes) -> None:
    events, _ = run(Parser(SMALL), [stream])
    assert not any(isinstance(event, Close) for event in events[:-1])
