"""Publishing from outside of the application: a task queue, a cron job, a script, another web framework.

A publisher speaks to the broker, not to the application, which may be any number of processes, or none at
the moment. The connection is kept in the background and used by all threads and event loops of a process;
a forked process makes its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, TypeVar

from antiphon.brokers.background import Background, Work
from antiphon.brokers.outside import shared_broker
from antiphon.channels import (
    Broker,
    Definitions,
    Page,
    Position,
    Publication,
    Roll,
    check,
    excluded_ids,
)
from antiphon.errors import BrokerUnavailable, ConfigurationError, PublicationTooLarge

T = TypeVar("T")

#: Seconds that a thread waits longer than the background does, before it takes that for dead.
MARGIN = 1.0


class Publisher:
    """Publishes on an application's channels, and reads from them, through its broker.

    Each call has two forms: to be awaited, on any event loop; and ``…_sync``, which blocks the calling
    thread. All may be used from many threads at once, and after a fork. Nothing is connected before the first
    call. Closed, it lets go of its connection; it may be used again.

    Channels are as the application has defined them: it tells the broker when it starts. An application that
    has never run has said nothing; then channels have no history.

    Args:
        broker: The broker's URL, as ``redis://host``; None: that of ``ANTIPHON_BROKER`` in the environment.
        timeout: Seconds that a call may take, connecting included.

    Raises:
        ConfigurationError: No broker is named, it spans one process only, or its URL is wrong.
        MissingExtra: The package for the broker is not installed.
    """

    def __init__(self, broker: str | None = None, *, timeout: float = 10.0) -> None:
        if not 0 < timeout < float("inf"):
            raise ConfigurationError(f"timeout={timeout!r}: a number of seconds above 0")
        self._url = broker or os.environ.get("ANTIPHON_BROKER")
        self._timeout = timeout
        self._name = repr(self._broker())
        # By process: what was made before a fork is not touched in the child, not even to be closed.
        self._backgrounds: dict[int, Background] = {}

    def __repr__(self) -> str:
        return f"<Publisher through {self._name}>"

    # --- Publishing ----------------------------------------------------------------------------------

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        event: str | None = None,
        id: str | None = None,
        key: str | None = None,
        exclude: Any = None,
    ) -> Position | None:
        """Publish to every subscriber of a channel, in every process.

        Args:
            channel: The channel's name.
            data: Text, bytes, or anything JSON can hold.
            event: What it is about; those who asked for an envelope see it.
            id: Your name for this publication: a second one with this id, within the channel's idempotency
                window, publishes nothing and returns the first one's position, so that what may have failed
                can be tried again.
            key: Which of the things of that event it is about; see ``Overflow.LATEST``.
            exclude: Ids of WebSockets that shall not get it: one, or several.

        Returns:
            Its position, or None where the channel keeps no history.

        Raises:
            InvalidChannel: No channel can have that name.
            TypeError: JSON cannot hold the data.
            PublicationTooLarge: The data is above the channel's limit.
            BrokerUnavailable: The broker's server cannot be reached: it may or may not be published.
        """
        return await self._awaited(_publishing(channel, data, event, id, key, exclude))

    def publish_sync(
        self,
        channel: str,
        data: Any,
        *,
        event: str | None = None,
        id: str | None = None,
        key: str | None = None,
        exclude: Any = None,
    ) -> Position | None:
        """Publish as ``publish`` does, and wait for it."""
        return self._waited_for(_publishing(channel, data, event, id, key, exclude))

    # --- Reading -------------------------------------------------------------------------------------

    async def history(self, channel: str, limit: int | None = 100, *, since: Position | None = None) -> Page:
        """Read what a channel remembers, the oldest first, and where it stands.

        Args:
            channel: The channel's name.
            limit: Publications at most: the newest, or with ``since`` the oldest after it; None: all.
            since: Read what came after this position: all of it or nothing, as ``Page.complete`` says.

        Raises:
            ConfigurationError: The channel keeps no history, as far as an application has said.
            BrokerUnavailable: The broker's server cannot be reached.
        """
        return await self._awaited(_history(channel, limit, since))

    def history_sync(self, channel: str, limit: int | None = 100, *, since: Position | None = None) -> Page:
        """Read as ``history`` does, and wait for it."""
        return self._waited_for(_history(channel, limit, since))

    async def members(self, channel: str, limit: int = 100, cursor: str | None = None) -> Roll:
        """Read who is present, in every process; nobody, where the channel keeps no presence.

        Args:
            channel: The channel's name.
            limit: Members at most.
            cursor: That of the part before; None: the first part.

        Raises:
            BrokerUnavailable: The broker's server cannot be reached.
        """
        return await self._awaited(_members(channel, limit, cursor))

    def members_sync(self, channel: str, limit: int = 100, cursor: str | None = None) -> Roll:
        """Read as ``members`` does, and wait for it."""
        return self._waited_for(_members(channel, limit, cursor))

    async def count(self, channel: str) -> int:
        """How many members are present, in every process. Raises as ``members``."""
        return (await self.members(channel, 0)).count

    def count_sync(self, channel: str) -> int:
        """Count as ``count`` does, and wait for it."""
        return self.members_sync(channel, 0).count

    # --- Ending --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Wait until what was begun is done, and let go of this process's connection."""
        background = self._backgrounds.pop(os.getpid(), None)
        if background is not None:
            background.stop()

    async def aclose(self) -> None:
        """Close as ``close`` does, and wait for it."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # --- Underneath ----------------------------------------------------------------------------------

    def _broker(self) -> Broker:
        return shared_broker(self._url)

    def _background(self) -> Background:
        process = os.getpid()
        background = self._backgrounds.get(process)
        if background is None:
            # Threads that come at once agree on one; the others' have begun nothing.
            background = self._backgrounds.setdefault(process, Background(self._broker(), self._timeout))
        return background

    async def _awaited(self, work: Work[T]) -> T:
        outcome = self._background().submit(work)
        try:
            return await asyncio.wrap_future(outcome)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._closed() from None

    def _waited_for(self, work: Work[T]) -> T:
        outcome = self._background().submit(work)
        try:
            return outcome.result(self._timeout + MARGIN)
        except TimeoutError:
            raise BrokerUnavailable(f"{self._name} has not answered within {self._timeout:g} s") from None
        except CancelledError:
            raise self._closed() from None
        finally:
            # For whom is interrupted while it waits.
            outcome.cancel()

    def _closed(self) -> BrokerUnavailable:
        return BrokerUnavailable(f"{self!r} was closed meanwhile")


def _publishing(
    channel: str, data: Any, event: str | None, id: str | None, key: str | None, exclude: Any
) -> Work[Position | None]:
    publication = Publication.of(
        check(channel), data, event=event, id=id, key=key, exclude=excluded_ids(exclude)
    )

    def begin(broker: Broker, definitions: Definitions) -> Awaitable[Position | None]:
        definition = definitions.of(channel)
        most = definition.limits.data
        if publication.is_larger_than(most):
            raise PublicationTooLarge(f"a publication on {channel!r} has at most {most} bytes of data")
        return broker.publish(publication, definition.retention)

    return begin


def _history(channel: str, limit: int | None, since: Position | None) -> Work[Page]:
    check(channel)

    def begin(broker: Broker, definitions: Definitions) -> Awaitable[Page]:
        definition = definitions.of(channel)
        if definition.history is None:
            raise ConfigurationError(
                f"channel {channel!r} keeps no history: no application that uses {broker!r} has defined one"
            )
        return broker.history(channel, definition.retention, since, limit)

    return begin


def _members(channel: str, limit: int, cursor: str | None) -> Work[Roll]:
    check(channel)
    return lambda broker, _: broker.members(channel, limit, cursor)
