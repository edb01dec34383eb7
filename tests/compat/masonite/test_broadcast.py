"""Masonite's Broadcast: the calls of the SDKs, what it returns and raises, as Masonite 2.2 does."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import antiphon.broadcast
from antiphon.broadcast import Settings
from antiphon.broadcast.drivers import NullDriver
from antiphon.compat.masonite import Broadcast
from antiphon.compat.masonite.drivers import BroadcastAblyDriver, BroadcastPusherDriver
from antiphon.compat.masonite.exceptions import DriverLibraryNotFound, DriverNotFound, UnacceptableDriverType
from antiphon.errors import BroadcastFailed

DRIVERS = {
    "pusher": {"app_id": 29382, "client": "shS8d", "secret": "HDGdj"},
    "ably": {"secret": "api:key"},
}


@pytest.fixture
def broadcast() -> Broadcast:
    return Broadcast("pusher", DRIVERS)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the `pusher` SDK would be called with; what its real requests are is tested elsewhere."""
    made: list[Any] = []

    def client(**options: Any) -> Any:
        made.append(("Pusher", options))
        return SimpleNamespace(trigger=lambda *arguments: made.append(("trigger", *arguments)))

    monkeypatch.setitem(sys.modules, "pusher", SimpleNamespace(Pusher=client))
    return made


CLIENT = {"app_id": "29382", "key": "shS8d", "secret": "HDGdj", "ssl": True, "timeout": 5.0}


@pytest.mark.parametrize(
    ("arguments", "returns", "trigger"),
    [
        (("c", "m"), {"message": "m"}, (["c"], "base-event", '{"message":"m"}')),
        (("c", {"x": 1}, "e"), {"x": 1}, (["c"], "e", '{"x":1}')),
        ((["a", "b"], "m"), {"message": "m"}, (["a", "b"], "base-event", '{"message":"m"}')),
        ((("a", "b"), "m"), {"message": "m"}, (["a", "b"], "base-event", '{"message":"m"}')),
        (([], "m"), {"message": "m"}, None),
    ],
)
def test_calls_of_pusher(
    broadcast: Broadcast, calls: list[Any], arguments: Any, returns: Any, trigger: Any
) -> None:
    """One client, one call for all channels; the message that was sent is returned."""
    assert broadcast.channel(*arguments) == returns
    assert calls == ([("Pusher", CLIENT), ("trigger", *trigger)] if trigger else [])


def test_keywords(broadcast: Broadcast, calls: list[Any]) -> None:
    """The parameters have Masonite's names."""
    broadcast.channel(channels="c", message="m", event="e")
    assert calls[1] == ("trigger", ["c"], "e", '{"message":"m"}')


def test_ssl_is_for_one(broadcast: Broadcast, calls: list[Any]) -> None:
    """Without TLS for this message; in Masonite for all later ones too."""
    broadcast.ssl(False).channel("c", "m")
    broadcast.channel("c", "m")
    assert [options["ssl"] for kind, options in calls[::2]] == [False, True]
    assert broadcast.driver("ably").ssl(False).drivers == broadcast.driver("ably").drivers


@pytest.mark.parametrize("choice", ["ably", "Ably", "ABLY", BroadcastAblyDriver])
def test_drivers(broadcast: Broadcast, choice: Any) -> None:
    """By name in any case, or by class, with the settings of its name."""
    chosen = broadcast.driver(choice)
    assert isinstance(chosen, Broadcast)
    assert repr(chosen) == "<BroadcastAblyDriver>"


@pytest.mark.parametrize("choice", [None, "default", "pusher", BroadcastPusherDriver])
def test_the_default_driver(broadcast: Broadcast, choice: Any) -> None:
    """None and "default" are the configured one."""
    assert repr(broadcast.driver("ably").driver(choice)) == "<BroadcastPusherDriver>"
    assert repr(broadcast) == "<BroadcastPusherDriver>"


def test_exceptions(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three exceptions, by Masonite's names."""
    with pytest.raises(DriverNotFound):
        broadcast.driver("nope")
    for wrong in (5, NullDriver(Settings("null"))):
        with pytest.raises(UnacceptableDriverType):
            broadcast.driver(wrong)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pusher", None)
    with pytest.raises(DriverLibraryNotFound, match='Could not find the "pusher" library'):
        broadcast.channel("c", "m")


def test_other_failures(broadcast: Broadcast, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service refuses is the failure of its channels."""

    def client(**options: Any) -> Any:
        def trigger(*arguments: Any) -> None:
            raise ValueError("Too much data")

        return SimpleNamespace(trigger=trigger)

    monkeypatch.setitem(sys.modules, "pusher", SimpleNamespace(Pusher=client))
    with pytest.raises(BroadcastFailed, match="Too much data"):
        broadcast.channel("c", "m")


def test_a_fake_needs_no_settings() -> None:
    """In a test it records what would be sent, also where Pusher is not configured."""
    with antiphon.broadcast.Broadcast.fake() as sent:
        assert Broadcast("pusher", config=None).channel("c", "m") == {"message": "m"}
    sent.assert_sent("c", {"message": "m"}, times=1)
