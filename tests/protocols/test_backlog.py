"""The backlog: what waits for a slow reader, by the policy of its channel, within its bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import Antiphon, Limits, Overflow, WebSocket
from antiphon.channels import Batch, Publication, Statistics
from antiphon.protocols.backlog import OVERHEAD, Backlog, DroppingSubscriber
from antiphon.protocols.raw import Form, bare, enveloped
from antiphon.testing import TestClient, TestWebSocket

SIZE = 100
#: What the outbox takes before the peer counts as slow, and what it can take at most.
HIGH_WATER, OUTBOX = 400, 2000

DROPPING = [Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.LATEST]


@dataclass
class Slow:
    """A peer that reads only when it is told to, and what waits for it."""

    peer: TestWebSocket
    ws: WebSocket
    backlog: Backlog
    statistics: Statistics
    told: list[tuple[str, int]] = field(default_factory=list)

    def subscriber(self, policy: Overflow, channel: str = "c", form: Form = enveloped) -> DroppingSubscriber:
        return DroppingSubscriber(self.ws, form, channel, policy, self.backlog)

    async def read(self) -> list[dict[str, object]]:
        """All that comes, as objects, until nothing more does."""
        found = []
        while True:
            await cycles()
            if not self.peer.unread:
                return found
            found.append(msgspec.json.decode(await self.peer.receive()))


@asynccontextmanager
async def slow(limit: int = 3 * (SIZE + OVERHEAD)) -> AsyncIterator[Slow]:
    app = Antiphon(limits=Limits(outbox=OUTBOX, high_water=HIGH_WATER))
    here: asyncio.Future[WebSocket] = asyncio.get_running_loop().create_future()

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.accept()
        here.set_result(ws)
        await ws.receive()

    async with TestClient(app) as client, client.websocket("/", buffer=1) as peer:
        ws, statistics = await here, Statistics()
        told: list[tuple[str, int]] = []
        backlog = Backlog(ws, limit, statistics, lambda channel, number: told.append((channel, number)))
        yield Slow(peer, ws, backlog, statistics, told)
        backlog.close()


def publication(number: int, key: str | None = None, *, channel: str = "c", size: int = SIZE) -> Publication:
    return Publication(channel, f"{number:<{size}}", key=key)


def numbers(messages: list[dict[str, object]]) -> list[int]:
    return [int(each["data"]) for each in messages]  # type: ignore[call-overload]


def drops(messages: list[dict[str, object]]) -> dict[int, object]:
    """Before which publication how many are told to be dropped."""
    return {int(each["data"]): each["dropped"] for each in messages if "dropped" in each}  # type: ignore[call-overload]


async def publish(subscriber: DroppingSubscriber, first: int, last: int) -> None:
    for number in range(first, last + 1):
        subscriber.deliver(Batch([publication(number)], alone=True))
        await asyncio.sleep(0)


async def lag(subscriber: DroppingSubscriber, backlog: Backlog) -> int:
    """Publish until the peer counts as slow; return the number of the last publication."""
    for number in range(1, 100):
        await publish(subscriber, number, number)
        await cycles()
        if backlog.holds:
            return number
    raise AssertionError("the outbox takes everything")


async def cycles() -> None:
    """Let the event loop come round until all that can be done is done."""
    for _ in range(20):
        await asyncio.sleep(0)


class TestPolicies:
    """What a slow reader gets, and what it is told."""

    async def test_keeps_up(self) -> None:
        """Who reads gets everything, and nothing waits."""
        async with slow() as here:
            subscriber, found = here.subscriber(Overflow.DROP_OLDEST), []
            for number in range(1, 51):
                subscriber.deliver(Batch([publication(number)], alone=True))
                found += await here.read()
                assert here.backlog.size == 0
            assert numbers(found) == list(range(1, 51))
            assert drops(found) == {}

    async def test_drop_oldest(self) -> None:
        """What waits longest is dropped, and told with the one after the gap."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.DROP_OLDEST)
            last = await lag(subscriber, here.backlog)
            await publish(subscriber, last + 1, last + 10)
            found = await here.read()
            assert numbers(found) == [*range(1, last + 1), last + 8, last + 9, last + 10]
            assert drops(found) == {last + 8: 7}
            assert here.told == [("c", 7)]
            assert here.statistics.dropped == 7

    async def test_drop_newest(self) -> None:
        """What comes is dropped, and told with the one after the gap."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.DROP_NEWEST)
            last = await lag(subscriber, here.backlog)
            await publish(subscriber, last + 1, last + 10)
            assert here.statistics.dropped == 7
            found = await here.read()
            assert numbers(found) == list(range(1, last + 4))
            assert (drops(found), here.told) == ({}, [])
            await publish(subscriber, last + 11, last + 12)
            found = await here.read()
            assert numbers(found) == [last + 11, last + 12]
            assert drops(found) == {last + 11: 7}
            assert here.told == [("c", 7)]

    async def test_latest(self) -> None:
        """Of what waits only the newest of each event and key stays, at the place of its coming."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.LATEST)
            last = await lag(subscriber, here.backlog)
            for number, key in enumerate("abaacab", start=last + 1):
                subscriber.deliver(Batch([publication(number, key)], alone=True))
            assert repr(here.backlog) == f"<Backlog 3 publications, {3 * (SIZE + OVERHEAD)} of 900 bytes>"
            found = (await here.read())[last:]
            assert numbers(found) == [last + 5, last + 6, last + 7]
            assert drops(found) == {last + 5: 4}
            assert here.statistics.dropped == 4

    async def test_latest_by_event(self) -> None:
        """The same key of another event is another thing."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.LATEST)
            last = await lag(subscriber, here.backlog)
            for number, event in enumerate(("moved", "said", "moved"), start=last + 1):
                one = Publication("c", f"{number}", event=event, key="k")
                subscriber.deliver(Batch([one], alone=True))
            assert numbers(await here.read())[last:] == [last + 2, last + 3]

    async def test_bare(self) -> None:
        """In bare form the drops are told by an object of their own before the next one."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.DROP_OLDEST, form=bare)
            last = await lag(subscriber, here.backlog)
            await publish(subscriber, last + 1, last + 4)
            assert (await here.read())[last:] == [
                {"channel": "c", "dropped": 1},
                last + 2,
                last + 3,
                last + 4,
            ]


