"""A stream: whatever the bus loses, repeats or delays, all goes on once and in order, or is told lost."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from antiphon.channels import Page, Position, Publication, Stream
from antiphon.channels.stream import ANSWERS, WAITING


def publication(offset: int, epoch: str = "a", previous: int | None = None) -> Publication:
    before = offset - 1 if previous is None else previous
    return Publication("c", f"{epoch}{offset}", position=Position(offset, epoch), previous=before)


def page(top: int, since: int, epoch: str = "a") -> Page:
    return Page(tuple(publication(n, epoch) for n in range(since + 1, top + 1)), Position(top, epoch))


def lost(top: int, epoch: str = "a") -> Page:
    return Page((), Position(top, epoch), complete=False)


def offsets(passed: object) -> list[int]:
    return [each.position.offset for each in passed]  # type: ignore[attr-defined]


def standing(offset: int, epoch: str = "a") -> Stream:
    """A stream that has joined where its channel stood."""
    stream = Stream()
    stream.caught_up(Page((), Position(offset, epoch)), None)
    return stream


class TestJoining:
    """The history says where the channel stands."""

    def test_level(self) -> None:
        """Then it is level, and what follows is passed on at once."""
        stream = Stream()
        assert (stream.position, stream.level) == (None, False)
        assert stream.caught_up(Page((), Position(3, "a")), None) == []
        assert (stream.position, stream.level) == (Position(3, "a"), True)
        assert offsets(stream.received(publication(4))) == [4]
        assert repr(stream) == f"<Stream at {Position(4, 'a')}, level>"

    def test_what_comes_meanwhile(self) -> None:
        """What the bus brings before that waits; what the position includes is not passed on."""
        stream = Stream()
        assert [*stream.received(publication(3)), *stream.received(publication(4))] == []
        assert repr(stream) == "<Stream at None, 2 waiting>"
        assert offsets(stream.caught_up(Page((), Position(3, "a")), None)) == [4]
        assert stream.level

    def test_without_a_position(self) -> None:
        """A publication from somebody who keeps no history of the channel is passed on as it comes."""
        live = Publication("c", "live")
        assert Stream().received(live) == (live,)


class TestMending:
    """What the bus loses is taken from the history, or told lost."""

    def test_gap(self) -> None:
        """After a gap all waits until the history has filled it; then it goes on in order."""
        stream = standing(1)
        assert [*stream.received(publication(3)), *stream.received(publication(4))] == []
        assert not stream.level
        assert offsets(stream.caught_up(page(3, 1), Position(1, "a"))) == [2, 3, 4]
        assert (stream.level, stream.lost) == (True, 0)

    def test_history_lags(self) -> None:
        """A history that does not have what the bus brought does not fill the gap: it is asked again."""
        stream = standing(1)
        stream.received(publication(4))
        assert offsets(stream.caught_up(page(2, 1), Position(1, "a"))) == [2]
        assert not stream.level
        assert offsets(stream.caught_up(page(4, 2), Position(2, "a"))) == [3, 4]
        assert stream.level

    def test_cannot_be_filled(self) -> None:
        """What the history has forgotten is lost; it goes on where the channel stands."""
        stream = standing(1)
        stream.received(publication(9))
        assert stream.caught_up(lost(9), Position(1, "a")) == []
        assert (stream.lost, stream.level, stream.position) == (1, True, Position(9, "a"))
        assert offsets(stream.received(publication(10))) == [10]

    def test_somebody_elses_loss(self) -> None:
        """That an older position, of somebody else, is lost says nothing about this stream."""
        stream = standing(5)
        stream.received(publication(7))
        assert stream.caught_up(lost(7), Position(1, "a")) == ()
        assert (stream.lost, stream.level) == (0, False)
        assert offsets(stream.caught_up(page(7, 5), Position(5, "a"))) == [6, 7]

    def test_offsets_may_jump(self) -> None:
        """What follows is what names this position as the one before it, whatever its offset."""
        assert offsets(standing(5).received(publication(500, previous=5))) == [500]

    def test_too_much_waits(self) -> None:
        """What finds no room to wait is not forgotten: the stream is not level before it was asked for."""
        stream = standing(1)
        for offset in range(3, WAITING + 5):
            assert stream.received(publication(offset)) == ()
        passed = stream.caught_up(page(2, 1), Position(1, "a"))
        assert offsets(passed) == list(range(2, WAITING + 3))
        assert not stream.level
        here = stream.position
        assert here is not None
        assert offsets(stream.caught_up(page(WAITING + 4, here.offset), here)) == [WAITING + 3, WAITING + 4]
        assert stream.level


class TestEpochs:
    """A new epoch is another stream."""

    def test_new(self) -> None:
        """A publication of another epoch waits until the history has said that this one is over."""
        stream = standing(5)
        assert stream.received(publication(1, "b")) == ()
        assert stream.caught_up(lost(1, "b"), Position(5, "a")) == []
        assert (stream.lost, stream.position, stream.level) == (1, Position(1, "b"), True)
        assert offsets(stream.received(publication(2, "b"))) == [2]

    def test_late(self) -> None:
        """One of an epoch that is over is forgotten, when the history was asked since then."""
        stream = standing(5, "b")
        assert stream.received(publication(7, "a")) == ()
        for _ in range(ANSWERS):
            assert not stream.level
            stream.caught_up(page(5, 5, "b"), Position(5, "b"))
        assert (stream.level, stream.lost) == (True, 0)
        assert offsets(stream.received(publication(6, "b"))) == [6]

    def test_page_of_another(self) -> None:
        """What somebody else read, from a position of another epoch, continues nothing here."""
        stream = standing(5)
        assert stream.caught_up(page(9, 7, "b"), Position(7, "b")) == ()
        assert stream.position == Position(5, "a")

    def test_is_behind(self) -> None:
        """It is behind whoever was told a position after its own, or of another epoch."""
        stream = standing(5)
        assert not stream.is_behind(Position(5, "a"))
        assert stream.is_behind(Position(6, "a"))
        assert stream.is_behind(Position(1, "b"))


@given(st.data())
def test_once_in_order_or_told(data: st.DataObject) -> None:
    """Whatever the bus does, and whenever the history is asked, nothing is passed on twice, out of order or
    with an untold gap; and when the bus is still and the history was asked, nothing is missing."""
    size = data.draw(st.integers(1, 6), label="history")
    epoch, top = "a", data.draw(st.integers(0, 3))
    stream = standing(top)
    bus: list[Publication] = []
    asked: list[tuple[Position, Page]] = []
    here, told = Position(top, epoch), 0

    def read(since: Position) -> Page:
        if since.epoch != epoch or not 0 <= top - since.offset <= min(size, top):
            return lost(top, epoch)
        return page(top, since.offset, epoch)

    def go_on(passed: Sequence[Publication], answer: Page | None = None) -> None:
        nonlocal here, told
        if stream.lost != told:
            # Those who stood here are told, and begin anew where the history says.
            assert answer is not None
            told, here = stream.lost, answer.position
        for each in passed:
            assert each.position == Position(here.offset + 1, here.epoch)
            here = each.position

    def answered(answer: Page, since: Position) -> None:
        go_on(stream.caught_up(answer, since), answer)

    for _ in range(data.draw(st.integers(1, 40), label="steps")):
        match data.draw(st.sampled_from("pppppbbbblddaaxxe")):
            case "p":
                top += 1
                bus.append(publication(top, epoch))
            case "b" if bus:
                go_on(stream.received(bus.pop(0)))
            case "d" if bus:
                go_on(stream.received(bus[0]))
            case "l" if bus:
                bus.pop(0)
            case "a" if stream.position is not None:
                asked.append((stream.position, read(stream.position)))
            case "x" if asked:
                since, answer = asked.pop(0)
                answered(answer, since)
            case "e":
                epoch, top = chr(ord(epoch) + 1), 0
    while bus:
        go_on(stream.received(bus.pop(0)))
    for since, answer in asked:
        answered(answer, since)
    for _ in range(ANSWERS + 1):
        assert stream.position is not None
        answered(read(stream.position), stream.position)
    assert stream.level
    assert here == stream.position == Position(top, epoch)
