"""Checks what channels promise: given what was published and what each client saw, what is wrong.

A ``Ledger`` is the record of one channel with history. Whoever publishes notes what was confirmed, and what
may or may not have been published; each client has a ``Witness``, which notes its joining with the position
it gave and the verdict it was told, what it received, and its leaving. ``violations`` compares them. It asks
nobody and knows no clock, so it judges a test's history as well as one from a log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from antiphon.codec import encode
from antiphon.subscription import Position


class Kind(Enum):
    """What a violation is.

    Attributes:
        GAP: Publications were left out, and the client was not told of as many.
        DUPLICATE: A publication came again.
        ORDER: A publication came after one that is later.
        EPOCH: Publications of another life of the stream came, or were due, without a word.
        UNTOLD: The client gave a position and was not told whether it was recovered.
        UNKNOWN: Nobody published this there.
    """

    GAP = "gap"
    DUPLICATE = "duplicate"
    ORDER = "wrong order"
    EPOCH = "wrong epoch"
    UNTOLD = "untold"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise.

    Attributes:
        kind: What is wrong.
        client: To whom.
        position: Where: that of the publication received, or of the last one that was due.
        text: The rest of the sentence.
    """

    kind: Kind
    client: str
    position: Position | None
    text: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.client} at {self.position}: {self.text}"


@dataclass(frozen=True, slots=True)
class _Received:
    position: Position
    data: str | bytes
    dropped: int


@dataclass(slots=True)
class _Visit:
    """One subscription, from its beginning to its end."""

    since: Position | None
    recovered: bool | None
    position: Position | None
    received: list[_Received] = field(default_factory=list)
    open: bool = True

    @property
    def start(self) -> Position | None:
        return self.since if self.recovered else self.position


class Witness:
    """What one client saw of a channel.

    Args:
        name: Who it is; violations say so.

    Attributes:
        position: What to come back with: the position of the last publication, or that at which it joined.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.position: Position | None = None
        self.visits: list[_Visit] = []

    def __repr__(self) -> str:
        number = sum(len(each.received) for each in self.visits)
        return f"<Witness {self.name}, {len(self.visits)} visits, {number} received>"

    def joined(self, since: Position | None, recovered: bool | None, position: Position | None) -> None:
        """Note that it subscribed.

        Args:
            since: The position that it gave.
            recovered: Whether it was told that it gets all since then.
            position: Where it was told that it stands.
        """
        self.left()
        self.visits.append(_Visit(since, recovered, position))
        if not recovered:
            self.position = position

    def received(self, position: Position, data: Any, dropped: int = 0) -> None:
        """Note a publication.

        Args:
            position: Where it stands.
            data: What was published.
            dropped: How many publications were dropped, as it was told with this one.

        Raises:
            ValueError: It has not joined.
        """
        if not self.visits or not self.visits[-1].open:
            raise ValueError(f"{self.name} is not subscribed: note that it joined first")
        self.visits[-1].received.append(_Received(position, encode(data), dropped))
        self.position = position

    def received_envelope(self, envelope: Mapping[str, Any]) -> None:
        """Note a publication as a raw client receives it with ``envelope=True``. Raises as ``received``."""
        position = Position(envelope["offset"], envelope["epoch"])
        self.received(position, envelope["data"], envelope.get("dropped", 0))

    def left(self) -> None:
        """Note that its subscription has ended, however: nothing is due to it until it joins again."""
        if self.visits:
            self.visits[-1].open = False


class Ledger:
    """What was published on one channel with history, and who saw what of it."""

    def __init__(self) -> None:
        self.witnesses: list[Witness] = []
        self._published: dict[Position, str | bytes] = {}
        self._perhaps: set[str | bytes] = set()

    def __repr__(self) -> str:
        return f"<Ledger {len(self._published)} published, {len(self.witnesses)} witnesses>"

    def published(self, data: Any, position: Position) -> None:
        """Note a publication that was confirmed, with the position that ``publish`` returned."""
        self._published[position] = encode(data)

    def perhaps_published(self, data: Any) -> None:
        """Note a publication of which nobody knows: ``publish`` raised ``BrokerUnavailable``."""
        self._perhaps.add(encode(data))

    def witness(self, name: str) -> Witness:
        """A client more."""
        witness = Witness(name)
        self.witnesses.append(witness)
        return witness

    def violations(self, until: Position | None = None) -> list[Violation]:
        """What is wrong, client by client.

        Args:
            until: Where the channel stands after everybody had time: those who are still subscribed have
                everything up to here. None: nobody need have the latest.
        """
        there = self._seen_or_published()
        offsets: dict[str, list[int]] = defaultdict(list)
        for position in there:
            offsets[position.epoch].append(position.offset)
        for each in offsets.values():
            each.sort()
        return [
            violation
            for witness in self.witnesses
            for visit in witness.visits
            for violation in _Judge(witness.name, there, offsets, self._perhaps).of(visit, until)
        ]

    def _seen_or_published(self) -> dict[Position, str | bytes]:
        """What stands where; what nobody confirmed stands where the first that saw it says."""
        there = dict(self._published)
        for witness in self.witnesses:
            for visit in witness.visits:
                for each in visit.received:
                    if each.data in self._perhaps:
                        there.setdefault(each.position, each.data)
        return there


class _Judge:
    """Judges the visits of one client."""

    def __init__(
        self,
        client: str,
        there: Mapping[Position, str | bytes],
        offsets: Mapping[str, list[int]],
        perhaps: set[str | bytes],
    ) -> None:
        self._client = client
        self._there = there
        self._offsets = offsets
        self._perhaps = perhaps

    def of(self, visit: _Visit, until: Position | None) -> Iterator[Violation]:
        here = visit.start
        if visit.since is not None and visit.recovered is None:
            yield self._violation(Kind.UNTOLD, visit.since, "not told whether this position is recovered")
        had: set[Position] = set()
        owed = 0
        for each in visit.received:
            position = each.position
            if self._there.get(position) != each.data:
                yield self._violation(Kind.UNKNOWN, position, f"{each.data!r} was not published there")
            if position in had or position == here:
                yield self._violation(Kind.DUPLICATE, position, "it was there before")
            elif here is not None and position.epoch != here.epoch:
                yield self._violation(Kind.EPOCH, position, f"it stood at {here}, and was not told of a loss")
                here = position
            elif here is not None and position.offset < here.offset:
                yield self._violation(Kind.ORDER, position, f"it stood at {here}")
            else:
                owed += self._between(here, position.offset - 1) - each.dropped
                if owed > 0:
                    yield self._violation(Kind.GAP, position, f"{owed} missing before it, after {here}")
                    owed = 0
                here = position
            had.add(position)
        if visit.open and until is not None and here is not None:
            yield from self._at_the_end(here, until, max(0, -owed))

    def _at_the_end(self, here: Position, until: Position, told: int) -> Iterator[Violation]:
        if here.epoch != until.epoch:
            yield self._violation(Kind.EPOCH, here, f"the channel stands at {until}, and it was not told")
        else:
            missing = self._between(here, until.offset) - told
            if missing > 0:
                yield self._violation(Kind.GAP, until, f"{missing} missing at the end, after {here}")

    def _between(self, here: Position | None, last: int) -> int:
        """How many stand after a position, up to an offset."""
        if here is None:
            return 0
        offsets = self._offsets.get(here.epoch, [])
        return max(0, bisect_right(offsets, last) - bisect_right(offsets, here.offset))

    def _violation(self, kind: Kind, position: Position, text: str) -> Violation:
        return Violation(kind, self._client, position, text)
