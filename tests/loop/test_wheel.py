"""The timer wheel, its ticks driven by hand; and what stands on it for a connection."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from antiphon.connection.transports.guard import Guard
from antiphon.connection.transports.watch import Watch
from antiphon.errors import ProtocolError
from antiphon.limits import Timeouts
from antiphon.loop import Wheel, wheel_of


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop whose one timer is called by hand."""

    def __init__(self) -> None:
        self.timer: Timer | None = None
        self.callback: Callable[[], None]

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        assert delay == 1.0
        self.timer, self.callback = Timer(), callback
        return self.timer

    @property
    def turning(self) -> bool:
        return self.timer is not None and not self.timer.cancelled

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.turning
            self.callback()

    def tick_out(self, times: int) -> None:
        """Tick so many times, or until there is nothing left to turn for."""
        for _ in range(times):
            if self.turning:
                self.callback()


class Member:
    """Notes when its turn came."""

    def __init__(self, wheel: Wheel, *delays: float) -> None:
        self.slot: int | None = None
        self.turns: list[float] = []
        self._wheel = wheel
        self._delays = list(delays)
        wheel.add(self, self._delays.pop(0))

    def turn(self) -> float | None:
        self.turns.append(self._wheel.now)
        return self._delays.pop(0) if self._delays else None


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def wheel(loop: Loop) -> Wheel:
    return Wheel(loop)  # type: ignore[arg-type]


def test_turns(loop: Loop, wheel: Wheel) -> None:
    """A turn comes after its delay, rounded up; one added within a tick comes a tick later."""
    assert not loop.turning
    first = Member(wheel, 2)
    late, fraction = Member(wheel, 2), Member(wheel, 0.1)
    loop.tick(2)
    assert (first.turns, late.turns, fraction.turns) == ([2], [], [2])
    loop.tick()
    assert late.turns == [3]
    assert not loop.turning


def test_comes_again(loop: Loop, wheel: Wheel) -> None:
    """Who returns a delay stays on the wheel, without drifting."""
    member = Member(wheel, 1, 3, 3, 0)
    loop.tick(8)
    assert member.turns == [1, 4, 7, 8]
    assert not loop.turning


def test_leaves(loop: Loop, wheel: Wheel) -> None:
    """Who is removed gets no turn; removing twice is no harm; an empty wheel stands still for a while."""
    staying, leaving = Member(wheel, 2), Member(wheel, 1)
    wheel.remove(leaving)
    wheel.remove(leaving)
    assert repr(wheel) == "<Wheel with 1 on it>"
    loop.tick(2)
    assert (staying.turns, leaving.turns) == ([2], [])
    assert not loop.turning
    again = Member(wheel, 1)
    loop.tick()
    assert again.turns == [3]


def test_leaves_in_its_turn(loop: Loop, wheel: Wheel) -> None:
    """A member may take another, that has its turn in the same tick or later, off the wheel."""
    other = Member(wheel, 2)

    class Remover(Member):
        def turn(self) -> float | None:
            wheel.remove(other)
            return super().turn()

    remover = Remover(wheel, 0.5)
    loop.tick(2)
    assert remover.turns == [2]
    assert repr(wheel) == "<Wheel with 0 on it>"


async def test_one_for_a_loop() -> None:
    """Each event loop has one."""
    running = asyncio.get_running_loop()
    assert wheel_of(running) is wheel_of(running)


class Connection:
    """A connection that is looked after."""

    def __init__(self) -> None:
        self.heard = False
        self.open = True
        self.reading = True
        self.unfinished: object | None = None
        self.unsent = 0
        self.pings = 0
        self.code: int | None = None

    def ping(self) -> None:
        self.pings += 1

    def fail(self, error: ProtocolError) -> None:
        self.code = error.code
        self.open = False


TIMES = Timeouts(ping_interval=5, ping=3, message=4)


@pytest.fixture
def connection() -> Connection:
    return Connection()


