"""The facade: names, messages, several drivers, what fails, and where it may be called."""

import asyncio
import logging
import pickle
import threading
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec
import pytest

from antiphon import Broadcast
from antiphon.broadcast import Delivery, Failure, PrivateChannel, Settings
from antiphon.broadcast.drivers import AblyDriver, Driver, Failures, LogDriver, NullDriver
from antiphon.broadcast.lane import MOST_WAITING
from antiphon.errors import (
    BroadcastFailed,
    ConfigurationError,
    DriverNotFound,
    QueueFull,
    ServiceError,
    UnacceptableDriverType,
)
from tests.broadcast.services import PusherService, Service


class Recording(Driver):
    """Keeps what it is given; fails for channels that begin with `bad`."""

    made: ClassVar[list["Recording"]] = []
    needs_settings = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.deliveries: list[Delivery] = []
        self.calls: list[threading.Thread] = []
        Recording.made.append(self)

    def send(self, delivery: Delivery) -> Failures:
        self.deliveries.append(delivery)
        self.calls.append(threading.current_thread())
        return {name: LookupError(name) for name in delivery.channels if name.startswith("bad")}


class Broken(Driver):
    """Raises, whatever it is given."""

    needs_settings = False

    def send(self, delivery: Delivery) -> Failures:
        raise OSError("no network")


class Slow(Recording):
    """Sends when it is let."""

    began, go_on = threading.Event(), threading.Event()

    def send(self, delivery: Delivery) -> Failures:
        self.began.set()
        assert self.go_on.wait(10)
        return super().send(delivery)


class Quick(Recording):
    """Never waits for anything."""

    blocking = False


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    Recording.made.clear()
    Slow.began.clear()
    Slow.go_on.clear()


class Point(msgspec.Struct):
    x: int


# --- What is sent --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a", ("a",)),
        (["a", "b", "a"], ("a", "b")),
        (("a", "b"), ("a", "b")),
        ({"a"}, ("a",)),
        (PrivateChannel("a"), ("private-a",)),
        ([PrivateChannel("a"), "b"], ("private-a", "b")),
    ],
)
def test_names(names: Iterable[str], expected: tuple[str, ...]) -> None:
    """One name or several, each once, in order, as plain text."""
    Broadcast(Recording).channel(names, 1)
    (sent,) = Recording.made[0].deliveries
    assert sent.channels == expected
    assert {type(each) for each in sent.channels} == {str}


async def test_no_names() -> None:
    """A message to no channel is sent nowhere, and that is no error."""
    sender = Broadcast(Recording)
    assert sender.channel([], "m") == "m"
    sender.later([], "m")
    report = await sender.publish([], "m")
    assert (report.ok, report.channels, Recording.made[0].deliveries) == (True, (), [])


@pytest.mark.parametrize(
    ("message", "payload"),
    [("text", "text"), ({"x": 1}, '{"x":1}'), (Point(1), '{"x":1}'), (b"\0", b"\0"), (None, "null")],
)
async def test_messages(message: Any, payload: Any) -> None:
    """Text and bytes as they are, anything else as JSON, made once; `channel` returns the message."""
    sender = Broadcast(Recording)
    assert sender.driver("null").channel("a", message) is message
    await sender.publish("a", message)
    (sent,) = Recording.made[0].deliveries
    assert (sent.message, sent.payload, sent.event) == (message, payload, "base-event")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a", object()), "cannot be sent as JSON"),
        ((5, "m"), "named by text.* not int"),
        ((None, "m"), "named by text.* not NoneType"),
        (({"a": 1}, "m"), "named by text.* not dict"),
        ((b"a", "m"), "named by text.* not bytes"),
        (([5], "m"), "named by text"),
        (("a", "m", 5), "event"),
        (("a",), "needs channels and a message"),
    ],
)
def test_what_cannot_be_sent(arguments: Any, says: str) -> None:
    """A mistake is an error where it was made, and nothing is sent."""
    with pytest.raises(TypeError, match=says):
        Broadcast(Recording).later(*arguments)
    assert Recording.made[0].deliveries == []


# --- Which driver --------------------------------------------------------------------------------------


def test_repr() -> None:
    """It names the class of its driver."""
    sender = Broadcast("log", {"ably": {"secret": "a.b:s3cret"}})
    assert repr(sender) == "<Broadcast by LogDriver>"
    assert repr(sender.driver("ably")) == "<Broadcast by AblyDriver>"
    assert repr(sender.driver(["log", "null"])) == "<Broadcast by LogDriver and NullDriver>"


