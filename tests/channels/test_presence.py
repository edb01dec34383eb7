"""Presence of one process: what the broker is told, when, and what a reload is."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from antiphon.brokers import MemoryBroker
from antiphon.channels import Attendance, Batch, Hub, Member, presence_channel
from antiphon.channels.presence import TOGETHER
from antiphon.errors import BrokerUnavailable


class Book(MemoryBroker):
    """A broker that notes what it is told together, and cannot be reached when that is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[list[tuple[str, bool]]] = []
        self.away = False

    async def attend(self, changes: Sequence[Attendance]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise BrokerUnavailable("away")
        self.told.append([(each.connection, each.present) for each in changes])
        await super().attend(changes)


class Watcher:
    """Hears joins and leaves."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def deliver(self, batch: Batch) -> None:
        self.heard += [(each.event, each.data[each.event]["user"]) for each in batch.publications]

    def cut_off(self) -> None: ...


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def hub(book: Book) -> AsyncIterator[Hub]:
    hub = Hub(book)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def watcher(hub: Hub) -> Watcher:
    watcher = Watcher()
    await hub.subscribe(presence_channel("room"), watcher)
    return watcher


async def cycles() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def members(book: Book) -> list[tuple[str, int]]:
    return [(each.user, each.connections) for each in await book.members("room", 10)]


async def test_enters_and_leaves(hub: Hub, book: Book, watcher: Watcher) -> None:
    """Who enters is known when entering returns; who leaves without grace is gone at once."""
    await hub.attending.enter("room", "1", Member("ann", {"name": "Ann"}))
    assert await members(book) == [("ann", 1)]
    hub.attending.leave("room", "1", grace=0)
    hub.attending.leave("room", "1", grace=0)
    await cycles()
    assert await members(book) == []
    assert watcher.heard == [("join", "ann"), ("leave", "ann")]


async def test_several_connections(hub: Hub, book: Book, watcher: Watcher) -> None:
    """One user's connections are one member; the last one's end is the leave."""
    for connection in "12":
        await hub.attending.enter("room", connection, Member("ann"))
    hub.attending.leave("room", "1", grace=0)
    await cycles()
    assert await members(book) == [("ann", 1)]
    hub.attending.leave("room", "2", grace=0)
    await cycles()
    assert watcher.heard == [("join", "ann"), ("leave", "ann")]


async def test_reload(hub: Hub, book: Book, watcher: Watcher) -> None:
    """Who comes back within the grace has neither left nor joined, and counts once."""
    await hub.attending.enter("room", "1", Member("ann"))
    hub.attending.leave("room", "1", grace=60)
    await cycles()
    assert await members(book) == [("ann", 1)]
    assert repr(hub.attending) == "<Attending 1 here, 1 lingering>"
    await hub.attending.enter("room", "2", Member("ann"))
    await cycles()
    assert await members(book) == [("ann", 1)]
    assert watcher.heard == [("join", "ann")]
    assert repr(hub.attending) == "<Attending 1 here, 0 lingering>"


async def test_grace_ends(hub: Hub, book: Book, watcher: Watcher) -> None:
    """Who does not come back has left when the grace is over; another user's coming changes nothing."""
    await hub.attending.enter("room", "1", Member("ann"))
    hub.attending.leave("room", "1", grace=0.001)
    await hub.attending.enter("room", "2", Member("bob"))
    async with asyncio.timeout(5):
        while await members(book) != [("bob", 1)]:  # noqa: ASYNC110 - only a timer ends it
            await asyncio.sleep(0.001)
    await cycles()
    assert watcher.heard == [("join", "ann"), ("join", "bob"), ("leave", "ann")]


async def test_changes_its_user(hub: Hub, book: Book, watcher: Watcher) -> None:
    """A connection that leaves and enters at once as somebody else is one member, and both are told."""
    await hub.attending.enter("room", "1", Member("ann"))
    hub.attending.leave("room", "1", grace=0)
    await hub.attending.enter("room", "1", Member("bob"))
    assert await members(book) == [("bob", 1)]
    await hub.attending.enter("room", "1", Member("cid"))
    assert await members(book) == [("cid", 1)]
    await cycles()
    assert watcher.heard == [
        ("join", "ann"),
        ("leave", "ann"),
        ("join", "bob"),
        ("leave", "bob"),
        ("join", "cid"),
    ]


@pytest.mark.parametrize("wrong", [Member("ann", object()), Member(5), Member("\ud800"), "ann"])  # type: ignore[arg-type]
async def test_no_member(hub: Hub, book: Book, wrong: Member) -> None:
    """Who cannot be told of is refused, and stands in nobody's way."""
    with pytest.raises(TypeError, match="'room'"):
        await hub.attending.enter("room", "1", wrong)
    await hub.attending.enter("room", "2", Member("bob"))
    assert await members(book) == [("bob", 1)]


async def test_told_together(hub: Hub, book: Book) -> None:
    """What comes and goes in one tick is told together, in parts of a bounded size."""
    await asyncio.gather(
        *(hub.attending.enter("room", str(n), Member(f"u{n}")) for n in range(TOGETHER + 10))
    )
    assert [len(each) for each in book.told] == [TOGETHER, 10]


async def test_broker_is_away(hub: Hub, book: Book) -> None:
    """Who enters meanwhile is told so; what the broker was not told it is told when it is looked after."""
    await hub.attending.enter("room", "1", Member("ann"))
    book.away = True
    with pytest.raises(BrokerUnavailable):
        await hub.attending.enter("room", "2", Member("bob"))
    hub.attending.leave("room", "1", grace=0)
    await cycles()
    assert await members(book) == [("ann", 1)]
    book.away = False
    hub.attending.tell_rest()
    await cycles()
    assert await members(book) == [("bob", 1)]


async def test_said_again(hub: Hub, book: Book) -> None:
    """A broker that has forgotten everybody knows all again when it is restored."""
    for user in ("ann", "bob"):
        await hub.attending.enter("room", user, Member(user))
    book._present.clear()
    hub.restored()
    await cycles()
    assert await members(book) == [("ann", 1), ("bob", 1)]


async def test_stop(hub: Hub, book: Book) -> None:
    """A hub that stops says no leaves: after a restart nobody has left and joined."""
    await hub.attending.enter("room", "1", Member("ann"))
    hub.attending.leave("room", "1", grace=60)
    await hub.stop()
    assert book.told == [[("1", True)]]


async def test_a_hundred_thousand() -> None:
    """A channel of 100 000 members: a page costs as many members as it has, the count none."""

    class Counted(str):
        """A cursor; comparisons with it are counted."""

        compared = 0

        def __lt__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__lt__(self, other)  # type: ignore[operator]

    broker, number = MemoryBroker(), 100_000
    users = [f"u{n:06}" for n in range(number)]
    for start in range(0, number, 1000):
        await broker.attend([Attendance("room", user, user) for user in users[start : start + 1000]])
    assert (await broker.members("room", 0)).count == number
    seen, cursor = 0, None
    for page in range(1, 11):
        roll = await broker.members("room", 100, cursor)
        assert roll.cursor is not None
        seen, cursor = seen + len(roll), Counted(roll.cursor)
        assert roll.members[-1].user == f"u{page * 100 - 1:06}"
    assert seen == 1000
    # A search for where each page begins, and nothing for each member of the channel.
    assert 0 < Counted.compared <= 10 * 20
    await broker.attend([Attendance("room", user, user, present=False) for user in users[:50]])
    assert (await broker.members("room", 0)).count == number - 50
