"""The drivers in use, each made once, with its lane; shared by all facades of one configuration.

After a fork the child begins with none: what was open belongs to the parent, and so does what waited.
When the interpreter ends, what waits is sent first.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from typing import Any

from antiphon.broadcast.config import Choice, Config
from antiphon.broadcast.drivers import Driver
from antiphon.broadcast.lane import Lane
from antiphon.broadcast.settings import OpenChannel, Settings
from antiphon.loop import WorkerThreads

logger = logging.getLogger("antiphon.broadcast")

Changes = tuple[tuple[str, Any], ...]

#: Calls to blocking drivers that coroutines may have at the same time.
THREADS = 16
#: Seconds that the end of the interpreter is put off for what waits.
LAST = 5.0


class Pool:
    """Makes drivers when they are first needed, and keeps them.

    Args:
        config: What they are made of.
        channels: Opens a channel of the application around; None outside of one.
    """

    def __init__(self, config: Config, channels: OpenChannel | None = None) -> None:
        self.config = config
        self._channels = channels
        self._lanes: dict[tuple[Choice, Changes], Lane] = {}
        self._made: dict[tuple[str, type[Driver], Changes], Lane] = {}
        self.forget()
        _pools.add(self)

    def __repr__(self) -> str:
        return f"<Pool {self.lanes!r}>"

    def inside(self, channels: OpenChannel) -> Pool:
        """The same drivers, made anew in an application."""
        return Pool(self.config, channels)

    def lane(self, choice: Choice, changes: Changes = ()) -> Lane:
        """The lane of a driver.

        Args:
            choice: Its name or class.
            changes: Settings of it that shall be other than configured.

        Raises:
            DriverNotFound: No driver has that name.
            ConfigurationError: A setting of it is missing or wrong.
        """
        lane = self._lanes.get((choice, changes))
        if lane is None:
            with self._lock:
                lane = self._lanes.get((choice, changes)) or self._make(choice, changes)
        return lane

    @property
    def lanes(self) -> list[Lane]:
        """Those there are."""
        return list(self._made.values())

    def close(self, timeout: float) -> int:
        """Send what waits, then let go of everything; the next use begins anew.

        Args:
            timeout: Seconds to wait.

        Returns:
            Deliveries that were not sent.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            lanes, self._lanes, self._made = self.lanes, {}, {}
        unsent = 0
        for lane in lanes:
            left = lane.drain(deadline)
            if left:
                logger.error(
                    "%d messages were not sent by the driver %r within %g s", left, lane.driver.name, timeout
                )
            unsent += left
            try:
                lane.driver.close()
            except Exception:
                logger.exception("%r failed to close", lane.driver)
        return unsent

    def forget(self) -> None:
        """Begin with nothing, as a process does that was forked."""
        # Locks too: another thread may have held one at the fork.
        self._lock = threading.Lock()
        self._lanes, self._made = {}, {}
        self._threads = WorkerThreads(THREADS)

    def _make(self, choice: Choice, changes: Changes) -> Lane:
        key, cls, values = self.config.settings(choice)
        # It may be there under another of its names: 'Ably' and 'ably', or its class.
        identity = (key, cls, changes)
        lane = self._made.get(identity)
        if lane is None:
            values = {**values, **dict(changes)}
            settings = Settings(key, values, channels=self._channels, threads=self._threads)
            lane = self._made[identity] = Lane(cls(settings))
        self._lanes[choice, changes] = lane
        return lane


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


def _close_all() -> None:
    Lane.ended = True
    for pool in list(_pools):
        pool.close(LAST)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
