"""Sending in the background: order, bounds, what fails, and the end."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from antiphon.broadcast import Delivery, Settings, delivery
from antiphon.broadcast.drivers import Driver, Failures, NullDriver
from antiphon.broadcast.lane import TOGETHER, Lane
from antiphon.errors import QueueFull


class Gate(Driver):
    """Sends when it is let; fails for the channel `bad`."""

    def __init__(self) -> None:
        super().__init__(Settings("gate"))
        self.began, self.go_on = threading.Semaphore(0), threading.Event()
        self.runs: list[list[object]] = []

    def send(self, delivery: Delivery) -> Failures:
        return {"bad": LookupError("no")} if "bad" in delivery.channels else {}

    def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Failures | Exception]:
        self.runs.append([each.message for each in deliveries])
        self.began.release()
        assert self.go_on.wait(10)
        return super().send_many(deliveries)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go_on.set()


def soon() -> float:
    return time.monotonic() + 10


def test_order_and_runs(gate: Gate) -> None:
    """What comes while one is being sent is sent after it, in order, several at once."""
    lane = Lane(gate)
    lane.later(delivery("a", 0))
    assert gate.began.acquire(timeout=10)
    for number in range(1, 15):
        lane.later(delivery("a", number))
    assert lane.statistics() == {"waiting": 15, "sent": 0, "failed": 0}
    assert repr(lane) == "<Lane of <Gate 'gate'>, 15 waiting>"
    gate.go_on.set()
    assert lane.drain(soon()) == 0
    assert gate.runs == [[0], [*range(1, 1 + TOGETHER)], [*range(1 + TOGETHER, 15)]]
    assert lane.statistics() == {"waiting": 0, "sent": 15, "failed": 0}


def test_full(gate: Gate) -> None:
    """What does not fit is refused, and what waits is sent all the same."""
    lane = Lane(gate, most=5000)
    lane.later(delivery("a", 0))
    assert gate.began.acquire(timeout=10)
    lane.later(delivery("a", "x" * 3000))
    with pytest.raises(QueueFull, match=r"1 messages wait for the driver 'gate', .*5000 bytes"):
        lane.later(delivery("a", "x" * 3000))
    gate.go_on.set()
    assert lane.drain(soon()) == 0
    assert lane.statistics()["sent"] == 2


def test_one_that_is_larger_than_all(gate: Gate) -> None:
    """A single message larger than the bound is sent when nothing else waits."""
    gate.go_on.set()
    lane = Lane(gate, most=10)
    lane.later(delivery("a", "x" * 100))
    assert lane.drain(soon()) == 0
    assert lane.statistics()["sent"] == 1


def test_failures_are_logged(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """Each channel that fails is logged with its driver and the reason, and counted."""
    gate.go_on.set()
    lane = Lane(gate)
    lane.later(delivery(["bad", "b"], 1))
    lane.later(delivery("b", 1))
    assert lane.drain(soon()) == 0
    assert caplog.messages == ["not sent: bad by gate (LookupError: no)"]
    assert caplog.records[0].levelno == logging.ERROR
    assert lane.statistics() == {"waiting": 0, "sent": 1, "failed": 1}


def test_a_driver_that_breaks_its_promise(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """A driver that raises or returns what it must not costs its own messages, not the thread."""

    class Broken(Gate):
        def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Failures | Exception]:
            if deliveries[0].message == 0:
                raise OSError("broken")
            return []

    lane = Lane(Broken())
    for number in range(2):
        lane.later(delivery("a", number))
        assert lane.drain(soon()) == 0
    assert caplog.messages == [
        "not sent: a by gate (OSError: broken)",
        "not sent: a by gate (TypeError: <Broken 'gate'> returns 0 outcomes of 1 messages)",
    ]
    assert lane.statistics() == {"waiting": 0, "sent": 0, "failed": 2}


def test_draining_ends_at_its_deadline(gate: Gate) -> None:
    """What is not sent by then is counted and given up; the lane can be used again."""
    lane = Lane(gate)
    lane.later(delivery("a", 0))
    assert gate.began.acquire(timeout=10)
    lane.later(delivery("a", 1))
    assert lane.drain(time.monotonic()) == 2
    gate.go_on.set()
    lane.later(delivery("a", 2))
    assert lane.drain(soon()) == 0
    assert gate.runs == [[0], [2]]


def test_without_blocking() -> None:
    """A driver that never waits sends at once, without a thread."""
    lane = Lane(NullDriver(Settings("null")))
    lane.later(delivery("a", 1))
    assert lane.statistics() == {"waiting": 0, "sent": 1, "failed": 0}
    assert lane._thread is None


def test_the_thread_ends(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread with nothing to do ends, and the next message starts another."""
    monkeypatch.setattr("antiphon.broadcast.lane.IDLE", 0.0)
    gate.go_on.set()
    lane = Lane(gate)
    for _ in range(2):
        lane.later(delivery("a", 1))
        thread = lane._thread
        assert lane.drain(soon()) == 0
        if thread is not None:
            thread.join(10)
            assert not thread.is_alive()
    assert lane.statistics()["sent"] == 2


def test_no_thread_to_be_had(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that ends starts no threads: then it is sent where it is asked for."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    gate.go_on.set()
    lane = Lane(gate)
    lane.later(delivery("a", 1))
    assert lane.statistics() == {"waiting": 0, "sent": 1, "failed": 0}