def test_another_driver_leaves_this_one_alone() -> None:
    """`driver` returns another facade; by its class it has the settings of the class's name."""
    sender = Broadcast("log", {"ably": {"secret": "a.b:c"}})
    by_class = sender.driver(AblyDriver)
    assert by_class.drivers == (AblyDriver,)
    assert by_class._lanes() == sender.driver("ably")._lanes() == sender.driver("Ably")._lanes()
    assert sender.drivers == sender.driver().drivers == by_class.driver(None).drivers == (LogDriver,)


def test_other_settings() -> None:
    """Settings given to `driver` hold for what it returns, and for nobody else."""
    sender = Broadcast("log")
    louder = sender.driver("log", level="ERROR")
    with pytest.raises(ConfigurationError, match="level"):
        sender.driver("log", level="LOUD")
    assert louder._lanes() != sender._lanes()


def test_unknown_name() -> None:
    """An unknown name is answered with those there are."""
    with pytest.raises(DriverNotFound, match="'nope'; there are ably, local, log, null, pusher"):
        Broadcast("log").driver("nope")
    with pytest.raises(DriverNotFound, match="'uk'; there are ably, eu, local"):
        Broadcast("uk", {"eu": {"driver": "null"}})


@pytest.mark.parametrize("choice", [5, object(), dict, NullDriver(Settings("null")), [], [5]])
def test_wrong_type(choice: Any) -> None:
    """Neither a name nor a driver class; an instance is none."""
    with pytest.raises(UnacceptableDriverType):
        Broadcast("log").driver(choice)


def test_settings_that_are_missing() -> None:
    """A driver that needs settings and has none is refused by name."""
    with pytest.raises(ConfigurationError, match=r"'pusher' has no settings.*DRIVERS\['pusher'\].*_PUSHER_"):
        Broadcast("pusher")


# --- From where ----------------------------------------------------------------------------------------


def test_without_a_loop() -> None:
    """`channel` sends where it is called."""
    Broadcast(Recording).channel("a", 1)
    assert Recording.made[0].calls == [threading.current_thread()]


async def test_on_a_loop() -> None:
    """On an event loop `channel` hands over to another thread and returns the message at once."""
    sender = Broadcast(Slow)
    assert sender.channel("a", {"x": 1}) == {"x": 1}
    await asyncio.to_thread(Slow.began.wait)
    assert Recording.made[0].deliveries == []
    Slow.go_on.set()
    assert await asyncio.to_thread(sender.close) == 0
    assert Recording.made[0].calls != [threading.current_thread()]


async def test_order_on_a_loop() -> None:
    """What one coroutine sends with `channel` is sent in that order."""
    sender = Broadcast(Recording)
    for number in range(100):
        sender.channel("a", number)
    assert await asyncio.to_thread(sender.close) == 0
    assert [each.message for each in Recording.made[0].deliveries] == list(range(100))


