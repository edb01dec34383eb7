"""The drivers `local`, `log` and `null`, and those that other packages bring."""

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from antiphon import Broadcast
from antiphon.broadcast import Settings
from antiphon.broadcast.drivers import LocalDriver, NullDriver, driver_class, names, registry
from antiphon.errors import ConfigurationError, InvalidChannel, UnacceptableDriverType


async def test_local_without_an_application() -> None:
    """Outside of an application, without a broker, the error says what to do."""
    with pytest.raises(ConfigurationError, match=r"app\.broadcast.*set ANTIPHON_BROKER"):
        await Broadcast().publish("a", 1)
    with pytest.raises(ConfigurationError, match=r"app\.broadcast.*set ANTIPHON_BROKER"):
        Broadcast().open()


def test_local_knows_its_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is its setting, or the environment's."""
    monkeypatch.setenv("ANTIPHON_BROKER", "redis://one")
    assert LocalDriver(Settings("local"))._broker == "redis://one"
    assert LocalDriver(Settings("local", {"broker": "redis://two"}))._broker == "redis://two"


def test_local_names() -> None:
    """Names are those of the application's channels."""
    with pytest.raises(InvalidChannel, match="Antiphon's own"):
        Broadcast().channel("$x", 1)


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each message is a line of the log, which no message can forge."""
    caplog.set_level(logging.INFO)
    sender = Broadcast("log")
    sender.channel(["a", "b\nc"], "text\nERROR forged", "said")
    assert caplog.messages == [r"'said' on ['a', 'b\nc']: 'text\nERROR forged'"]
    sender.channel("a", "x" * 1000)
    assert caplog.messages[1].endswith("x'… (1000 in all)")


def test_log_level(caplog: pytest.LogCaptureFixture) -> None:
    """The level is a setting."""
    Broadcast("log", {"log": {"level": "warning"}}).channel("a", 1)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    with pytest.raises(ConfigurationError, match=r"DRIVERS\['log'\]\['level'\]"):
        Broadcast("log", {"log": {"level": "loud"}})


def test_null(caplog: pytest.LogCaptureFixture) -> None:
    """It takes everything and says nothing."""
    caplog.set_level(logging.DEBUG)
    assert Broadcast("null").channel("any name", b"\0") == b"\0"
    assert caplog.messages == []


# --- Other packages' -----------------------------------------------------------------------------------


@pytest.fixture
def brings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a package that brings a driver, as far as the interpreter can tell."""

    def install(value: str) -> None:
        registry._theirs.cache_clear()
        entry = EntryPoint("carrier-pigeon", value, registry.GROUP)
        monkeypatch.setattr(
            registry, "entry_points", lambda group: [entry] if group == registry.GROUP else []
        )

    yield install
    registry._theirs.cache_clear()


def test_entry_point(brings: Any) -> None:
    """A driver of another package is chosen by its name like ours."""
    brings("antiphon.broadcast.drivers:NullDriver")
    assert "carrier-pigeon" in names()
    assert driver_class("carrier-pigeon") is NullDriver
    assert Broadcast("carrier-pigeon").drivers == (NullDriver,)


def test_entry_point_that_is_broken(brings: Any) -> None:
    """What cannot be loaded, or is no driver, is named."""
    brings("nowhere:Nothing")
    with pytest.raises(ConfigurationError, match=r"carrier-pigeon.*nowhere:Nothing"):
        driver_class("carrier-pigeon")
    brings("builtins:dict")
    with pytest.raises(UnacceptableDriverType, match="builtins:dict"):
        driver_class("carrier-pigeon")