class TestBounds:
    """What waits is bounded, and nobody is disconnected for it."""

    async def test_larger_than_the_backlog(self) -> None:
        """What cannot wait at all is dropped, and what waits stays."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.DROP_OLDEST)
            last = await lag(subscriber, here.backlog)
            await publish(subscriber, last + 1, last + 2)
            subscriber.deliver(Batch([publication(0, size=1000)]))
            await publish(subscriber, last + 3, last + 3)
            found = (await here.read())[last:]
            assert numbers(found) == [last + 1, last + 2, last + 3]
            assert sum(map(int, drops(found).values())) == 1  # type: ignore[call-overload]

    @pytest.mark.parametrize("policy", DROPPING)
    async def test_larger_than_the_outbox(self, policy: Overflow) -> None:
        """A batch for which the outbox has no room waits, or is dropped; the peer is not disconnected."""
        async with slow() as here:
            subscriber = here.subscriber(policy)
            here.ws.send_nowait({"data": "0"})
            here.ws.send_nowait({"data": "0"})
            batch = Batch([publication(number, str(number)) for number in range(1, 41)])
            assert batch.form(enveloped).size > OUTBOX
            subscriber.deliver(batch)
            subscriber.deliver(Batch([publication(41, "41")]))
            found = (await here.read())[2:]
            assert not here.ws.closed
            assert len(found) + here.statistics.dropped == 41
            assert len(found) == 3

    async def test_text_is_measured_in_bytes(self) -> None:
        """A character of four bytes counts as four."""
        async with slow(limit=1000) as here:
            subscriber = here.subscriber(Overflow.DROP_OLDEST)
            await lag(subscriber, here.backlog)
            subscriber.deliver(Batch([Publication("c", "😀" * 100)]))
            assert here.backlog.size == 400 + OVERHEAD

    @settings(max_examples=50)
    @given(st.data())
    async def test_any_order(self, data: st.DataObject) -> None:
        """Whatever is published and read, the bound holds, each publication is received or told as dropped,
        and what is received of a channel keeps its order."""
        policies = {"a": data.draw(st.sampled_from(DROPPING)), "b": data.draw(st.sampled_from(DROPPING))}
        limit = data.draw(st.integers(OVERHEAD // 2, 2000))
        async with slow(limit) as here:
            subscribers = {name: here.subscriber(policy, name) for name, policy in policies.items()}
            published = dict.fromkeys(policies, 0)
            newest: dict[tuple[str, str], int] = {}
            found = []
            for step in data.draw(st.lists(st.sampled_from("aaabbbr"), max_size=40)):
                if step == "r":
                    found += await here.read()
                    continue
                batch = []
                for _ in range(data.draw(st.integers(1, 6))):
                    published[step] += 1
                    key = data.draw(st.sampled_from("xyz"))
                    batch.append(
                        publication(published[step], key, channel=step, size=data.draw(st.integers(5, 200)))
                    )
                    newest[step, key] = published[step]
                subscribers[step].deliver(Batch(batch))
                await asyncio.sleep(0)
                assert here.backlog.size <= limit
            found += await here.read()
            # The drops of what came last are told with what comes next.
            for name in policies:
                published[name] += 1
                subscribers[name].deliver(Batch([publication(published[name], channel=name, size=5)]))
                found += await here.read()
            assert not here.ws.closed
            assert here.backlog.size == 0
            for name in policies:
                mine = [each for each in found if each["channel"] == name]
                assert numbers(mine) == sorted(set(numbers(mine)))
                told = sum(map(int, drops(mine).values()))  # type: ignore[call-overload]
                assert len(mine) + told == published[name]
                assert sum(number for channel, number in here.told if channel == name) == told
            assert here.statistics.dropped == sum(number for _, number in here.told)


class TestEnds:
    """Nothing is kept for who is not there any more."""

    async def test_unsubscribed(self) -> None:
        """What waits for a subscription that ends is let go; what it was not told yet is told to others."""
        async with slow() as here:
            one, two = here.subscriber(Overflow.DROP_OLDEST, "one"), here.subscriber(Overflow.LATEST, "two")
            last = await lag(one, here.backlog)
            await publish(one, last + 1, last + 4)
            here.backlog.forget(one)
            assert here.backlog.size == 0
            assert here.told == [("one", 1)]
            two.deliver(Batch([publication(7, channel="two")]))
            assert numbers(await here.read())[last:] == [7]
            assert here.statistics.dropped == 1

    async def test_disconnected(self) -> None:
        """What comes for a connection that has ended goes nowhere."""
        async with slow() as here:
            subscriber = here.subscriber(Overflow.DROP_OLDEST)
            last = await lag(subscriber, here.backlog)
            await here.peer.close()
            await cycles()
            assert here.ws.closed
            await publish(subscriber, last + 1, last + 10)
            assert here.statistics.dropped == 0