async def test_one_driver_has_no_room(caplog: pytest.LogCaptureFixture) -> None:
    """The others get the message all the same; the error names the driver that does not."""
    sender, large = Broadcast([Slow, Quick]), "x" * (MOST_WAITING // 2 + 1)
    sender.later("a", large)
    await asyncio.to_thread(Slow.began.wait)
    sender.later("a", large)
    for send in (sender.later, sender.channel):
        with pytest.raises(QueueFull, match="1 messages wait for the driver 'Slow'"):
            send("a", large)
    assert sender.channel("a", large, rescue=True) == large
    assert "1 messages wait for the driver 'Slow'" in caplog.text
    Slow.go_on.set()
    assert await asyncio.to_thread(sender.close) == 0
    assert [len(each.deliveries) for each in Recording.made] == [2, 5]


async def test_publish_does_not_block() -> None:
    """`publish` sends in a thread, and several at the same time."""
    both = threading.Barrier(2)

    class Meeting(Recording):
        def send(self, delivery: Delivery) -> Failures:
            both.wait(10)
            return super().send(delivery)

    sender = Broadcast(Meeting)
    await asyncio.gather(sender.publish("a", 1), sender.publish("b", 2))
    assert threading.current_thread() not in Recording.made[0].calls


async def test_from_a_thread() -> None:
    """`channel` works in any thread, whatever runs in the others."""
    sender = Broadcast(Recording)
    await asyncio.to_thread(sender.channel, "a", 1)
    assert len(Recording.made[0].deliveries) == 1


# --- What fails ----------------------------------------------------------------------------------------


async def test_some_channels_fail() -> None:
    """All others get the message; the error names each that did not, with the driver and the reason."""
    sender = Broadcast(Recording)
    with pytest.raises(BroadcastFailed) as raised:
        await sender.publish(["bad1", "good", "bad2"], 1)
    assert [(each.driver, each.channel) for each in raised.value.failures] == [
        ("Recording", "bad1"),
        ("Recording", "bad2"),
    ]
    assert str(raised.value) == (
        "not sent: bad1 by Recording (LookupError: bad1); bad2 by Recording (LookupError: bad2)"
    )
    assert Recording.made[0].deliveries[0].channels == ("bad1", "good", "bad2")


async def test_many_channels_fail() -> None:
    """The text names some and says how many more; `failures` has all."""
    channels = [f"bad{number}" for number in range(101)]
    with pytest.raises(
        BroadcastFailed, match=r"bad9 by Recording \(LookupError: bad9\); and 91 more$"
    ) as raised:
        await Broadcast(Recording).publish(channels, 1)
    assert [each.channel for each in raised.value.failures] == channels


async def test_failures_are_handed_on() -> None:
    """Task queues and pools of processes pickle an exception: it arrives as it was."""
    error = ServiceError("pusher", 500, "Internal error", may_retry=True)
    failed = BroadcastFailed([Failure("pusher", "a", error)])
    copied = pickle.loads(pickle.dumps(failed))
    assert (type(copied), str(copied)) == (BroadcastFailed, str(failed))
    (failure,) = copied.failures
    assert (failure.channel, str(failure.error)) == ("a", "pusher: 500 Internal error")
    assert (failure.error.service, failure.error.status, failure.error.may_retry) == ("pusher", 500, True)


@pytest.mark.parametrize("origin", [5, {"id": "1.2"}])
async def test_an_origin_that_is_none(origin: Any) -> None:
    """Who is excluded is a connection, a request or an id; anything else is an error."""
    with pytest.raises(TypeError, match="who is excluded"):
        await Broadcast(Recording).publish("a", 1, exclude=origin)


@pytest.mark.parametrize("blocking", [True, False])
async def test_some_drivers_fail(blocking: bool) -> None:
    """One driver's failure keeps no other from sending, in either way of calling."""
    sender = Broadcast([Broken, Recording])
    call = asyncio.to_thread(sender.channel, ["a", "b"], 1) if blocking else sender.publish(["a", "b"], 1)
    with pytest.raises(BroadcastFailed) as raised:
        await call
    assert [(each.driver, each.channel) for each in raised.value.failures] == [
        ("Broken", "a"),
        ("Broken", "b"),
    ]
    assert len(Recording.made[0].deliveries) == 1


async def test_rescue(caplog: pytest.LogCaptureFixture) -> None:
    """With `rescue` what fails is logged and reported instead."""
    sender = Broadcast([Broken, Recording])
    report = await sender.publish("a", 1, rescue=True)
    assert (report.ok, report.channels) == (False, ("a",))
    assert [str(each) for each in report.failures] == ["a by Broken (OSError: no network)"]
    assert await asyncio.to_thread(sender.channel, "a", "m", rescue=True) == "m"
    assert caplog.messages == ["not sent: a by Broken (OSError: no network)"] * 2
    assert {each.levelno for each in caplog.records} == {logging.ERROR}


async def test_success() -> None:
    """A message that is sent to all has a report that says so."""
    report = await Broadcast(["log", "null"]).publish(["a", "b"], 1)
    assert (report.ok, report.channels, report.failures) == (True, ("a", "b"), ())


async def test_two_hosted_apps(pusher: Service) -> None:
    """Two keys of DRIVERS may be two apps of one service; each failure says whose it is."""
    with PusherService() as other:
        drivers = {
            "eu": {"driver": "pusher", **pusher.settings},
            "us": {"driver": "pusher", **other.settings},
        }
        sender = Broadcast("eu, us", drivers)
        other.answers = [403]
        report = await sender.publish("a", 1, rescue=True)
    assert [each.driver for each in report.failures] == ["us"]
    assert isinstance(report.failures[0].error, ServiceError)
    assert list(pusher.sent) == [("a", "base-event", "1")]


# --- In a test -----------------------------------------------------------------------------------------


async def test_closing_and_using_again() -> None:
    """A closed facade makes its driver anew when it is used."""
    sender = Broadcast(Recording)
    await sender.publish("a", 1)
    sender.close()
    await sender.publish("a", 2)
    assert [len(each.deliveries) for each in Recording.made] == [1, 1]
