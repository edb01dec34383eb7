"""Any bytes, cut anywhere: the same events and the same verdict, nothing but a ProtocolError."""

from __future__ import annotations

from fuzzing import fuzz

import antiphon.wire.parser
from antiphon.errors import ProtocolError
from antiphon.wire import Event, Inflater, Parser, ParserLimits

LIMITS = ParserLimits(frame=1000, message=2000, fragments=5)


def verdict(chunks: list[bytes], deflate: bool) -> tuple[list[Event], int | None]:
    parser = Parser(LIMITS, Inflater() if deflate else None)
    events: list[Event] = []
    try:
        for chunk in chunks:
            events += parser.feed(chunk)
            while parser.more:
                events += parser.feed(b"")
    except ProtocolError as error:
        if error.code not in (1002, 1007, 1009):
            raise AssertionError from error
        return events, error.code
    return events, None


def target(data: bytes) -> None:
    if len(data) < 2:
        return
    options, cut, stream = data[0], data[1], data[2:]
    deflate = bool(options & 1)
    whole = verdict([stream], deflate)
    assert verdict([stream[:cut], stream[cut:]], deflate) == whole
    assert verdict([stream[i : i + 1] for i in range(len(stream))], deflate) == whole
    assert all(len(event) <= LIMITS.message for event in whole[0] if isinstance(event, str | bytes))


if __name__ == "__main__":
    # Short inputs are to be inflated in several pieces, too.
    antiphon.wire.parser._PIECE = 16
    fuzz(target)
