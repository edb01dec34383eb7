"""Calls from threads: all of them, in order, and the loop's other work in between."""

import asyncio
from itertools import pairwise

from antiphon.loop import mailbox_of
from antiphon.loop.mailbox import IN_A_ROW


async def test_many_calls() -> None:
    """A thread that posts many calls has them made in order, and keeps the loop from nothing else."""
    mailbox, made, done = mailbox_of(asyncio.get_running_loop()), list[int](), asyncio.Event()
    number = 10 * IN_A_ROW
    seen = []

    def post() -> None:
        for each in range(number):
            mailbox.post(made.append, each)
        mailbox.post(done.set)

    await asyncio.to_thread(post)
    async with asyncio.timeout(5):
        while not done.is_set():
            seen.append(len(made))
            await asyncio.sleep(0)
    assert made == list(range(number))
    assert all(later - earlier <= IN_A_ROW for earlier, later in pairwise(seen))


async def test_all_at_once_on_the_loop() -> None:
    """What is posted on the loop itself is made in as many rows as it takes."""
    mailbox, made = mailbox_of(asyncio.get_running_loop()), list[int]()
    for each in range(2 * IN_A_ROW + 1):
        mailbox.post(made.append, each)
    rows = []
    while len(made) <= 2 * IN_A_ROW:
        await asyncio.sleep(0)
        rows.append(len(made))
    assert [each for each in rows if each] == [IN_A_ROW, 2 * IN_A_ROW, 2 * IN_A_ROW + 1]
