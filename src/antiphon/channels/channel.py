"""A channel, as an application holds it."""

from __future__ import annotations

import time
from typing import Any

from antiphon.channels.feed import Feed
from antiphon.channels.hub import Hub
from antiphon.channels.publication import Position, Publication
from antiphon.codec import encode


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
    def subscribers(self) -> int:
        """How many in this process receive it."""
        return self._hub.subscribers(self.name)

    async def publish(
        self, data: Any, *, event: str | None = None, id: str | None = None, exclude: Any = None
    ) -> Position | None:
        """Publish to every subscriber.

        Args:
            data: Text, bytes, or anything JSON can hold.
            event: What it is about; those who asked for an envelope see it.
            id: Your name for this publication.
            exclude: WebSockets that shall not get it: one, several, or their ids.

        Returns:
            Its position, or None where the channel keeps no history.

        Raises:
            TypeError: JSON cannot hold the data.
        """
        return await self._hub.publish(self._publication(data, event, id, exclude))

    def publish_nowait(
        self, data: Any, *, event: str | None = None, id: str | None = None, exclude: Any = None
    ) -> None:
        """Publish without waiting, from any thread; what goes wrong is logged.

        Raises:
            AntiphonError: The application does not run.
            TypeError: JSON cannot hold the data.
        """
        self._hub.publish_nowait(self._publication(data, event, id, exclude))

    def subscribe(self, *, limit: int = 1024) -> Feed:
        """Receive it in Python.

        Args:
            limit: Publications that may wait for the reader.

        Returns:
            A feed, to be used as ``async with channel.subscribe() as feed``.
        """
        return Feed(self._hub, self.name, limit)

    def _publication(self, data: Any, event: str | None, id: str | None, exclude: Any) -> Publication:
        return Publication(
            channel=self.name,
            data=data,
            payload=encode(data),
            event=event,
            id=id,
            time=time.time(),
            exclude=excluded_ids(exclude),
        )


def excluded_ids(exclude: Any) -> frozenset[str]:
    """The connection ids that ``exclude`` names: one WebSocket or id, or several."""
    if exclude is None:
        return frozenset()
    if isinstance(exclude, str) or hasattr(exclude, "id"):
        exclude = (exclude,)
    return frozenset(each if isinstance(each, str) else each.id for each in exclude)
