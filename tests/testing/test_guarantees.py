"""The checker of guarantees: it finds nothing in good histories, and every kind of violation in bad ones."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import Position
from antiphon.testing.guarantees import Kind, Ledger, Violation


@dataclass(frozen=True)
class Got:
    """One publication as a client saw it."""

    offset: int
    dropped: int = 0
    epoch: str = "a"
    data: object = None

    @property
    def position(self) -> Position:
        return Position(self.offset, self.epoch)

    @property
    def seen(self) -> object:
        return self.data if self.data is not None else f"{self.epoch}{self.offset}"


@dataclass
class Visit:
    """One subscription as a client saw it."""

    since: Position | None
    recovered: bool | None
    position: Position | None
    got: list[Got] = field(default_factory=list)


def judged(top: int, visits: list[Visit], *, until: Position | None = None) -> list[Violation]:
    """What is wrong with one client's visits to a channel with so many publications in each of two epochs."""
    ledger = Ledger()
    for epoch in "ab":
        for offset in range(1, top + 1):
            ledger.published(f"{epoch}{offset}", Position(offset, epoch))
    witness = ledger.witness("ann")
    for visit in visits:
        witness.joined(visit.since, visit.recovered, visit.position)
        for got in visit.got:
            witness.received(got.position, got.seen, got.dropped)
    return ledger.violations(until)


def kinds(violations: list[Violation]) -> list[Kind]:
    return [each.kind for each in violations]


def at(offset: int, epoch: str = "a") -> Position:
    return Position(offset, epoch)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[Visit]]:
    """What a client of a channel that keeps its promises sees: how much was published, and its visits."""
    top = draw(st.integers(6, 20))
    here, visits = draw(st.integers(0, 2)), []
    for number in range(draw(st.integers(1, 4))):
        recovered = None if number == 0 else draw(st.booleans())
        since = at(here) if number else None
        start = here if recovered or not number else draw(st.integers(here, top))
        visit = Visit(since, recovered, at(draw(st.integers(start, top)) if recovered else start))
        end = draw(st.integers(start if number else 6, top))
        here, skipped = start, 0
        for offset in range(start + 1, end + 1):
            # The first visit has at least three.
            if draw(st.integers(0, 5)) == 0 and (number or offset < end - 2):
                skipped += 1
            else:
                visit.got.append(Got(offset, skipped))
                here, skipped = offset, 0
        visits.append(visit)
    return top, visits


def somewhere(data: st.DataObject, visits: list[Visit], *, before: int = 0) -> tuple[Visit, int]:
    """One of the publications that a client received, with at least so many after it."""
    there = [(visit, n) for visit in visits for n in range(len(visit.got) - before)]
    return data.draw(st.sampled_from(there))


class TestGoodHistories:
    """Nothing is found where nothing is wrong."""

    @given(histories())
    def test_anything_good(self, history: tuple[int, list[Visit]]) -> None:
        """Runs without a gap, drops that are told, returns to an older position, losses that are told."""
        assert judged(*history) == []

    def test_older_position(self) -> None:
        """Who comes back with an older position than it has gets publications again, and that is right."""
        first = Visit(None, None, at(0), [Got(1), Got(2), Got(3)])
        assert judged(4, [first, Visit(at(1), True, at(4), [Got(2), Got(3), Got(4)])], until=at(4)) == []

    def test_drops_told_early(self) -> None:
        """What is told before the gap it is about counts as well."""
        assert judged(5, [Visit(None, None, at(0), [Got(1, dropped=2), Got(2), Got(5)])], until=at(5)) == []

    def test_new_epoch(self) -> None:
        """A new epoch is right after a verdict that the position is lost."""
        visits = [
            Visit(None, None, at(0), [Got(1)]),
            Visit(at(1), False, at(2, "b"), [Got(3, epoch="b")]),
        ]
        assert judged(3, visits, until=at(3, "b")) == []

    def test_nobody_knows(self) -> None:
        """What may have been published may be seen, and then by all; or by nobody."""
        ledger = Ledger()
        ledger.published("1", at(1))
        ledger.perhaps_published("2")
        ledger.perhaps_published("never")
        ledger.published("3", at(3))
        for name, offsets in (("ann", (1, 2, 3)), ("bob", (1, 3))):
            witness = ledger.witness(name)
            witness.joined(None, None, at(0))
            for offset in offsets:
                witness.received(at(offset), str(offset))
        (found,) = ledger.violations(at(3))
        assert (found.kind, found.client, found.position) == (Kind.GAP, "bob", at(3))
        ledger.witnesses.pop()
        assert ledger.violations(at(3)) == []

    def test_where_it_begins_is_unknown(self) -> None:
        """Who was told no position begins with what it receives first."""
        assert judged(5, [Visit(None, None, None, [Got(3), Got(4)])]) == []


