"""Events as classes, and the fake that tests look at."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from antiphon import Broadcast
from antiphon.broadcast import BroadcastEvent, EncryptedChannel, PresenceChannel, PrivateChannel
from antiphon.broadcast.config import Choices
from antiphon.broadcast.drivers import NullDriver


class OrderShipped(BroadcastEvent):
    def __init__(self, order: int) -> None:
        self.order = order
        self._carrier = "secret"

    def broadcast_on(self) -> list[str]:
        return [PrivateChannel(f"orders.{self.order}"), "shipping"]


class Renamed(OrderShipped):
    def broadcast_as(self) -> str:
        return "order.shipped"

    def broadcast_with(self) -> Any:
        return {"id": self.order}

    def broadcast_when(self) -> bool:
        return self.order > 0


@dataclass(frozen=True, slots=True)
class Dataclass(BroadcastEvent):
    number: int

    def broadcast_on(self) -> str:
        return "a"


class Struct(msgspec.Struct, BroadcastEvent, frozen=True):
    number: int

    def broadcast_on(self) -> str:
        return "a"


def request(socket_id: str | None) -> Request:
    headers = [] if socket_id is None else [(b"x-socket-id", socket_id.encode())]
    return Request({"type": "http", "headers": headers})


def test_channel_kinds() -> None:
    """They are names, with the prefix that says what they are."""
    assert [PrivateChannel("a"), PresenceChannel("a"), EncryptedChannel("a")] == [
        "private-a",
        "presence-a",
        "private-encrypted-a",
    ]


def test_defaults() -> None:
    """An event is called as its class, and sends its public attributes."""
    with Broadcast.fake() as sent:
        assert Broadcast().channel(OrderShipped(7)) == {"order": 7}
    (each,) = sent.messages
    assert (each.delivery.channels, each.delivery.event) == (("private-orders.7", "shipping"), "OrderShipped")


async def test_what_an_event_says_itself() -> None:
    """Name, message, and whether at all; in each of the three ways to send."""
    sender = Broadcast("null")
    with Broadcast.fake() as sent:
        sender.channel(Renamed(1))
        await sender.publish(Renamed(2))
        sender.later(Renamed(3))
        assert sender.channel(Renamed(0)) is None
        assert (await sender.publish(Renamed(0))).channels == ()
        sender.later(Renamed(0))
    assert [each.delivery.message for each in sent.messages] == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert {each.delivery.event for each in sent.messages} == {"order.shipped"}


@pytest.mark.parametrize("cls", [Dataclass, Struct])
def test_dataclasses_and_structs(cls: Any) -> None:
    """A frozen dataclass and a Struct are events too, and keep who is excluded to themselves."""
    event = cls(7).to_others("1.2")
    with Broadcast.fake() as sent:
        Broadcast().channel(event)
    (each,) = sent.messages
    assert each.delivery.message == {"number": 7}
    assert each.delivery.exclude == "1.2"


@pytest.mark.parametrize(
    ("origin", "excluded"),
    [("1.2", "1.2"), (request("3.4"), "3.4"), (request(None), None), (None, None)],
)
def test_to_others(origin: Any, excluded: str | None) -> None:
    """The connection is named by its id, or by the header of a request; the event itself stays as it was."""
    event = OrderShipped(7)
    with Broadcast.fake() as sent:
        Broadcast().channel(event.to_others(origin))
        Broadcast().channel(event)
        Broadcast().channel("a", 1, exclude=origin)
    assert [each.delivery.exclude for each in sent.messages] == [excluded, None, excluded]


async def test_via(caplog: pytest.LogCaptureFixture) -> None:
    """An event may choose its driver."""

    class Logged(Dataclass):
        def broadcast_via(self) -> Choices:
            return "log"

    caplog.set_level("INFO")
    await Broadcast(NullDriver).publish(Logged(7))
    assert caplog.messages == ["""'Logged' on ['a']: '{"number":7}'"""]


def test_an_event_that_says_no_channel() -> None:
    """Without broadcast_on it is an error that says so."""
    with pytest.raises(NotImplementedError, match=r"Nowhere\.broadcast_on returns the channels"):
        Broadcast("null").channel(type("Nowhere", (BroadcastEvent,), {})())


def test_an_event_and_a_message() -> None:
    """An event has its message; another one is a mistake."""
    with pytest.raises(TypeError, match="OrderShipped is broadcast with what its broadcast_with returns"):
        Broadcast("null").channel(OrderShipped(1), "message")


# --- The fake ------------------------------------------------------------------------------------------


async def test_fake_stands_in_for_every_driver() -> None:
    """Whatever facade sends, by whatever driver, in whatever thread: nothing leaves the process."""
    sender = Broadcast("log", {"ably": {"secret": "a.b:c"}})
    with Broadcast.fake() as sent:
        await sender.publish("a", 1)
        sender.driver("ably").later("a", 2)
        await asyncio.to_thread(Broadcast("null").channel, "a", 3)
    assert [each.delivery.message for each in sent.messages] == [1, 2, 3]
    await sender.driver("null").publish("a", 4)
    assert len(sent.messages) == 3


def test_fake_needs_no_settings() -> None:
    """A test needs no secrets of the service."""
    with Broadcast.fake() as sent:
        Broadcast("log").driver("pusher").channel("a", 1)
        sent.assert_sent("a")


def test_assertions() -> None:
    """They find what was sent by channel or class, event, message and number."""
    with Broadcast.fake() as sent:
        sent.assert_nothing_sent()
        Broadcast().channel(["a", "b"], {"x": 1}, "said")
        Broadcast().channel(OrderShipped(7))
        Broadcast().channel(OrderShipped(8))
    sent.assert_sent("a")
    sent.assert_sent("b", {"x": 1}, event="said", times=1)
    sent.assert_sent(OrderShipped, times=2)
    sent.assert_sent(OrderShipped, {"order": 7}, times=1)
    sent.assert_sent("private-orders.7")
    sent.assert_not_sent("c")
    sent.assert_not_sent("a", {"x": 2})
    sent.assert_not_sent(Renamed)


def test_assertions_that_fail() -> None:
    """They say what was looked for, and what was sent."""
    with Broadcast.fake() as sent:
        Broadcast().channel("a", {"x": 1}, "said")
    with pytest.raises(AssertionError) as raised:
        sent.assert_sent("b", {"x": 1})
    assert str(raised.value) == (
        "b, message {'x': 1} was broadcast 0 times, not at least once; broadcast were: 'said' on a: {'x': 1}"
    )
    with pytest.raises(AssertionError, match="1 times, not 2 times"):
        sent.assert_sent("a", times=2)
    with pytest.raises(AssertionError, match="1 times, not 0 times"):
        sent.assert_not_sent("a")
    with pytest.raises(AssertionError, match="'said' on a"):
        sent.assert_nothing_sent()
