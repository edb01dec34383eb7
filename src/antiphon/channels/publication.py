"""What travels on a channel: publications, one by one, read together, or handed over together."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from antiphon.codec import encode
from antiphon.subscription import Position

T = TypeVar("T")


class Publication(msgspec.Struct, frozen=True, gc=False):
    """One message on a channel.

    Attributes:
        channel: The channel's name.
        payload: The data as a message: text and bytes as they are, all else as JSON text.
        is_json: Whether the payload stands for data that is neither text nor bytes.
        event: What it is about, if anything.
        id: Its publisher's name for it, or None.
        key: Which of the things of that event it is about; see ``Overflow.LATEST``.
        time: Seconds since 1970, by the publisher's clock.
        position: Where it stands; None where the channel keeps no history.
        previous: The offset of the publication before it in its stream; 0 for the first.
        exclude: Connections that shall not get it, by their ids.
    """

    channel: str
    payload: str | bytes
    is_json: bool = False
    event: str | None = None
    id: str | None = None
    key: str | None = None
    time: float = 0.0
    position: Position | None = None
    previous: int = 0
    exclude: frozenset[str] = frozenset()

    @classmethod
    def of(cls, channel: str, data: Any, **about: Any) -> Publication:
        """The publication of data, now.

        Args:
            channel: The channel's name.
            data: Text, bytes, or anything JSON can hold.
            **about: Other attributes.

        Raises:
            TypeError: JSON cannot hold the data.
        """
        is_json = not isinstance(data, (str, bytes, bytearray, memoryview))
        return cls(channel, encode(data), is_json, time=time.time(), **about)

    def is_larger_than(self, size: int) -> bool:
        """Whether its payload has more bytes than that."""
        payload = self.payload
        # A character is up to four bytes: only long text is worth encoding to measure it.
        if isinstance(payload, str) and len(payload) <= size < 4 * len(payload):
            return len(payload.encode()) > size
        return len(payload) > size

    @property
    def data(self) -> Any:
        """What was published: text, bytes, or what JSON makes of it; decoded anew each time."""
        return msgspec.json.decode(self.payload) if self.is_json else self.payload


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a channel's history, and where the channel stands.

    Attributes:
        publications: The oldest first.
        position: That of the channel's newest publication; where there is none, one before the next, which
            is offset 0 in a stream of its own.
        complete: Whether every publication since the position that was asked from is here, or would be
            but for the limit. If not, there are none: a position is recovered wholly or not at all.
    """

    publications: tuple[Publication, ...]
    position: Position
    complete: bool = True

    def __iter__(self) -> Iterator[Publication]:
        return iter(self.publications)

    def __len__(self) -> int:
        return len(self.publications)


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
