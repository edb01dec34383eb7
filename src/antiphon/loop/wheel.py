"""One timer for all connections of an event loop.

Keepalive and idle deadlines need no precision: a second is plenty. So connections stand in the slots of a
wheel, and one timer turns it; a connection costs a place in a set, and no timer of its own. An empty
wheel does not turn.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from antiphon.loop.each import ForEachLoop

TICK = 1.0


class Turning(Protocol):
    """What stands on a wheel.

    Attributes:
        slot: Where it stands; None when it stands nowhere. The wheel's to write.
    """

    slot: int | None

    def turn(self) -> float | None:
        """It is time; return the seconds until the next time, or None to leave the wheel."""


class Wheel:
    """The deadlines of one event loop, to the second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Turning]] = {}
        self._now = 0
        self._standing = 0
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Wheel with {self._standing} on it>"

    @property
    def now(self) -> float:
        """Seconds that the wheel has turned; to measure with only while standing on it."""
        return self._now * TICK

    def add(self, member: Turning, delay: float) -> None:
        """Have a member's turn come after a delay in seconds, or up to a tick later."""
        # One more tick than the delay has, since the current one has begun already.
        self._put(member, math.ceil(delay / TICK) + (self._timer is not None))
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def remove(self, member: Turning) -> None:
        """Take a member off the wheel, if it is on it."""
        slot, member.slot = member.slot, None
        if slot is None:
            return
        self._standing -= 1
        members = self._slots[slot]
        members.discard(member)
        if not members:
            del self._slots[slot]

    def _put(self, member: Turning, ticks: int) -> None:
        member.slot = self._now + ticks
        self._slots.setdefault(member.slot, set()).add(member)
        self._standing += 1

    def _tick(self) -> None:
        self._now += 1
        self._timer = self._loop.call_later(TICK, self._tick)
        members = self._slots.get(self._now, set())
        # One at a time: a turn may take others off the wheel.
        while members:
            member = members.pop()
            member.slot = None
            self._standing -= 1
            try:
                delay = member.turn()
            # The others have their turn all the same.
            except Exception as error:
                self._loop.call_exception_handler({"message": f"{member!r} failed", "exception": error})
                continue
            if delay is not None:
                self._put(member, max(1, math.ceil(delay / TICK)))
        self._slots.pop(self._now, None)
        if not self._standing:
            self._timer.cancel()
            self._timer = None


#: The wheel of an event loop.
wheel_of = ForEachLoop(Wheel)
