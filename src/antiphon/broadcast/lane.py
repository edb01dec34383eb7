"""One driver at work: sending at once, and in the background.

What is sent in the background waits in a queue that is bounded in bytes; when it is full the next one is
refused with ``QueueFull``. One thread sends it in order, several in a request where the service takes
that, and ends when there is nothing to do. It is a daemon: whoever ends calls ``drain`` first, which says
how much is left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import ClassVar

from antiphon.broadcast.delivery import Delivery, Failure
from antiphon.broadcast.drivers import Driver, Failures
from antiphon.errors import QueueFull

logger = logging.getLogger("antiphon.broadcast")

#: Bytes that may wait for one driver.
MOST_WAITING = 16 * 1024 * 1024
#: Seconds that a thread with nothing to do stays.
IDLE = 5.0
#: Deliveries that are handed to a driver at once.
TOGETHER = 10


class Lane:
    """A driver, and what waits for it.

    Args:
        driver: The driver.
        most: Bytes that may wait for it.

    Attributes:
        driver: Likewise.
        ended: Whether the interpreter has waited for what is sent in the background, and will not again.
    """

    ended: ClassVar[bool] = False

    def __init__(self, driver: Driver, most: int = MOST_WAITING) -> None:
        self.driver = driver
        self._most = most
        self._queue: deque[Delivery] = deque()
        self._bytes = 0
        self._busy = 0
        self._sent = 0
        self._failed = 0
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"<Lane of {self.driver!r}, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """Deliveries that are not sent yet."""
        return len(self._queue) + self._busy

    def statistics(self) -> dict[str, int]:
        """How many deliveries wait in the background, were sent there, and failed there."""
        return {"waiting": self.waiting, "sent": self._sent, "failed": self._failed}

    def send(self, delivery: Delivery) -> tuple[Failure, ...]:
        """Send here and now."""
        return self._failures(delivery, self.driver.attempt(delivery))

    async def publish(self, delivery: Delivery) -> tuple[Failure, ...]:
        """Send without blocking the event loop."""
        try:
            outcome: Failures | Exception = await self.driver.publish(delivery)
        except Exception as error:
            outcome = error
        return self._failures(delivery, outcome)

    def later(self, delivery: Delivery) -> None:
        """Send in the background; failures are logged.

        Raises:
            QueueFull: Too much waits already.
        """
        if not self.driver.blocking or Lane.ended:
            self._conclude([delivery], [self.driver.attempt(delivery)])
            return
        with self._changed:
            if self._queue and self._bytes + delivery.size > self._most:
                raise QueueFull(
                    f"{len(self._queue)} messages wait for the driver {self.driver.name!r}, as much as may "
                    f"({self._most} bytes); this one is not sent. Is the service slow or gone?"
                )
            self._queue.append(delivery)
            self._bytes += delivery.size
            self._changed.notify_all()
            sends = self._thread is not None or self._start()
        if not sends:
            self._send_next()

    def queue(self, delivery: Delivery) -> tuple[Failure, ...]:
        """Send in the background, or say that too much waits already."""
        try:
            self.later(delivery)
        except QueueFull as error:
            return self._failures(delivery, error)
        return ()

    def drain(self, deadline: float) -> int:
        """Wait until nothing waits any more; give up what does.

        Args:
            deadline: When to give up, by ``time.monotonic``.

        Returns:
            Deliveries that are not sent, or not known to be.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self.waiting, max(0.0, deadline - time.monotonic()))
            left = self.waiting
            self._queue.clear()
            self._bytes = 0
            self._changed.notify_all()
        return left

    def _start(self) -> bool:
        """Start the thread; False where none can be started any more, since the interpreter ends."""
        thread = threading.Thread(
            target=self._work, name=f"antiphon broadcast {self.driver.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._queue, IDLE):
                    self._thread = None
                    return
            self._send_next()

    def _send_next(self) -> None:
        with self._changed:
            run = [self._queue.popleft() for _ in range(min(TOGETHER, len(self._queue)))]
            self._bytes -= sum(each.size for each in run)
            self._busy += len(run)
        try:
            outcomes = list(self.driver.send_many(run))
            if len(outcomes) != len(run):
                raise TypeError(f"{self.driver!r} returns {len(outcomes)} outcomes of {len(run)} messages")
        # A driver that breaks its promise must not end the thread that sends for everybody.
        except Exception as error:
            outcomes = [error] * len(run)
        self._conclude(run, outcomes)
        with self._changed:
            self._busy -= len(run)
            self._changed.notify_all()

    def _conclude(self, run: list[Delivery], outcomes: list[Failures | Exception]) -> None:
        for delivery, outcome in zip(run, outcomes, strict=True):
            failures = self._failures(delivery, outcome)
            self._failed += bool(failures)
            self._sent += not failures
            for each in failures:
                logger.error("not sent: %s", each)

    def _failures(self, delivery: Delivery, outcome: Failures | Exception) -> tuple[Failure, ...]:
        if not isinstance(outcome, Mapping):
            outcome = dict.fromkeys(delivery.channels, outcome)
        return tuple(Failure(self.driver.name, channel, error) for channel, error in outcome.items())
