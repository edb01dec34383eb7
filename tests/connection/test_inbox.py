"""The queue of received messages: order, bounds, and who is woken."""

import asyncio
from sys import getsizeof

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from antiphon.connection import Inbox

LIMIT = 6


class Peer:
    """A source that remembers whether it is held back."""

    def __init__(self) -> None:
        self.paused = False
        self.changes = 0

    def pause_reading(self) -> None:
        assert not self.paused, "paused twice"
        self.paused = True
        self.changes += 1

    def resume_reading(self) -> None:
        assert self.paused, "resumed without a pause"
        self.paused = False
        self.changes += 1


class Model(RuleBasedStateMachine):
    """An inbox beside a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.peer = Peer()
        self.inbox = Inbox(self.peer, LIMIT, 1_000_000)
        self.waiting: list[str] = []
        self.number = 0
        self.full = False

    @rule(count=st.integers(1, 4))
    def put(self, count: int) -> None:
        messages = [str(self.number + each) for each in range(count)]
        self.number += count
        self.inbox.put(messages)
        self.waiting += messages
        self.full = self.full or len(self.waiting) >= LIMIT

    @precondition(lambda self: self.waiting)
    @rule()
    def pop(self) -> None:
        assert self.inbox.pop() == self.waiting.pop(0)
        self.full = self.full and len(self.waiting) > LIMIT // 2

    @rule()
    def clear(self) -> None:
        self.inbox.clear()
        self.waiting.clear()
        self.full = False

    @invariant()
    def agrees(self) -> None:
        assert self.peer.paused is self.inbox.paused is self.full
        assert len(self.inbox) == len(self.waiting)


TestModel = Model.TestCase


def test_pauses_at_the_limit_and_resumes_at_half() -> None:
    """The peer is held back once, when the limit is reached, and let go once, when half is free."""
    peer = Peer()
    inbox = Inbox(peer, 4, 1_000_000)
    for number in range(6):
        inbox.put([str(number)])
    assert (peer.paused, peer.changes) == (True, 1)
    assert repr(inbox) == "<Inbox 6 of 4 paused>"
    while inbox:
        inbox.pop()
    assert (peer.paused, peer.changes) == (False, 2)
    assert repr(inbox) == "<Inbox 0 of 4>"


def test_large_messages_pause_by_their_bytes() -> None:
    """A few large messages hold the peer back as many short ones do."""
    peer = Peer()
    inbox = Inbox(peer, 100, 100_000)
    inbox.put([b"x" * 60_000])
    assert not peer.paused
    inbox.put([b"x" * 60_000])
    assert peer.paused
    inbox.pop()
    assert peer.paused
    inbox.pop()
    assert not peer.paused


def test_text_counts_as_it_is_in_memory() -> None:
    """One character that is not Latin makes a text four times as large."""
    peer = Peer()
    inbox = Inbox(peer, 1_000, 100_000)
    inbox.put(["x" * 24_000 + "\N{GRINNING FACE}"])
    assert not peer.paused
    inbox.put(["x" * 24_000 + "\N{GRINNING FACE}"])
    assert peer.paused
    inbox.pop()
    assert peer.paused
    inbox.pop()
    assert not peer.paused


@pytest.mark.parametrize(
    "reads",
    [
        [["x" * (1_000 - getsizeof(""))]] * 100,
        [["", "x" * 50_000]] * 2,
        [["x" * 50_000, ""]] * 2,
        [["x" * 1_000] * 100],
    ],
)
def test_any_messages_pause_by_their_bytes(reads: list[list[str]]) -> None:
    """Many short messages, and large ones beside short ones, count by their bytes, too."""
    peer = Peer()
    inbox = Inbox(peer, 1_000, 100_000)
    for messages in reads:
        assert not peer.paused
        inbox.put(messages)
    assert peer.paused


async def test_wakes_its_reader() -> None:
    """A reader that waits is woken by a message, and by the end."""
    inbox = Inbox(Peer(), 4, 1_000_000)
    for wake in (lambda: inbox.put(["x"]), inbox.wake):
        waiter = inbox.wait()
        assert not waiter.done()
        wake()
        await asyncio.wait_for(waiter, 1)


async def test_one_reader() -> None:
    """Two readers at once are an error; one after a reader that gave up is not."""
    inbox = Inbox(Peer(), 4, 1_000_000)
    inbox.wait().cancel()
    inbox.wait()
    with pytest.raises(RuntimeError, match="two tasks receive"):
        inbox.wait()
