"""The same bytes to us, to `websockets` and to `wsproto`: the same events, the same verdict.

Where one of them differs on purpose, `differs` says so and why, and the generated streams leave that
case out for that peer only:

=========== ======================================== ================================================
peer        it                                       we
=========== ======================================== ================================================
websockets  takes lengths not in their shortest      refuse them: "the minimal number of bytes MUST
            form, and with the 64th bit set          be used" (RFC 6455 § 5.2)
websockets  refuses Close within a fragmented        take it: control frames "MAY be injected in the
            message                                  middle of a fragmented message" (§ 5.4)
websockets  judges RSV bits and control frames when  refuse with the first two bytes; the streams
            their payload is complete                here hold whole frames only
websockets  leaves UTF-8 of messages to the runtime  check it; the adapter here does as its runtime
                                                     does, fragment by fragment
websockets  looks at the size of a new message       refuse it as out of order, whatever its size
            within another before it looks at order
websockets  holds a control frame within a message   hold messages to it; a control frame has its
            to what is left of the message's limit   own 125 bytes (§ 5.5)
websockets  looks at the reason of a Close frame     looks at its code first: 1002, not 1007, when
            before its code                          both are wrong
wsproto     refuses close code 1014                  take it: registered with IANA since
wsproto     forgets, after a control frame within a  remember it: that is what RSV1 on the first
            deflated message, that it is deflated    frame alone is for (RFC 7692 § 6.1)
wsproto     inflates what is not DEFLATE data: 1007  1002: it is the framing that is broken, and
                                                     websockets agrees
=========== ======================================== ================================================
"""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass

import pytest
import wsproto.connection
import wsproto.events
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode as PeerOpcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate

from antiphon.wire import Close, Event, Inflater, Parser, ParserLimits, Ping, Pong, is_valid_code
from tests.wire.helpers import client_frame, run

Verdict = tuple[list[Event], int | None]

TAIL = b"\x00\x00\xff\xff"

MOST = 1000


