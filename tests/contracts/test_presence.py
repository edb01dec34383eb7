"""What every broker promises of presence: members are users, joins and leaves are told once."""

import random

from antiphon.channels import Attendance, Broker, Member, presence_channel
from tests.contracts.conftest import Brokers


def comes(user: str, connection: str, info: object = None, channel: str = "room") -> Attendance:
    return Attendance(channel, connection, user, info)


def goes(user: str, connection: str, channel: str = "room") -> Attendance:
    return Attendance(channel, connection, user, present=False)


async def everybody(broker: Broker, channel: str = "room", limit: int = 1000) -> list[Member]:
    found: list[Member] = []
    cursor = None
    while True:
        roll = await broker.members(channel, limit, cursor)
        found += roll.members
        cursor = roll.cursor
        if cursor is None:
            assert len(found) == roll.count
            return found


async def test_nobody(brokers: Brokers) -> None:
    """A channel that nobody entered has no members."""
    broker, _ = await brokers.start()
    roll = await broker.members("room", 10)
    assert (roll.members, roll.count, roll.cursor) == ((), 0, None)


async def test_members(brokers: Brokers) -> None:
    """Members are users, with the number of their connections and what was said of them last."""
    broker, _ = await brokers.start()
    await broker.attend(
        [comes("ann", "1", {"name": "Ann"}), comes("bob", "2"), comes("ann", "3", {"name": "A."})]
    )
    members = {each.user: each for each in await everybody(broker)}
    assert members == {"ann": Member("ann", {"name": "A."}, 2), "bob": Member("bob", None, 1)}
    await broker.attend([goes("ann", "1"), goes("bob", "2")])
    assert [(each.user, each.connections) for each in await everybody(broker)] == [("ann", 1)]
    assert (await broker.members("elsewhere", 10)).count == 0


async def test_twice(brokers: Brokers) -> None:
    """Coming twice is once; going without having come is nothing."""
    broker, _ = await brokers.start()
    await broker.attend([comes("ann", "1"), comes("ann", "1"), goes("bob", "7"), goes("ann", "7")])
    assert await everybody(broker) == [Member("ann", None, 1)]
    await broker.attend([goes("ann", "1"), goes("ann", "1")])
    assert await everybody(broker) == []


async def test_joins_and_leaves(brokers: Brokers) -> None:
    """A user's first connection is a join, the end of the last one a leave; each is told once."""
    broker, ear = await brokers.start()
    await broker.subscribe(presence_channel("room"))
    await broker.attend([comes("ann", "1", {"a": 1})])
    await broker.attend([comes("ann", "2", {"a": 2}), comes("bob", "3")])
    await broker.attend([goes("ann", "1"), goes("bob", "3")])
    await broker.attend([goes("ann", "2")])
    assert await ear.hears(4) == [
        {"join": {"user": "ann", "info": {"a": 1}}},
        {"join": {"user": "bob", "info": None}},
        {"leave": {"user": "bob", "info": None}},
        {"leave": {"user": "ann", "info": {"a": 2}}},
    ]
    assert [each.event for each in ear.publications] == ["join", "join", "leave", "leave"]


async def test_pages(brokers: Brokers) -> None:
    """Members are read in parts, none twice and none left out."""
    broker, _ = await brokers.start()
    users = [f"u{n}" for n in range(57)]
    random.Random(1).shuffle(users)
    await broker.attend([comes(user, f"c-{user}") for user in users])
    found = [each.user for each in await everybody(broker, limit=10)]
    assert sorted(found) == sorted(users)
    roll = await broker.members("room", 0)
    assert (roll.members, roll.count) == ((), 57)


async def test_a_second_hub(brokers: Brokers) -> None:
    """A user with connections at two hubs is one member, and leaves with the last of them."""
    one, ear = await brokers.start()
    if not one.spans_processes:
        return
    two, _ = await brokers.start()
    await one.subscribe(presence_channel("room"))
    await one.attend([comes("ann", "1")])
    await two.attend([comes("ann", "2"), comes("bob", "3")])
    for broker in (one, two):
        assert {each.user: each.connections for each in await everybody(broker)} == {"ann": 2, "bob": 1}
    await one.attend([goes("ann", "1")])
    await two.attend([goes("ann", "2")])
    assert [next(iter(each)) for each in await ear.hears(3)] == ["join", "join", "leave"]  # type: ignore[call-overload]
    assert [each.user for each in await everybody(one)] == ["bob"]
