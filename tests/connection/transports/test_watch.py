"""Looking after a connection, on a wheel that is turned by hand."""

import asyncio

import pytest

from antiphon import Timeouts
from antiphon.connection.transports.watch import Watch
from antiphon.errors import ProtocolError
from antiphon.loop import Wheel

TIMEOUTS = Timeouts(ping_interval=5, ping=3)


class Silent:
    """A peer that says nothing."""

    open = True
    reading = True
    unfinished = None

    def __init__(self, unsent: int = 0) -> None:
        self.heard = False
        self.unsent = unsent
        self.pings = 0
        self.failed = ""

    def ping(self) -> None:
        self.pings += 1

    def fail(self, error: ProtocolError) -> None:
        self.open = False
        self.failed = error.reason


async def look(connection: Silent, seconds: int, taken: int = 0) -> int:
    """Let a peer take so many bytes each second; return after how many seconds it was given up."""
    wheel = Wheel(asyncio.get_running_loop())
    watch = Watch(connection, TIMEOUTS, wheel, None)
    passed = 0
    while passed < seconds and connection.open:
        connection.unsent -= taken
        wheel._tick()
        passed += 1
    watch.stop()
    return passed


@pytest.mark.parametrize("unsent", [0, 1_000_000])
async def test_no_answer(unsent: int) -> None:
    """Who neither answers a ping nor takes what waits for it is given up."""
    peer = Silent(unsent)
    assert await look(peer, 60) <= 10
    assert (peer.failed, peer.pings) == ("no answer to a ping", 1)


async def test_takes_what_waits() -> None:
    """Who takes a part of what waits for it is there, however slowly."""
    peer = Silent(1_000_000)
    assert await look(peer, 60, taken=1) == 60
    assert peer.pings > 10