@dataclass(frozen=True)
class Sent:
    """A frame, kept with what `differs` asks about it."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = True
    length_bytes: int | None = None

    @property
    def data(self) -> bytes:
        mask = b"\x01\x02\x03\x04" if self.masked else None
        return client_frame(
            self.opcode,
            self.payload,
            fin=self.fin,
            rsv=self.rsv,
            mask=mask,
            length_bytes=self.length_bytes,
        )


def ours(stream: bytes, inflater: Inflater | None = None) -> Verdict:
    return run(Parser(ParserLimits(message=MOST, frame=MOST), inflater), [stream])


def of_websockets(stream: bytes, *extensions: PerMessageDeflate) -> Verdict:
    protocol = ServerProtocol(state=OPEN, max_size=MOST)
    protocol.extensions = list(extensions)
    protocol.receive_data(stream)
    events: list[Event] = []
    decoder = None
    parts: list[str | bytes] = []
    for frame in protocol.events_received():
        data = bytes(frame.data)
        if frame.opcode is PeerOpcode.PING:
            events.append(Ping(data))
        elif frame.opcode is PeerOpcode.PONG:
            events.append(Pong(data))
        elif frame.opcode is PeerOpcode.CLOSE:
            assert protocol.close_rcvd is not None
            events.append(Close(protocol.close_rcvd.code, protocol.close_rcvd.reason))
        else:
            if frame.opcode is PeerOpcode.TEXT:
                decoder = codecs.getincrementaldecoder("utf-8")()
            try:
                parts.append(decoder.decode(data, frame.fin) if decoder else data)
            except UnicodeDecodeError:
                return events, 1007
            if frame.fin:
                events.append("".join(parts) if decoder else b"".join(parts))
                decoder, parts = None, []
    if protocol.parser_exc is None:
        return events, None
    if isinstance(protocol.parser_exc, UnicodeDecodeError):
        return events, 1007
    return events, 1009 if isinstance(protocol.parser_exc, PayloadTooBig) else 1002


def of_wsproto(stream: bytes, *extensions: WsprotoDeflate) -> Verdict:
    connection = wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER, list(extensions))
    connection.receive_data(stream)
    events: list[Event] = []
    parts: list[str | bytes] = []
    for event in connection.events():
        match event:
            case wsproto.events.Ping():
                events.append(Ping(bytes(event.payload)))
            case wsproto.events.Pong():
                events.append(Pong(bytes(event.payload)))
            case wsproto.events.CloseConnection():
                if connection.state is wsproto.connection.ConnectionState.OPEN:
                    return events, int(event.code)
                events.append(Close(int(event.code), event.reason or ""))
            case wsproto.events.Message():
                parts.append(event.data)
                if event.message_finished:
                    text = isinstance(event, wsproto.events.TextMessage)
                    events.append("".join(parts) if text else b"".join(parts))
                    parts = []
    return events, None


def doubly_wrong(payload: bytes) -> bool:
    """Whether the payload of a Close frame has a code and a reason that are both wrong."""
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return not is_valid_code(int.from_bytes(payload[:2], "big"))
    return False


def differs(frames: list[Sent], peer: str) -> bool:
    """Whether a stream holds what the table above lists for that peer."""
    within = False
    size = 0
    for frame in frames:
        if peer == "websockets":
            size = len(frame.payload) + (size if within else 0) if frame.opcode < 8 else size
            if frame.opcode in (1, 2) and within and size > MOST:
                return True
            if frame.opcode in (8, 9, 10) and within and size + len(frame.payload) > MOST:
                return True
            shortest = 0 if len(frame.payload) < 126 else 2
            if frame.length_bytes not in (None, shortest):
                return True
            if frame.opcode == 8 and (within or doubly_wrong(frame.payload)):
                return True
        if peer == "wsproto" and frame.opcode == 8 and frame.payload[:2] == b"\x03\xf6":  # 1014
            return True
        if frame.opcode < 8:
            within = not frame.fin
    return False


close_payloads = st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason,
    st.integers(990, 1020) | st.integers(2990, 5010),
    st.sampled_from([b"", b"bye", "é".encode(), b"\xff"]),
)
payloads = st.text(max_size=10).map(str.encode) | st.binary(max_size=10) | close_payloads
frames = st.builds(
    Sent,
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 8, 9, 10, 3, 15]),
    payloads | st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 700]),
    fin=st.sampled_from([True, True, False]),
    rsv=st.sampled_from([0] * 30 + [1, 2, 4]),
    masked=st.sampled_from([True] * 30 + [False]),
)
streams = st.lists(frames, max_size=8)


@given(streams)
def test_websockets_agrees(sent: list[Sent]) -> None:
    if not differs(sent, "websockets"):
        stream = b"".join(frame.data for frame in sent)
        assert ours(stream) == of_websockets(stream)


def test_control_frames_have_a_limit_of_their_own() -> None:
    """A message nearly as large as it may be leaves room for a ping; a ping of 126 bytes is broken."""
    begun = Sent(2, b"x" * (MOST - 1), fin=False)
    for payload, verdict in (
        (b"?" * 125, ([Ping(b"?" * 125), begun.payload + b"y"], None)),
        (b"?" * 126, ([], 1002)),
    ):
        sent = [begun, Sent(9, payload), Sent(0, b"y")]
        assert differs(sent, "websockets")
        assert ours(b"".join(frame.data for frame in sent)) == verdict


@given(streams)
def test_wsproto_agrees(sent: list[Sent]) -> None:
    stream = b"".join(frame.data for frame in sent)
    verdict = ours(stream)
    # It has no limits of size.
    if not differs(sent, "wsproto") and verdict[1] != 1009:
        assert verdict == of_wsproto(stream)


def deflated(messages: list[bytes], between: list[Sent]) -> bytes:
    """Each message deflated in two frames, with others between them, all with one context."""
    encoder = zlib.compressobj(wbits=-15)
    sent = []
    for message in messages:
        data = encoder.compress(message) + encoder.flush(zlib.Z_SYNC_FLUSH)
        data = data[: -len(TAIL)]
        half = len(data) // 2
        sent += [Sent(2, data[:half], fin=False, rsv=4), *between, Sent(0, data[half:])]
    return b"".join(frame.data for frame in sent)


def wsproto_deflate() -> WsprotoDeflate:
    """The extension of `wsproto` as it is after a handshake."""
    extension = WsprotoDeflate()
    extension.finalize("permessage-deflate")
    return extension


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_all_inflate_alike(messages: list[bytes]) -> None:
    """With context takeover, where a mistake in one message shows in the next."""
    stream = deflated(messages, [])
    assert ours(stream, Inflater()) == (messages, None)
    assert of_websockets(stream, PerMessageDeflate(False, False, 15, 15)) == (messages, None)
    assert of_wsproto(stream, wsproto_deflate()) == (messages, None)


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_websockets_inflates_alike_with_control_frames_between(messages: list[bytes]) -> None:
    stream = deflated(messages, [Sent(9, b"?")])
    verdict = ours(stream, Inflater())
    assert verdict == of_websockets(stream, PerMessageDeflate(False, False, 15, 15))
    assert [event for event in verdict[0] if isinstance(event, bytes)] == messages


#: Each row of the table, shown to be true.
DIFFERENCES = {
    "length not in its shortest form": (
        "websockets",
        [Sent(2, b"x", length_bytes=2)],
        ([], 1002),
        ([b"x"], None),
    ),
    "close within a message": (
        "websockets",
        [Sent(1, b"x", fin=False), Sent(8, b"")],
        ([Close(1005)], None),
        ([], 1002),
    ),
    "close code 1014": (
        "wsproto",
        [Sent(8, (1014).to_bytes(2, "big"))],
        ([Close(1014)], None),
        ([], 1002),
    ),
}


@pytest.mark.parametrize(("peer", "sent", "we", "it"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_as_the_table_says(peer: str, sent: list[Sent], we: Verdict, it: Verdict) -> None:
    stream = b"".join(frame.data for frame in sent)
    assert ours(stream) == we
    assert (of_websockets if peer == "websockets" else of_wsproto)(stream) == it
    assert differs(sent, peer)


def test_what_is_not_deflate_data_is_1002_as_websockets_has_it_and_1007_for_wsproto() -> None:
    stream = Sent(2, b"\xff\xff", rsv=4).data
    assert ours(stream, Inflater()) == ([], 1002)
    assert of_websockets(stream, PerMessageDeflate(False, False, 15, 15)) == ([], 1002)
    assert of_wsproto(stream, wsproto_deflate()) == ([], 1007)


def test_wsproto_forgets_that_a_message_is_deflated_when_it_is_interrupted() -> None:
    stream = deflated([b"Hello"], [Sent(9, b"?")])
    assert ours(stream, Inflater()) == ([Ping(b"?"), b"Hello"], None)
    assert of_wsproto(stream, wsproto_deflate())[0] != [Ping(b"?"), b"Hello"]
