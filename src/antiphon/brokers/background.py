"""A broker on an event loop in a thread of its own, for programs that have no event loop, or several.

The thread is a daemon and begins with the first call. Calls are taken in the order in which they come; each
has a deadline, so whoever waits for it waits no longer. It belongs to the process that made it: threads and
connections do not survive a fork.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from antiphon.brokers.outside import rules_of
from antiphon.channels import Broker, Definitions, Publication
from antiphon.errors import BrokerUnavailable

T = TypeVar("T")

#: Begins something at the broker when it is called; awaiting the result waits for it.
Work = Callable[[Broker, Definitions], Awaitable[T]]

#: Seconds for which it is taken as known what channels are like.
FRESH = 5.0


class Background:
    """A broker in the background.

    Args:
        broker: It has not been started.
        timeout: Seconds that a call may take.
    """

    def __init__(self, broker: Broker, timeout: float) -> None:
        self._broker = broker
        self._timeout = timeout
        self._beginning = threading.Lock()
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._turn: asyncio.Lock
        self._starting: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[Any]] = set()
        self._definitions = Definitions()
        self._known_until = 0.0

    def __repr__(self) -> str:
        return f"<Background of {self._broker!r}, {len(self._working)} calls>"

    def submit(self, work: Work[T]) -> Future[T]:
        """Have something done in the background, from any thread.

        Returns:
            Its outcome; what it raises is of Antiphon: ``BrokerUnavailable`` when the time is over.

        Raises:
            BrokerUnavailable: It has been stopped, or the interpreter is ending.
        """
        self._begin()
        task = self._do(work)
        try:
            return asyncio.run_coroutine_threadsafe(task, self._loop)
        except RuntimeError as error:
            task.close()
            raise BrokerUnavailable(f"{self._broker!r} has been closed: {error}") from error

    def stop(self) -> None:
        """Wait until what was submitted is done, and let go of the broker."""
        with self._beginning:
            thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._begun.wait(self._timeout)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        # All calls in progress have a deadline; what is left is closing a connection.
        thread.join(2 * self._timeout)

    def _begin(self) -> None:
        with self._beginning:
            if self._thread is None:
                thread = threading.Thread(
                    target=lambda: asyncio.run(self._run()), name="antiphon publisher", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:
                    raise BrokerUnavailable(
                        f"{self._broker!r} cannot be used for the first time now: {error}"
                    ) from error
                self._thread = thread
        if not self._begun.wait(self._timeout):
            raise BrokerUnavailable(f"{self._broker!r}: its thread has not begun in {self._timeout:g} s")

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._turn = asyncio.Event(), asyncio.Lock()
        self._begun.set()
        await self._end.wait()
        while self._working:
            await asyncio.wait(self._working)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._broker.stop()

    async def _do(self, work: Work[T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            async with asyncio.timeout(self._timeout):
                # One after the other, so that what is submitted first is taken first.
                async with self._turn:
                    await self._make_ready()
                    begun = work(self._broker, self._definitions)
                return await begun
        except TimeoutError:
            raise BrokerUnavailable(f"{self._broker!r} has not answered within {self._timeout:g} s") from None
        finally:
            self._working.discard(task)

    async def _make_ready(self) -> None:
        if self._starting is None:
            self._starting = self._loop.create_task(self._broker.start(self))
            self._starting.add_done_callback(self._started)
        # The attempts go on when whoever waits for them does not any more.
        await asyncio.shield(self._starting)
        if self._loop.time() >= self._known_until:
            self._definitions = await rules_of(self._broker)
            self._known_until = self._loop.time() + FRESH

    def _started(self, starting: asyncio.Task[None]) -> None:
        if starting.cancelled() or starting.exception() is not None:
            # Whoever comes next tries again.
            self._starting = None

    # --- What the broker tells -----------------------------------------------------------------------

    def received(self, publication: Publication) -> None:
        """Never: nothing is subscribed to."""

    def interrupted(self, error: Exception) -> None:
        """Each call finds out by itself."""

    def restored(self) -> None:
        """Perhaps with another memory: look again what channels are like."""
        self._known_until = 0.0
