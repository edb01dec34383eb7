"""Where the configuration comes from, and which of two wins."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from antiphon import Broadcast
from antiphon.broadcast import load
from antiphon.broadcast.drivers import Driver, NullDriver
from antiphon.errors import ConfigurationError, DriverNotFound, UnacceptableDriverType

Write = Callable[[str], None]

PUSHER = {"app_id": "3", "client": "k", "secret": "s3cret"}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the module config/broadcast.py."""
    monkeypatch.syspath_prepend(tmp_path)

    def module(text: str) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "broadcast.py").write_text(text)

    return module


def test_nothing() -> None:
    """Without any configuration messages go to the application's own channels."""
    assert load().default == ("local",)


def test_module(write: Write) -> None:
    """DRIVER and DRIVERS of the module, as in Masonite."""
    write(f"DRIVER = 'pusher'\nDRIVERS = {{'pusher': {PUSHER}}}")
    assert load().default == ("pusher",)
    assert repr(Broadcast()) == "<Broadcast by PusherDriver>"


def test_environment() -> None:
    """The environment alone is enough."""
    config = load(
        environment={
            "ANTIPHON_BROADCAST_DRIVER": "pusher",
            "ANTIPHON_BROADCAST_PUSHER_APP_ID": "3",
            "ANTIPHON_BROADCAST_PUSHER_SECRET": "s",
            "ANTIPHON_BROADCAST_PUSHER_SSL": "false",
            "ANTIPHON_BROADCAST_ABLY_SECRET": "",
        }
    )
    assert config.default == ("pusher",)
    assert config.drivers == {"pusher": {"app_id": "3", "secret": "s", "ssl": "false"}}


def test_order(write: Write) -> None:
    """For each setting the argument wins over the environment, and that over the module."""
    write("DRIVER = 'log'\nDRIVERS = {'pusher': {'client': '1', 'secret': '1', 'cluster': '1'}}")
    environment = {
        "ANTIPHON_BROADCAST_DRIVER": "null",
        "ANTIPHON_BROADCAST_PUSHER_CLIENT": "2",
        "ANTIPHON_BROADCAST_PUSHER_SECRET": "2",
    }
    assert load(environment={}).default == ("log",)
    assert load(environment=environment).default == ("null",)
    config = load("local", {"pusher": {"client": "3"}}, environment=environment)
    assert config.default == ("local",)
    assert config.drivers["pusher"] == {"client": "3", "secret": "2", "cluster": "1"}


def test_none() -> None:
    """None, as os.getenv returns it, is no setting: the next source is asked."""
    environment = {"ANTIPHON_BROADCAST_PUSHER_APP_ID": "3"}
    config = load("pusher", {"pusher": {"app_id": None, "cluster": None}}, None, environment)
    assert config.drivers == {"pusher": {"app_id": "3"}}


def test_names_with_dashes() -> None:
    """A key's dash is an underscore in the environment; of two keys that fit it is the longer one's."""
    drivers = {"my": {}, "my-own": {"driver": NullDriver}}
    config = load("my-own", drivers, None, {"ANTIPHON_BROADCAST_MY_OWN_COLOUR": "blue"})
    assert config.drivers["my-own"]["colour"] == "blue"


def test_several() -> None:
    """Several drivers in the environment have commas between them."""
    assert load(environment={"ANTIPHON_BROADCAST_DRIVER": "local, pusher"}).default == ("local", "pusher")


def test_a_key_that_is_missing(write: Write) -> None:
    """A DRIVER without its key in DRIVERS is an error when the facade is made."""
    write("DRIVER = 'pusher'\nDRIVERS = {'ably': {'secret': 'a.b:c'}}")
    with pytest.raises(
        ConfigurationError, match=r"'pusher' has no settings: put them into DRIVERS\['pusher'\]"
    ):
        Broadcast()


