"""The bounded send queue: its arithmetic, and who waits for how long."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from antiphon.connection.transports.outbox import Outbox, OutboxFull

LIMIT, HIGH_WATER = 100, 30


class Model(RuleBasedStateMachine):
    """An outbox beside a plain list of sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: Outbox[int] = Outbox(LIMIT, HIGH_WATER)
        self.sizes: list[int] = []
        self.number = 0

    @rule(size=st.integers(0, 2 * LIMIT))
    def put(self, size: int) -> None:
        waiting = sum(self.sizes)
        if waiting and waiting + size > LIMIT:
            with pytest.raises(OutboxFull) as caught:
                self.outbox.put(self.number, size)
            assert caught.value.waiting == waiting
            return
        assert self.outbox.put(self.number, size) is (waiting + size <= HIGH_WATER)
        self.sizes.append(size)
        self.number += 1

    @precondition(lambda self: self.sizes)
    @rule()
    def take(self) -> None:
        assert self.outbox.take() == self.number - len(self.sizes)
        self.sizes.pop(0)

    @rule()
    def clear(self) -> None:
        self.outbox.clear()
        self.sizes.clear()

    @invariant()
    def counts(self) -> None:
        assert self.outbox.size == sum(self.sizes)
        assert len(self.outbox) == len(self.sizes)
        assert bool(self.outbox) is bool(self.sizes)
        assert self.outbox.size <= max(LIMIT, max(self.sizes, default=0))


TestModel = Model.TestCase


@given(st.lists(st.integers(1, 150), min_size=1, max_size=20))
def test_nobody_waits_for_ever(sizes: list[int]) -> None:
    """Whoever waits until it may go on, whatever was refused, is let go by the taking of what waits."""

    async def run() -> list[int]:
        outbox: Outbox[int] = Outbox(LIMIT, HIGH_WATER)
        taken: list[int] = []

        async def send() -> None:
            for number, size in enumerate(sizes):
                while True:
                    try:
                        free = outbox.put(number, size)
                        break
                    except OutboxFull:
                        await outbox.drained()
                if not free:
                    await outbox.drained()

        sending = asyncio.create_task(send())
        while not sending.done() or outbox:
            await asyncio.sleep(0)
            if outbox:
                taken.append(outbox.take())
        await sending
        return taken

    assert asyncio.run(asyncio.wait_for(run(), 5)) == list(range(len(sizes)))


async def test_refused_one_waits_for_its_room() -> None:
    """After a refusal, waiting ends only when what was refused fits, though the high-water mark is far."""
    outbox: Outbox[str] = Outbox(LIMIT, HIGH_WATER)
    assert outbox.put("small", 10)
    with pytest.raises(OutboxFull):
        outbox.put("large", 95)
    waiting = asyncio.create_task(outbox.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.take()
    await waiting
    assert not outbox.put("large", 95)


async def test_clearing_lets_go() -> None:
    """Who waits for room in what is thrown away waits no more."""
    outbox: Outbox[str] = Outbox(LIMIT, HIGH_WATER)
    outbox.put("x", 90)
    waiting = asyncio.create_task(outbox.drained())
    await asyncio.sleep(0)
    outbox.clear()
    await waiting


async def test_no_need_to_wait() -> None:
    """Below the high-water mark nobody waits."""
    outbox: Outbox[str] = Outbox(LIMIT, HIGH_WATER)
    outbox.put("x", HIGH_WATER)
    await outbox.drained()
    assert repr(outbox) == "<Outbox 1 items, 30 of 100 bytes>"


def test_full_says_how_much_waits() -> None:
    """The exception has the waiting bytes."""
    assert "17 bytes wait" in str(OutboxFull(17))
