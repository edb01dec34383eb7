"""What every driver promises, on each of them; those of services send to the real SDK's requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from antiphon import Antiphon
from antiphon.broadcast import Delivery, Settings, delivery
from antiphon.broadcast.drivers import AblyDriver, Driver, LocalDriver, LogDriver, NullDriver, PusherDriver
from antiphon.errors import InvalidChannel
from tests.broadcast.services import AblyService, PusherService, Service

HOSTED: dict[type[Driver], type[Service]] = {PusherDriver: PusherService, AblyDriver: AblyService}
ALL = [LocalDriver, PusherDriver, AblyDriver, LogDriver, NullDriver]

Make = Callable[[], Driver]


@pytest.fixture(params=ALL, ids=lambda cls: cls.__name__)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a driver that works, again and again; in an application that runs nothing else."""
    cls: type[Driver] = request.param
    with ExitStack() as stack:
        values: dict[str, Any] = {}
        if cls in HOSTED:
            service = stack.enter_context(HOSTED[cls]())
            values = service.settings
        channels = Antiphon().channel if cls is LocalDriver else None
        yield lambda: cls(Settings("name", values, channels=channels))


@pytest.fixture
def driver(make: Make) -> Iterator[Driver]:
    """A driver."""
    made = make()
    yield made
    made.close()


def one(*channels: str) -> Delivery:
    return delivery(channels or "a", {"x": 1}, "event")


def test_it_is_named_by_its_key(driver: Driver) -> None:
    """A driver knows the key in DRIVERS that it was made for, and its repr says so."""
    assert driver.name == "name"
    assert repr(driver) == f"<{type(driver).__name__} 'name'>"


async def test_sending(driver: Driver) -> None:
    """What is sent to channels that are well is sent to all of them."""
    assert await driver.publish(one("a", "b")) == {}


async def test_sending_from_threads(driver: Driver) -> None:
    """Several threads may send at the same time."""
    outcomes: list[Any] = []
    if not driver.blocking:
        assert await driver.publish(one()) == {}  # the application runs from here on

    def send() -> None:
        outcomes.append(driver.attempt(one("a", "b")))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        await driver.threads.run(each.join)
    assert outcomes == [{}] * 8


async def test_sending_many(driver: Driver) -> None:
    """There is an outcome for each of several deliveries, in their order."""
    assert await driver.publish(one()) == {}
    outcomes = await driver.threads.run(driver.send_many, [one("a"), one("b", "c"), one("d")])
    assert list(outcomes) == [{}, {}, {}]


async def test_opening_and_closing(driver: Driver) -> None:
    """It is opened twice as well as once, closed twice as well as once, and used again afterwards."""
    driver.open()
    driver.open()
    assert await driver.publish(one()) == {}
    driver.close()
    driver.close()
    assert await driver.publish(one()) == {}


@pytest.mark.parametrize("cls", [LocalDriver, PusherDriver, AblyDriver])
@pytest.mark.parametrize("name", ["", "x" * 3000, "a\nb"])
def test_names_that_cannot_be(cls: type[Driver], name: str) -> None:
    """A channel that cannot have its name is refused before anybody is asked."""
    settings = {
        PusherDriver: {"app_id": "1", "key": "k", "secret": "s"},
        AblyDriver: {"secret": "a.b:c"},
    }
    with pytest.raises(InvalidChannel):
        cls(Settings("x", settings.get(cls, {}))).check(one("good", name))