class TestBadHistories:
    """Each mutation of a good history is found, and named."""

    @given(histories(), st.data())
    def test_left_out(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """A publication less is a gap before the next one."""
        top, visits = history
        visit, number = somewhere(data, visits, before=1)
        gone = visit.got.pop(number)
        (found,) = judged(top, visits)
        assert (found.kind, found.client) == (Kind.GAP, "ann")
        assert found.position == visit.got[number].position
        assert f"{gone.dropped + 1} missing" in found.text

    @given(histories())
    def test_left_out_at_the_end(self, history: tuple[int, list[Visit]]) -> None:
        """Who is still there and does not have the last one has a gap."""
        top, visits = history
        visit = visits[-1]
        got = [each.offset for each in visit.got]
        start = visit.since if visit.recovered else visit.position
        last = got[-1] if got else start.offset  # type: ignore[union-attr]
        visit.got += [Got(offset) for offset in range(last + 1, top + 1)]
        assert judged(top, visits, until=at(top)) == []
        if visit.got:
            visit.got.pop()
            (found,) = judged(top, visits, until=at(top))
            assert (found.kind, found.position) == (Kind.GAP, at(top))

    @given(histories(), st.data())
    def test_twice(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """A publication that comes again, at once or later, is a duplicate."""
        top, visits = history
        visit, number = somewhere(data, visits)
        again = visit.got[number]
        visit.got.insert(data.draw(st.integers(number + 1, len(visit.got))), replace(again, dropped=0))
        (found,) = judged(top, visits)
        assert (found.kind, found.position) == (Kind.DUPLICATE, again.position)

    @given(histories(), st.data())
    def test_since_again(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """The publication at the position that a client gave is a duplicate."""
        top, visits = history
        since = data.draw(st.integers(1, top))
        visits.append(Visit(at(since), True, at(top), [Got(since)]))
        (found,) = judged(top, visits)
        assert found.kind is Kind.DUPLICATE

    @given(histories(), st.data())
    def test_exchanged(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """Two publications in the wrong order are found as such."""
        top, visits = history
        visit, number = somewhere(data, visits, before=1)
        visit.got[number : number + 2] = visit.got[number : number + 2][::-1]
        assert Kind.ORDER in kinds(judged(top, visits))

    @given(histories(), st.data())
    def test_other_epoch(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """A publication of another life of the stream is found."""
        top, visits = history
        visit, number = somewhere(data, visits)
        visit.got[number] = replace(visit.got[number], epoch="b")
        assert Kind.EPOCH in kinds(judged(top, visits))

    @given(histories(), st.data())
    def test_other_data(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """Data that nobody published there is found."""
        top, visits = history
        visit, number = somewhere(data, visits)
        visit.got[number] = replace(visit.got[number], data="forged")
        (found,) = judged(top, visits)
        assert (found.kind, found.position) == (Kind.UNKNOWN, visit.got[number].position)

    @given(histories(), st.data())
    def test_no_verdict(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """A position that was given and not answered is found."""
        top, visits = history
        since = at(data.draw(st.integers(0, top)))
        visits.append(Visit(since, None, at(top)))
        (found,) = judged(top, visits)
        assert (found.kind, found.position) == (Kind.UNTOLD, since)

    @given(histories(), st.data())
    def test_wrong_verdict(self, history: tuple[int, list[Visit]], data: st.DataObject) -> None:
        """A client that is told it was recovered, and was not, has a gap."""
        top, visits = history
        lost = data.draw(st.integers(0, top - 2))
        position = data.draw(st.integers(lost + 1, top - 1))
        visits.append(Visit(at(lost), False, at(position), [Got(position + 1)]))
        assert judged(top, visits) == []
        visits[-1].recovered = True
        (found,) = judged(top, visits)
        assert (found.kind, found.position) == (Kind.GAP, at(position + 1))

    def test_fewer_told(self) -> None:
        """Drops that are told count only as far as they are told."""
        (found,) = judged(5, [Visit(None, None, at(0), [Got(1), Got(5, dropped=2)])])
        assert (found.kind, found.text) == (Kind.GAP, "1 missing before it, after 1.a")

    def test_left_behind(self) -> None:
        """Who still stands in an epoch that is over, and was not told, is found."""
        (found,) = judged(3, [Visit(None, None, at(0), [Got(1)])], until=at(3, "b"))
        assert found.kind is Kind.EPOCH

    def test_two_truths(self) -> None:
        """Clients that see different things at one position are found, though either may be right."""
        ledger = Ledger()
        ledger.perhaps_published("x")
        ledger.perhaps_published("y")
        for name in "xy":
            witness = ledger.witness(name)
            witness.joined(None, None, at(0))
            witness.received(at(1), name)
        assert [(each.kind, each.client) for each in ledger.violations()] == [(Kind.UNKNOWN, "y")]


class TestWitness:
    """What a client notes."""

    def test_position(self) -> None:
        """It knows what to come back with: the last publication's position, or where it joined."""
        witness = Ledger().witness("ann")
        assert witness.position is None
        witness.joined(None, None, at(3))
        assert witness.position == at(3)
        witness.received(at(4), "x")
        witness.joined(at(4), True, at(9))
        assert witness.position == at(4)
        witness.joined(at(4), False, at(2, "b"))
        assert witness.position == at(2, "b")
        assert repr(witness) == "<Witness ann, 3 visits, 1 received>"

    def test_envelope(self) -> None:
        """It reads what a raw client receives."""
        ledger = Ledger()
        ledger.published({"n": 1}, at(4))
        witness = ledger.witness("ann")
        witness.joined(None, None, at(1))
        witness.received_envelope({"offset": 4, "epoch": "a", "data": {"n": 1}, "dropped": 2})
        assert ledger.violations(at(4)) == []
        assert witness.position == at(4)

    def test_not_joined(self) -> None:
        """Who has not joined, or has left, can have received nothing."""
        witness = Ledger().witness("ann")
        with pytest.raises(ValueError, match="joined first"):
            witness.received(at(1), "x")
        witness.joined(None, None, at(0))
        witness.left()
        with pytest.raises(ValueError, match="ann is not subscribed"):
            witness.received(at(1), "x")

    def test_who_left(self) -> None:
        """Nothing is due to who has left."""
        ledger = Ledger()
        witness = ledger.witness("ann")
        witness.joined(None, None, at(0))
        ledger.published("x", at(1))
        assert [str(each) for each in ledger.violations(at(1))] == [
            "gap: ann at 1.a: 1 missing at the end, after 0.a"
        ]
        witness.left()
        assert ledger.violations(at(1)) == []
        assert repr(ledger) == "<Ledger 1 published, 1 witnesses>"