def test_silent_peer(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that says nothing is pinged, once, and given up when it does not answer."""
    Watch(connection, TIMES, wheel, None)
    loop.tick(5)
    assert (connection.pings, connection.code) == (1, None)
    loop.tick(3)
    assert (connection.pings, connection.code) == (1, 1011)
    assert not loop.turning


def test_peer_that_takes_nothing(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that takes nothing of what waits for it is given up as one that is silent is."""
    Watch(connection, TIMES, wheel, None)
    connection.unsent = 1_000_000
    loop.tick(8)
    assert connection.code == 1011


def test_peer_that_takes_what_waits(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that takes a part of what waits for it is there, however slowly and silently."""
    connection.unsent = 1_000_000
    Watch(connection, TIMES, wheel, None)
    for _ in range(100):
        connection.unsent -= 1
        loop.tick()
    assert (connection.pings, connection.code) == (100 // 5, None)


def test_ponging_peer(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that answers every ping stays; the pings are an interval apart."""
    Watch(connection, TIMES, wheel, None)
    for _ in range(100):
        pings = connection.pings
        loop.tick()
        connection.heard = connection.heard or connection.pings > pings
    assert connection.code is None
    assert connection.pings == 100 // 5


@pytest.mark.parametrize("ping", [2, 5, 12])
def test_interval(loop: Loop, wheel: Wheel, connection: Connection, ping: float) -> None:
    """Pings are an interval apart, however long an answer may take; a missing one is noticed in time."""
    Watch(connection, Timeouts(ping_interval=5, ping=ping), wheel, None)
    for second in range(1, 101):
        loop.tick()
        assert connection.pings == second // 5
        connection.heard = connection.heard or second % 5 == 1
    # The ping of second 100 is never answered.
    assert (connection.heard, connection.code) == (False, None)
    loop.tick_out(int(ping))
    assert connection.code == 1011


def test_talking_peer(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that talks is pinged as well: a proxy may wait for what comes from this side."""
    Watch(connection, TIMES, wheel, None)
    for _ in range(50):
        connection.heard = True
        loop.tick()
    assert (connection.pings, connection.code) == (50 // 5, None)


def test_held_back_peer(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A peer that this side does not read cannot answer, nor finish a message: it is not given up."""
    connection.reading = False
    connection.unfinished = object()
    Watch(connection, TIMES, wheel, None)
    loop.tick(50)
    assert (connection.pings, connection.code) == (50 // 5, None)
    connection.reading = True
    loop.tick_out(20)
    assert connection.code == 1008


def test_unfinished_message(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """One message that stays unfinished ends the connection, however much comes; ever new ones do not."""
    Watch(connection, TIMES, wheel, None)
    for _ in range(50):
        connection.heard, connection.unfinished = True, object()
        loop.tick()
    assert connection.code is None
    for _ in range(2 * 4):
        connection.heard = True
        loop.tick_out(1)
    assert connection.code == 1008


def test_without_pings(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """Without pings a peer may be silent for ever; the wheel looks after its messages alone."""
    Watch(connection, Timeouts(ping_interval=None, message=4), wheel, None)
    loop.tick(100)
    assert (connection.pings, connection.code) == (0, None)


def test_closed(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """A connection that has closed is not looked after any more."""
    Watch(connection, TIMES, wheel, None)
    connection.open = False
    loop.tick_out(5)
    assert not loop.turning
    watch = Watch(connection, TIMES, wheel, None)
    watch.stop()
    assert repr(wheel) == "<Wheel with 0 on it>"


class Receiver:
    def __init__(self) -> None:
        self.got: list[Any] = []

    def messages_received(self, messages: Any) -> None:
        self.got.extend(messages)

    def connection_lost(self, code: int, reason: str) -> None:
        self.got.append(code)


def test_idle_peer(loop: Loop, wheel: Wheel, connection: Connection) -> None:
    """Where peers may not be silent, pongs keep none; messages do."""
    guard = Guard(Receiver(), None, lambda: 0.0)
    Watch(connection, Timeouts(ping_interval=5, ping=3, idle=7), wheel, guard)
    for _ in range(50):
        guard.messages_received(["x"])
        connection.heard = True
        loop.tick()
    assert connection.code is None
    for _ in range(2 * 7):
        connection.heard = True
        loop.tick_out(1)
    assert connection.code == 1001


def test_rate() -> None:
    """Messages are counted over ten seconds; the one too many is not handed on, nor is any after it."""
    now = 0.0
    receiver = Receiver()
    guard = Guard(receiver, 2, lambda: now)
    for start in (0.0, 10.0, 25.0):
        now = start
        guard.messages_received(["x"] * 15)
        now = start + 9
        guard.messages_received(["x"] * 5)
    with pytest.raises(ProtocolError) as caught:
        guard.messages_received(["too many"])
    assert caught.value.code == 1008
    guard.connection_lost(1008, "")
    assert receiver.got == ["x"] * 60 + [1008]
