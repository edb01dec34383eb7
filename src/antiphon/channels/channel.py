"""A channel, as an application holds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from antiphon.channels.definition import Definition
from antiphon.channels.feed import Feed
from antiphon.channels.hub import Hub
from antiphon.channels.members import Roll
from antiphon.channels.publication import Page, Publication
from antiphon.errors import ConfigurationError, PublicationTooLarge
from antiphon.subscription import Position


class Channel:
    """A named stream of publications that many can subscribe to.

    Args:
        hub: Where it lives.
        name: Its name, already checked.
    """

    __slots__ = ("_hub", "name")

    def __init__(self, hub: Hub, name: str) -> None:
        self._hub = hub
        self.name = name

    def __repr__(self) -> str:
        return f"<Channel {self.name!r}, {self.subscribers} subscribers here>"

    @property
    def definition(self) -> Definition:
        """What it is like."""
        return self._hub.definitions.of(self.name)

    @property
    def subscribers(self) -> int:
        """How many in this process receive it."""
        return self._hub.subscribers(self.name)

    async def publish(
        self,
        data: Any,
        *,
        event: str | None = None,
        id: str | None = None,
        key: str | None = None,
        exclude: Any = None,
    ) -> Position | None:
        """Publish to every subscriber, in every process.

        Args:
            data: Text, bytes, or anything JSON can hold.
            event: What it is about; those who asked for an envelope see it.
            id: Your name for this publication: a second one with this id, within the channel's idempotency
                window, publishes nothing, so that what may have failed can be tried again.
            key: Which of the things of that event it is about; see ``Overflow.LATEST``.
            exclude: WebSockets that shall not get it: one, several, or their ids.

        Returns:
            Its position, or None where the channel keeps no history.

        Raises:
            TypeError: JSON cannot hold the data.
            PublicationTooLarge: The data is above the channel's limit.
            BrokerUnavailable: The broker's server cannot be reached: it may or may not be published.
        """
        return await self._hub.publish(self._publication(data, event, id, key, exclude))

    def publish_nowait(
        self,
        data: Any,
        *,
        event: str | None = None,
        id: str | None = None,
        key: str | None = None,
        exclude: Any = None,
    ) -> None:
        """Publish without waiting, from any thread; what goes wrong later is logged.

        Raises:
            AntiphonError: The application does not run.
            QueueFull: 16 MiB wait to be published already; this is not published.
            TypeError: JSON cannot hold the data.
            PublicationTooLarge: The data is above the channel's limit.
        """
        self._hub.publish_nowait(self._publication(data, event, id, key, exclude))

    def subscribe(self, *, since: Position | None = None, limit: int = 1024) -> Feed:
        """Receive it in Python.

        Args:
            since: Begin with what came after this position, if the history has all of it: the feed's
                ``recovered`` says so.
            limit: Publications that may wait for the reader.

        Returns:
            A feed, to be used as ``async with channel.subscribe() as feed``.
        """
        return Feed(self._hub, self.name, limit, since)

    async def history(self, limit: int | None = 100, *, since: Position | None = None) -> Page:
        """Read what it remembers, the oldest first, and where it stands.

        Args:
            limit: Publications at most: the newest, or with ``since`` the oldest after it; None: all.
            since: Read what came after this position: all of it or nothing, as ``Page.complete`` says.

        Raises:
            ConfigurationError: The channel keeps no history.
            BrokerUnavailable: The broker's server cannot be reached.
        """
        definition = self.definition
        if definition.history is None:
            raise ConfigurationError(
                f"channel {self.name!r} keeps no history: app.channels.define(..., history=History())"
            )
        await self._hub.start()
        return await self._hub.broker.history(self.name, definition.retention, since, limit)

    async def members(self, limit: int = 100, cursor: str | None = None) -> Roll:
        """Read who is present, in every process.

        Args:
            limit: Members at most.
            cursor: That of the part before; None: the first part.

        Raises:
            ConfigurationError: The channel keeps no presence.
            BrokerUnavailable: The broker's server cannot be reached.
        """
        if self.definition.presence is None:
            raise ConfigurationError(
                f"channel {self.name!r} keeps no presence: app.channels.define(..., presence=True)"
            )
        await self._hub.start()
        return await self._hub.broker.members(self.name, limit, cursor)

    async def count(self) -> int:
        """How many members are present, in every process. Raises as ``members``."""
        return (await self.members(0)).count

    def _publication(
        self, data: Any, event: str | None, id: str | None, key: str | None, exclude: Any
    ) -> Publication:
        publication = Publication.of(
            self.name, data, event=event, id=id, key=key, exclude=excluded_ids(exclude)
        )
        most = self.definition.limits.data
        if publication.is_larger_than(most):
            raise PublicationTooLarge(f"a publication on {self.name!r} has at most {most} bytes of data")
        return publication


def excluded_ids(exclude: Any) -> frozenset[str]:
    """The connection ids that ``exclude`` names: one WebSocket or id, or several.

    Raises:
        TypeError: It is none of these.
    """
    if exclude is None:
        return frozenset()
    one = isinstance(exclude, str) or hasattr(exclude, "id") or not isinstance(exclude, Iterable)
    ids = [getattr(each, "id", each) for each in ((exclude,) if one else exclude)]
    for id in ids:
        if not isinstance(id, str):
            raise TypeError(f"exclude takes WebSockets and their ids, one or several, not {exclude!r}")
    return frozenset(ids)
