"""What is found in Redis, as publications.

On the bus, by its first character:

* a digit: a publication with a position, ``previous offset.epoch packed``
* ``+`` or ``-``: a join or a leave, ``+time [user, info]``, with the time in microseconds since 1970
* otherwise a publication without a position, as `packing` makes it

In the history: ``time packed``, with the time in milliseconds; offsets follow from the place.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.brokers.packing import unpack
from antiphon.channels import Page, Position, Publication, joined, left, shown_channel

_JOIN, _LEAVE = ord("+"), ord("-")
_ZERO, _NINE = ord("0"), ord("9")


def position_of(text: bytes) -> Position | None:
    """Read a position; None for the empty text."""
    if not text:
        return None
    offset, _, epoch = text.decode().partition(".")
    return Position(int(offset), epoch)


def heard(channel: str, message: bytes) -> Publication:
    """The publication that came over the bus.

    Raises:
        ValueError: It is no publication.
    """
    first = message[0] if message else 0
    if _ZERO <= first <= _NINE:
        previous, position, packed = message.split(b" ", 2)
        return unpack(channel, packed, position_of(position), int(previous))
    if first in (_JOIN, _LEAVE):
        time, _, member = message[1:].partition(b" ")
        user, info = msgspec.json.decode(member, type=tuple[str, Any])
        return (joined if first == _JOIN else left)(shown_channel(channel), user, info, int(time) / 1_000_000)
    return unpack(channel, message)


def page_of(channel: str, reply: list[Any]) -> Page:
    """The page that history.lua read.

    Raises:
        ValueError: Something else than publications is kept there.
    """
    epoch, top, jump, before = reply[0].decode(), *map(int, reply[1:4])
    complete, after, entries = reply[4:]

    def offset_at(after: int) -> int:
        """The offset of the publication after which so many come."""
        since_jump = top - jump + 1
        return top - after if after < since_jump else before - (after - since_jump)

    publications = []
    for number, entry in enumerate(entries):
        offset = offset_at(after - number)
        previous = before if offset == jump else offset - 1
        _, space, packed = entry.partition(b" ")
        if not space:
            raise ValueError("no entry of a history")
        publications.append(unpack(channel, packed, Position(offset, epoch), previous))
    return Page(tuple(publications), Position(top, epoch), complete == 1)
