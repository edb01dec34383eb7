"""Who of this process is present where, as the broker is told.

What comes and goes in one tick is told together. A connection that ends stays for its channel's grace, so
that a reload is no leave and join; when its user comes back meanwhile, it goes without a word. While the
broker cannot be reached, what it does not know yet is remembered: one entry for each connection and user.
"""

from __future__ import annotations

import asyncio
import logging

from antiphon.channels.broker import Broker
from antiphon.channels.members import Attendance
from antiphon.codec import encode_json
from antiphon.errors import BrokerUnavailable
from antiphon.subscription import Member

logger = logging.getLogger("antiphon")

#: Changes told to the broker together, at most.
TOGETHER = 500

#: A channel and a connection; a channel and a user.
Seat = tuple[str, str]
Person = tuple[str, str]


class Attending:
    """The presence of one process's connections.

    Args:
        broker: Who keeps the presence of all processes.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._here: dict[Seat, Attendance] = {}
        # Whose connections have ended and still count: the timers that end that.
        self._lingering: dict[Person, dict[Seat, asyncio.TimerHandle]] = {}
        # By their users too: of one connection that changes its user both have to be told.
        self._untold: dict[tuple[str, str, str], Attendance] = {}
        self._telling: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Attending {len(self._here)} here, {len(self._lingering)} lingering>"

    async def enter(self, channel: str, connection: str, member: Member) -> None:
        """Have a connection count as a member's, and wait until the broker knows.

        Raises:
            TypeError: The member's user is no text, or its info is not as JSON can hold it.
            BrokerUnavailable: The broker does not know yet; it is told as soon as it can be reached.
        """
        _check(channel, member)
        before = self._here.get((channel, connection))
        if before is not None and before.user != member.user:
            self._gone((channel, connection))
        attendance = Attendance(channel, connection, member.user, member.info)
        self._here[channel, connection] = attendance
        self._note(attendance)
        for seat in list(self._lingering.get((channel, member.user), ())):
            self._gone(seat)
        await asyncio.shield(self._tell())

    def leave(self, channel: str, connection: str, grace: float) -> None:
        """Have a connection count no more after a grace in seconds, or when its user comes back."""
        seat = (channel, connection)
        if seat not in self._here:
            return
        person = (channel, self._here[seat].user)
        if grace > 0:
            if seat in self._lingering.get(person, ()):
                return
            timer = asyncio.get_running_loop().call_later(grace, self._gone, seat)
            self._lingering.setdefault(person, {})[seat] = timer
        else:
            self._gone(seat)

    def say_again(self) -> None:
        """Tell the broker everything, for it may have forgotten."""
        for attendance in self._here.values():
            self._note(attendance)
        self.tell_rest()

    def tell_rest(self) -> None:
        """Tell the broker what it could not be told before."""
        if self._untold:
            self._tell()

    async def stop(self) -> None:
        """Tell what is untold, and forget everything; what is here stays as long as the broker's lease."""
        for timers in self._lingering.values():
            for timer in timers.values():
                timer.cancel()
        self._lingering.clear()
        self._here.clear()
        if self._telling is not None:
            await asyncio.wait([self._telling])
        self._untold.clear()

    def _gone(self, seat: Seat) -> None:
        was = self._here.pop(seat)
        person = (was.channel, was.user)
        if person in self._lingering and (timer := self._lingering[person].pop(seat, None)) is not None:
            timer.cancel()
            if not self._lingering[person]:
                del self._lingering[person]
        self._note(Attendance(was.channel, was.connection, was.user, was.info, present=False))
        self._tell()

    def _note(self, attendance: Attendance) -> None:
        place = (attendance.channel, attendance.connection, attendance.user)
        # The latest counts, and takes the latest's place in the order.
        self._untold.pop(place, None)
        self._untold[place] = attendance

    def _tell(self) -> asyncio.Task[None]:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.ensure_future(self._tell_all())
            self._telling.add_done_callback(self._told)
        return self._telling

    async def _tell_all(self) -> None:
        # What this tick notes besides goes along.
        await asyncio.sleep(0)
        while self._untold:
            part = list(self._untold.items())[:TOGETHER]
            await self._broker.attend([attendance for _, attendance in part])
            for place, attendance in part:
                if self._untold.get(place) is attendance:
                    del self._untold[place]

    def _told(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        # When the broker can be reached again, everything is said again.
        if error is not None and not isinstance(error, BrokerUnavailable):
            logger.error("who is present cannot be told", exc_info=error)


def _check(channel: str, member: object) -> None:
    """Refuse what no broker could be told: it would stand in the way of all that is told together with it."""
    try:
        if isinstance(member, Member) and isinstance(member.user, str):
            encode_json([member.user, member.info])
            return
    except (TypeError, ValueError) as error:
        raise TypeError(f"{member!r} cannot be a member of channel {channel!r}: {error}") from None
    raise TypeError(f"a member of channel {channel!r} is a Member whose user is text, not {member!r}")
