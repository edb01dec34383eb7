"""What travels on a channel: the publication, its position, and several of them as one batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a publication stands in its channel's stream.

    Attributes:
        offset: 1 for the stream's first publication, and one more for each next.
        epoch: The stream's life; a broker that lost its memory starts a new one.
    """

    offset: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One message on a channel.

    Attributes:
        channel: The channel's name.
        data: Text, bytes, or anything JSON can hold.
        payload: The data as a message: text and bytes as they are, all else as JSON text.
        event: What it is about, if anything.
        id: Its publisher's name for it, or None.
        time: Seconds since 1970, by the publisher's clock.
        position: Where it stands; None where the channel keeps no history.
        exclude: Connections that shall not get it, by their ids.
    """

    channel: str
    data: Any
    payload: str | bytes
    event: str | None = None
    id: str | None = None
    time: float = 0.0
    position: Position | None = None
    exclude: frozenset[str] = frozenset()


class Batch:
    """What one tick of the event loop publishes on one channel, in order, shared by its subscribers.

    Each form in which subscribers need it is made once and kept here.

    Attributes:
        publications: In order.
        alone: Whether nothing else is published in this tick, so that nothing can leave together with it.
        excluded: Connections that shall not get all of it, by their ids.
    """

    __slots__ = ("_forms", "alone", "excluded", "publications")

    def __init__(self, publications: Sequence[Publication], *, alone: bool = False) -> None:
        self.alone = alone
        self.publications = tuple(publications)
        self.excluded = frozenset().union(*(each.exclude for each in publications))
        self._forms: dict[Hashable, object] = {}

    def __repr__(self) -> str:
        return f"<Batch of {len(self.publications)}>"

    def form(self, make: Callable[[Sequence[Publication]], T]) -> T:
        """The publications in the form that a function makes of them; the function is called once."""
        # Asked for by each subscriber: one look-up, and no cast with a type to evaluate.
        form = self._forms.get(make)
        if form is None:
            form = self._forms[make] = make(self.publications)
        return form  # type: ignore[return-value]

    def without(self, connection: str) -> Batch:
        """What is left of it for one connection that some of it excludes."""
        return Batch([each for each in self.publications if connection not in each.exclude])
