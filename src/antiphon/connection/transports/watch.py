"""Looking after an open connection, once in a while: pings, and giving up what stays silent or unfinished.

All of it happens when the timer wheel comes round, on notes that the connection takes anyway; a message
costs nothing for it. Therefore a deadline may pass by as much as the time between two looks.
"""

from __future__ import annotations

from typing import Protocol

from antiphon.connection.transports.guard import Guard
from antiphon.errors import ProtocolError
from antiphon.limits import Timeouts
from antiphon.loop import Wheel
from antiphon.wire import CloseCode


class Watched(Protocol):
    """A connection to look after.

    Attributes:
        heard: Whether something came since this was last set to False.
    """

    heard: bool

    @property
    def open(self) -> bool:
        """Whether neither side has closed."""

    @property
    def reading(self) -> bool:
        """Whether what the peer sends is read; otherwise it cannot be heard."""

    @property
    def unfinished(self) -> object | None:
        """What stands for the message that has begun and is not complete, if there is one."""

    def ping(self) -> None:
        """Ask the peer for a sign of life."""

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
        # The message that was incomplete at the last look, and when it was first seen so.
        self._unfinished: object | None = None
        self._begun = wheel.now
        self.slot: int | None = None
        wheel.add(self, self._next(wheel.now))

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
        self._note(now)
        try:
            self._keep_alive(now)
            self._see_through(now)
            self._find_idle(now)
        except ProtocolError as error:
            connection.fail(error)
            return None
        return self._next(now)

    def _note(self, now: float) -> None:
        connection = self._connection
        # Whoever is held back cannot be heard, and is not to blame.
        if connection.heard or not connection.reading:
            connection.heard = False
            self._asked = None
        unfinished = connection.unfinished
        if unfinished is not self._unfinished or not connection.reading:
            self._unfinished = unfinished
            self._begun = now
        if self._guard is not None and (self._guard.heard or not connection.reading):
            self._guard.heard = False
            self._said = now

    def _keep_alive(self, now: float) -> None:
        interval = self._timeouts.ping_interval
        if interval is None:
            return
        if self._asked is not None and now - self._asked >= self._timeouts.ping:
            raise ProtocolError(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        if now - self._pinged >= interval:
            self._pinged = now
            self._connection.ping()
            if self._asked is None and self._connection.reading:
                self._asked = now

    def _see_through(self, now: float) -> None:
        if self._unfinished is not None and now - self._begun >= self._timeouts.message:
            raise ProtocolError(CloseCode.POLICY_VIOLATION, "a message took too long")

    def _find_idle(self, now: float) -> None:
        idle = self._timeouts.idle
        if idle is not None and now - self._said >= idle:
            raise ProtocolError(CloseCode.GOING_AWAY, "no message for too long")

    def _next(self, now: float) -> float:
        """Seconds until something may be due."""
        timeouts = self._timeouts
        due = self._begun + timeouts.message if self._unfinished is not None else now + timeouts.message
        if timeouts.ping_interval is not None:
            due = min(due, self._pinged + timeouts.ping_interval)
            if self._asked is not None:
                due = min(due, self._asked + timeouts.ping)
        if timeouts.idle is not None:
            due = min(due, self._said + timeouts.idle)
        return due - now
