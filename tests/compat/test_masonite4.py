"""Masonite 4's Broadcast: arguments in its order, events, kinds of channel, its configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import antiphon.broadcast
from antiphon import Antiphon
from antiphon.broadcast import Fake
from antiphon.compat.masonite4 import Broadcast, CanBroadcast, Channel, PresenceChannel, PrivateChannel
from antiphon.errors import ConfigurationError, DriverNotFound
from antiphon.testing import TestClient
from tests.broadcast.services import PusherService

PUSHER = {"driver": "pusher", "client": "k", "app_id": "1", "secret": "s", "cluster": "eu", "ssl": True}
BROADCASTS = {"default": "pusher", "pusher": PUSHER}


class UserAdded(CanBroadcast):
    def __init__(self, name: str) -> None:
        self.name = name

    def broadcast_on(self) -> Any:
        return [Channel("users"), PrivateChannel("admins"), PresenceChannel("office")]


@pytest.fixture
def sent() -> Iterator[Fake]:
    with antiphon.broadcast.Broadcast.fake() as fake:
        yield fake


def test_order_of_arguments(sent: Fake) -> None:
    """Channels, event, value; nothing is returned."""
    broadcast = Broadcast(BROADCASTS)
    assert broadcast.channel("c", "created", {"id": 7}) is None
    broadcast.channel(["c", "d"], "created", "text")
    sent.assert_sent("c", {"id": 7}, event="created", times=1)
    sent.assert_sent("d", "text", event="created", times=1)


def test_events(sent: Fake) -> None:
    """An event knows its channels; given channels too, it goes there."""
    broadcast = Broadcast(BROADCASTS)
    broadcast.channel(UserAdded("Ada"))
    broadcast.channel("elsewhere", UserAdded("Bob"))
    first, second = (each.delivery for each in sent.messages)
    assert first.channels == ("users", "private-admins", "presence-office")
    assert (first.event, first.message) == ("UserAdded", {"name": "Ada"})
    assert (second.channels, second.event, second.message) == (("elsewhere",), "UserAdded", {"name": "Bob"})


def test_names_of_channels() -> None:
    """The kinds of channel have their names with the prefix."""
    assert [each("x").name for each in (Channel, PrivateChannel, PresenceChannel)] == [
        "x",
        "private-x",
        "presence-x",
    ]


def test_drivers() -> None:
    """The driver's name counts, as an argument and as a method; an unknown one is an error."""
    broadcast = Broadcast(BROADCASTS)
    assert repr(broadcast) == "<Broadcast by PusherDriver>"
    assert repr(broadcast.driver("null")) == "<Broadcast by NullDriver>"
    broadcast.channel("c", "e", "v", driver="null")
    with pytest.raises(DriverNotFound):
        broadcast.channel("c", "e", "v", driver="nope")


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BROADCASTS of a module, or an error that says what is missing."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "masonite4_config.py").write_text(f"BROADCASTS = {BROADCASTS!r}")
    assert repr(Broadcast(config="masonite4_config")) == "<Broadcast by PusherDriver>"
    with pytest.raises(ConfigurationError, match="under 'default'"):
        Broadcast({"pusher": PUSHER})
    with pytest.raises(ConfigurationError, match=r"BROADCASTS in nothing\.there is a dictionary"):
        Broadcast(config="nothing.there")


async def test_in_an_application() -> None:
    """A controller that asks for it is given it."""
    app = Antiphon()
    with PusherService() as service:
        app.broadcast = Broadcast({"default": "pusher", "pusher": {"driver": "pusher", **service.settings}})

        @app.get("/")
        def show(self, broadcast: Broadcast):  # type: ignore[no-untyped-def]
            broadcast.channel("users", "UserAdded", {"name": "Ada"})

        async with TestClient(app) as client:
            assert (await client.get("/")).status == 204
        assert list(service.sent) == [("users", "UserAdded", '{"name":"Ada"}')]
