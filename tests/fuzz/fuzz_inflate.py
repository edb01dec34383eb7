"""Any payloads: never more than there is room for, nothing but a ProtocolError."""

from __future__ import annotations

from fuzzing import fuzz

from antiphon.errors import ProtocolError
from antiphon.wire import Deflater, Inflater

ROOM = 5000


def target(data: bytes) -> None:
    if len(data) < 2:
        return
    options, cut, payload = data[0], data[1], data[2:]
    takeover = bool(options & 1)
    inflater = Inflater(8 + (options >> 1) % 8, takeover=takeover, ratio=10 if options & 64 else None)
    room = ROOM
    try:
        for part, fin in ((payload[:cut], False), (payload[cut:], True)):
            inflated = inflater.inflate(part, fin, room)
            room -= len(inflated)
            assert room >= 0
    except ProtocolError as error:
        if error.code not in (1002, 1009):
            raise AssertionError from error
    deflated = Deflater(takeover=takeover).deflate(payload)
    assert Inflater().inflate(deflated, True, len(payload)) == payload


if __name__ == "__main__":
    fuzz(target)
