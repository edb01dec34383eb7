"""Looking after an open connection, once in a while: pings, and giving up what stays silent or unfinished.

All of it happens when the timer wheel comes round, on notes that the connection takes anyway; a message
costs nothing for it. Therefore a deadline may pass by as much as the time between two looks.
"""

from __future__ import annotations

import math
from typing import Protocol

from antiphon.connection.transports.guard import Guard
from antiphon.errors import ProtocolError
from antiphon.limits import Timeouts
from antiphon.loop import Wheel
from antiphon.wire import CloseCode


class Watched(Protocol):
    """A connection to look after.

    Attributes:
        heard: Whether the peer gave a sign of life since this was last set to False.
    """

    heard: bool

    @property
    def open(self) -> bool:
        """Whether neither side has closed."""

    @property
    def reading(self) -> bool:
        """Whether what the peer sends is read; otherwise it cannot be heard."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to take them."""

    @property
    def unfinished(self) -> object | None:
        """What stands for the message that has begun and is not complete, if there is one."""

    def ping(self) -> None:
        """Ask the peer for a sign of life, unless it has enough to read."""

    def fail(self, error: ProtocolError) -> None:
        """End the connection."""


class Watch:
    """Looks after one connection, from its handshake until it closes.

    Args:
        connection: The connection.
        timeouts: How long to wait.
        wheel: What says when to look.
        guard: Who notes the peer's messages; needed for ``Timeouts.idle``.
    """

    __slots__ = (
        "_asked",
        "_begun",
        "_connection",
        "_guard",
        "_pinged",
        "_said",
        "_timeouts",
        "_unfinished",
        "_unsent",
        "_wheel",
        "slot",
    )

    def __init__(self, connection: Watched, timeouts: Timeouts, wheel: Wheel, guard: Guard | None) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._wheel = wheel
        self._guard = guard
        # When, in the wheel's time: a message came, a ping was sent.
        self._said = self._pinged = wheel.now
        # The ping since which nothing was heard, of those that could have been answered.
        self._asked: float | None = None
        # What waited for the peer at the last look.
        self._unsent = 0
        # The message that was incomplete at the last look, and when it was first seen so.
        self._unfinished: object | None = None
        self._begun = wheel.now
        self.slot: int | None = None
        wheel.add(self, self._due(wheel.now) - wheel.now)

    def __repr__(self) -> str:
        return f"<Watch over {self._connection!r}>"

    def stop(self) -> None:
        """Look no more."""
        self._wheel.remove(self)

    def turn(self) -> float | None:
        """Look what has happened since the last time; return the seconds until the next."""
        connection = self._connection
        if not connection.open:
            return None
        now = self._wheel.now
        try:
            return self._due(now) - now
        except ProtocolError as error:
            connection.fail(error)
            return None

    def _due(self, now: float) -> float:
        """Do what is due; return when something may be due again."""
        return min(self._keep_alive(now), self._see_through(now), self._find_idle(now))

    # Whoever is held back cannot be heard, and is not to blame: hence `reading` in each of these.

    def _keep_alive(self, now: float) -> float:
        interval, connection = self._timeouts.ping_interval, self._connection
        if interval is None:
            return math.inf
        # Who takes a part of what waits is there, though there is no room for a ping yet.
        unsent, before = connection.unsent, self._unsent
        self._unsent = unsent
        if connection.heard or unsent < before or not connection.reading:
            connection.heard = False
            self._asked = None
        elif self._asked is not None and now - self._asked >= self._timeouts.ping:
            raise ProtocolError(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        due = self._pinged + interval
        if now >= due:
            connection.ping()
            self._pinged = now
            due = now + interval
            if self._asked is None and connection.reading:
                self._asked = now
        return due if self._asked is None else min(due, self._asked + self._timeouts.ping)

    def _see_through(self, now: float) -> float:
        connection = self._connection
        unfinished = connection.unfinished
        if unfinished is not self._unfinished or not connection.reading:
            self._unfinished = unfinished
            self._begun = now
        elif unfinished is not None and now - self._begun >= self._timeouts.message:
            raise ProtocolError(CloseCode.POLICY_VIOLATION, "a message took too long")
        return (now if unfinished is None else self._begun) + self._timeouts.message

    def _find_idle(self, now: float) -> float:
        idle, guard = self._timeouts.idle, self._guard
        if idle is None:
            return math.inf
        if guard is not None and (guard.heard or not self._connection.reading):
            guard.heard = False
            self._said = now
        elif now - self._said >= idle:
            raise ProtocolError(CloseCode.GOING_AWAY, "no message for too long")
        return self._said + idle