def test_a_driver_that_is_not_chosen(write: Write) -> None:
    """What is wrong with another driver shows when that one is chosen."""
    write("DRIVER = 'log'\nDRIVERS = {'pusher': {'app_id': '29382xx..'}}")
    sender = Broadcast()
    with pytest.raises(ConfigurationError, match="app_id"):
        sender.driver("pusher")


def test_an_unknown_variable() -> None:
    """A variable that sets nothing is an error, for it is a misspelt one."""
    with pytest.raises(
        ConfigurationError, match="ANTIPHON_BROADCAST_PUSHR_SECRET is the setting of no driver"
    ):
        load(environment={"ANTIPHON_BROADCAST_PUSHR_SECRET": "x"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("DRIVER = 'log'\nimport nothing_there", "config.broadcast cannot be imported: ModuleNotFoundError"),
        ("DRIVERS = {'x': os.getenv('X')}", "cannot be imported: NameError: name 'os' is not defined"),
        ("DRIVERS = ['pusher']", "DRIVERS in config.broadcast is a dictionary"),
        ("DRIVERS = {'pusher': 'key'}", r"DRIVERS\['pusher'\] is a dictionary"),
    ],
)
def test_a_broken_module(write: Write, text: str, says: str) -> None:
    """A module that cannot be used says why, instead of being passed over."""
    write(text)
    with pytest.raises(ConfigurationError, match=says):
        Broadcast()


def test_a_module_of_that_name_about_something_else(write: Write) -> None:
    """A module with neither DRIVER nor DRIVERS is somebody else's."""
    write("COLOUR = 'blue'")
    assert load().default == ("local",)


@pytest.mark.parametrize("chosen", [5, [], [5], dict, {"pusher": PUSHER}, [PUSHER]])
def test_a_driver_of_the_wrong_type(chosen: Any) -> None:
    """DRIVER is a name, a class, or several of them; what it is instead is said without its content."""
    for choose in (load, Broadcast("log").driver):
        with pytest.raises(UnacceptableDriverType) as raised:
            choose(chosen)
        assert PUSHER["secret"] not in str(raised.value)


def test_an_unknown_driver() -> None:
    """The setting is named where it is the configured one; those there are, always."""
    with pytest.raises(DriverNotFound, match=r"^DRIVER \(or ANTIPHON_BROADCAST_DRIVER\): .*'pushr'.* ably, "):
        Broadcast(config=None, driver="pushr")
    with pytest.raises(DriverNotFound, match=r"^there is no broadcast driver 'pushr'; there are ably, "):
        Broadcast("null").driver("pushr")


def test_drivers_of_the_wrong_type() -> None:
    """The argument is a dictionary, as DRIVERS is."""
    with pytest.raises(ConfigurationError, match="drivers= is a dictionary"):
        load("pusher", ["pusher"])  # type: ignore[arg-type]


def test_a_setting_that_is_no_plain_value() -> None:
    """A setting given to `driver` is a part of what that driver is kept under."""
    with pytest.raises(ConfigurationError, match=r"driver\(cluster=...\) is a plain value, not list"):
        Broadcast("null", {"pusher": PUSHER}).driver("pusher", cluster=["eu"])


def test_a_class_in_the_settings() -> None:
    """The key 'driver' of a driver's settings may be the class itself."""

    class Own(NullDriver):
        needs_settings = True

    sender = Broadcast("mine", {"mine": {"driver": Own}})
    assert sender.drivers == (Own,)
    assert isinstance(sender._lanes()[0].driver, Driver)
    assert sender.driver(Own)._lanes() == sender._lanes()


def test_no_secret_shows() -> None:
    """Nothing that has a secret shows it."""
    sender = Broadcast("pusher", {"pusher": {**PUSHER, "secret": "s3cret"}})
    (lane,) = sender._lanes()
    shown = [sender, sender._pool, sender._pool.config, lane, lane.driver, sender.credentials(), load()]
    assert "s3cret" not in " ".join(map(repr, shown))
    assert "config" not in sys.modules
