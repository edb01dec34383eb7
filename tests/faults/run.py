"""One run: a crowd, faults by a seeded schedule, quiet, and the judgement."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from antiphon import Position
from antiphon.testing.guarantees import Ledger, Violation
from tests.faults.crowd import Listener, Publisher
from tests.faults.field import WORKERS, Field

#: Seconds that everybody has to come back, and to have everything, when all is well again.
SETTLE = 45.0

#: Seconds between two faults, at least and at most.
APART = (0.3, 1.2)

SMALL, LARGE = 60, 32 * 1024

#: Channels: their name, the number of listeners, the size of publications, and their number in a second.
CHANNELS = (
    ("kept:a", 88, SMALL, 20.0),
    ("kept:b", 88, SMALL, 20.0),
    ("kept:large", 8, LARGE, 10.0),
    ("oldest:large", 8, LARGE, 10.0),
    ("newest:large", 4, LARGE, 10.0),
    ("latest:large", 4, LARGE, 10.0),
)


@dataclass(frozen=True)
class Report:
    """What a run was like, and what is wrong."""

    violations: list[Violation]
    behind: list[str]
    happened: list[str]
    published: int
    uncertain: int
    received: int
    told_dropped: int
    verdicts: Counter[str]
    closed: Counter[int]
    statistics: list[dict[str, Any]]

    def __str__(self) -> str:
        lines = [
            f"{len(self.happened)} faults: {'; '.join(self.happened)}",
            f"{self.published} published, {self.uncertain} attempts uncertain, {self.received} received",
            f"subscriptions: {dict(self.verdicts)}; drops told: {self.told_dropped}",
            f"closed: {dict(self.closed)}",
            *map(str, self.statistics),
            *(f"BEHIND {each}" for each in self.behind),
            *(f"VIOLATION {each}" for each in self.violations[:50]),
            f"{len(self.violations)} violations",
        ]
        return "\n".join(lines)


async def run(seed: int, seconds: float, *, redis: bool) -> Report:
    """Let things fail for so long; then wait until all is well, and judge."""
    chance = random.Random(seed)
    ledgers = {name: Ledger() for name, *_ in CHANNELS}
    async with Field(redis=redis) as field, asyncio.TaskGroup() as group:
        listeners = [
            Listener(
                ledgers[name].witness(f"{name} {n}"), name, field.workers, random.Random(f"{seed}{name}{n}")
            )
            for name, number, *_ in CHANNELS
            for n in range(number)
        ]
        listening = [group.create_task(each.run()) for each in listeners]
        publishers = [
            Publisher(ledgers[name], name, size, rate, field.workers, random.Random(f"{seed}{name}"))
            for name, _, size, rate in CHANNELS
        ]
        await come(listeners)
        deadline = time.monotonic() + seconds
        publishing = [group.create_task(each.run(lambda: time.monotonic() < deadline)) for each in publishers]
        await let_fail(schedule(chance, field, listeners), chance, deadline)
        await asyncio.gather(*publishing)
        until = {name: await where(field, name) for name in ledgers}
        behind = await settle(listeners, until)
        statistics = [await ask(field, number, "/statistics") for number in range(len(field.workers))]
        for task in listening:
            task.cancel()
    violations = [
        each
        for name, ledger in ledgers.items()
        for each in ledger.violations(None if name.startswith("newest") else until[name])
    ]
    return report(violations, behind, field, publishers, ledgers, listeners, statistics)


async def come(listeners: list[Listener]) -> None:
    """Wait until everybody listens."""
    async with asyncio.timeout(SETTLE):
        while not all(each.connected and each.witness.visits for each in listeners):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def let_fail(
    faults: Iterator[Coroutine[Any, Any, None]], chance: random.Random, deadline: float
) -> None:
    """Have one fault begin after the other, whether or not the one before is over."""
    async with asyncio.TaskGroup() as group:
        while time.monotonic() < deadline:
            group.create_task(next(faults))
            await asyncio.sleep(chance.uniform(*APART))


def schedule(
    chance: random.Random, field: Field, listeners: list[Listener]
) -> Iterator[Coroutine[Any, Any, None]]:
    """What goes wrong, one after the other, without end; each kind at least once in so many."""

    async def drop() -> None:
        for each in chance.sample(listeners, 40):
            each.drop()

    async def slow() -> None:
        large = [each for each in listeners if each.channel.endswith("large")]
        for each in chance.sample(large, 12):
            each.pause = chance.uniform(2, 5)

    kinds: list[Callable[[], Coroutine[Any, Any, None]]] = [
        drop,
        drop,
        slow,
        lambda: field.kill_worker(chance.randrange(WORKERS), chance.uniform(0, 1)),
        lambda: field.restart_redis(chance.uniform(0, 1), with_data=True),
        lambda: field.restart_redis(chance.uniform(0, 1), with_data=False),
        lambda: field.cut(chance.randrange(WORKERS)),
        lambda: field.part(chance.randrange(WORKERS), chance.uniform(0.5, 2)),
        lambda: field.stall(chance.randrange(WORKERS), chance.uniform(0.5, 2)),
    ]
    while True:
        chance.shuffle(kinds)
        for kind in kinds:
            yield kind()


async def settle(listeners: list[Listener], until: dict[str, Position]) -> list[str]:
    """Wait until everybody is there and has everything; who is not in time."""
    deadline = time.monotonic() + SETTLE
    while True:
        behind = [each for each in listeners if not has_all(each, until[each.channel])]
        if not behind or time.monotonic() > deadline:
            return [
                f"{each.witness} at {each.witness.position}, not {until[each.channel]}" for each in behind
            ]
        await asyncio.sleep(0.1)


def has_all(listener: Listener, until: Position) -> bool:
    here = listener.witness.position
    if not listener.connected or here is None:
        return False
    # What was dropped last is told with the next publication, and there is none.
    newest = listener.channel.startswith("newest")
    return here == until or (newest and here.epoch == until.epoch)


async def ask(field: Field, number: int, path: str) -> Any:
    """Ask a worker, until it can answer."""
    async with httpx.AsyncClient() as http, asyncio.timeout(SETTLE):
        while True:
            try:
                response = await http.get(field.workers[number].http(path))
            except httpx.HTTPError:
                """It is not there yet."""
            else:
                if response.status_code == 200:
                    return response.json() if path == "/statistics" else response.text
            await asyncio.sleep(0.1)


async def where(field: Field, channel: str) -> Position:
    return Position.parse(await ask(field, 0, f"/where/{channel}"))


def report(
    violations: list[Violation],
    behind: list[str],
    field: Field,
    publishers: list[Publisher],
    ledgers: dict[str, Ledger],
    listeners: list[Listener],
    statistics: list[dict[str, Any]],
) -> Report:
    visits = [
        visit for ledger in ledgers.values() for witness in ledger.witnesses for visit in witness.visits
    ]
    verdict = {None: "new", True: "recovered", False: "told lost"}
    return Report(
        violations,
        behind,
        field.happened,
        sum(each.confirmed for each in publishers),
        sum(each.uncertain for each in publishers),
        sum(len(each.received) for each in visits),
        sum(got.dropped for each in visits for got in each.received),
        Counter(verdict[each.recovered] for each in visits),
        Counter(code for each in listeners for code in each.closed),
        statistics,
    )
