"""What is broadcast while a test looks on: recorded, sent nowhere, and asked about.

While a fake is active it stands in for every driver of the process, whichever facade is used.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers import Driver, Failures
from antiphon.broadcast.events import BroadcastEvent
from antiphon.broadcast.lane import Lane
from antiphon.broadcast.settings import Settings

_ANY: Any = object()

What = str | type[BroadcastEvent]


@dataclass(frozen=True, slots=True)
class Sent:
    """One recorded message.

    Attributes:
        delivery: What was to be sent.
        source: The event object it came from, if it came from one.
    """

    delivery: Delivery
    source: BroadcastEvent | None = None

    def __str__(self) -> str:
        each = self.delivery
        return f"{each.event!r} on {', '.join(each.channels)}: {each.message!r}"


class FakeDriver(Driver):
    """Records what is sent."""

    needs_settings = False
    blocking = False

    def __init__(self) -> None:
        super().__init__(Settings("fake"))
        self.deliveries: list[Delivery] = []

    def send(self, delivery: Delivery) -> Failures:
        self.deliveries.append(delivery)
        return {}


class Fake:
    """Records what is broadcast within its block: ``with Broadcast.fake() as sent: ...``."""

    def __init__(self) -> None:
        self._driver = FakeDriver()
        self.lane = Lane(self._driver)
        self._sources: dict[int, BroadcastEvent] = {}

    def __repr__(self) -> str:
        return f"<Fake with {len(self.messages)} messages>"

    def __enter__(self) -> Fake:
        with _lock:
            _active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _lock:
            _active.remove(self)

    @property
    def messages(self) -> Sequence[Sent]:
        """What was broadcast, in order."""
        return [Sent(each, self._sources.get(id(each))) for each in self._driver.deliveries]

    def note(self, delivery: Delivery, source: BroadcastEvent) -> None:
        """Remember which event object a delivery was made of."""
        self._sources[id(delivery)] = source

    def assert_sent(
        self, what: What, message: Any = _ANY, *, event: str | None = None, times: int | None = None
    ) -> None:
        """Fail unless it was broadcast.

        Args:
            what: A channel's name, or an event class.
            message: The message; any, if not given.
            event: The event's name; any, if not given.
            times: How often; at least once, if not given.

        Raises:
            AssertionError: It was not, with what was.
        """
        found = len(self._matching(what, message, event))
        if found != times and (times is not None or not found):
            wanted = "at least once" if times is None else f"{times} times"
            raise AssertionError(
                f"{_described(what, message, event)} was broadcast {found} times, not {wanted}; {self._all()}"
            )

    def assert_not_sent(self, what: What, message: Any = _ANY, *, event: str | None = None) -> None:
        """Fail if it was broadcast; as ``assert_sent``."""
        self.assert_sent(what, message, event=event, times=0)

    def assert_nothing_sent(self) -> None:
        """Fail if anything was broadcast.

        Raises:
            AssertionError: Something was, and what.
        """
        if self.messages:
            raise AssertionError(self._all())

    def _matching(self, what: What, message: Any, event: str | None) -> list[Sent]:
        return [
            each
            for each in self.messages
            if (what in each.delivery.channels if isinstance(what, str) else isinstance(each.source, what))
            and (message is _ANY or each.delivery.message == message)
            and (event is None or each.delivery.event == event)
        ]

    def _all(self) -> str:
        return "broadcast were: " + ("; ".join(map(str, self.messages)) or "none")


def active() -> Fake | None:
    """The fake that stands in for all drivers now, if there is one."""
    return _active[-1] if _active else None


def _described(what: What, message: Any, event: str | None) -> str:
    parts = [what if isinstance(what, str) else what.__name__]
    if event is not None:
        parts.append(f"event {event!r}")
    if message is not _ANY:
        parts.append(f"message {message!r}")
    return ", ".join(parts)


_active: list[Fake] = []
_lock = threading.Lock()
