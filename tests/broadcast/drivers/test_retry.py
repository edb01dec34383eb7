"""How often a request is made again, and after how long."""

import pytest

from antiphon.broadcast import Settings
from antiphon.broadcast.drivers import Retry
from antiphon.errors import ConfigurationError, ServiceError


class Service:
    """Fails so many times, in one way."""

    def __init__(self, failures: int, *, may_retry: bool = True) -> None:
        self.left, self.may_retry, self.calls = failures, may_retry, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise ServiceError("x", 500, f"failure {self.calls}", may_retry=self.may_retry)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have slept."""
    times: list[float] = []
    monkeypatch.setattr("time.sleep", times.append)
    return times


def test_backing_off(slept: list[float]) -> None:
    """Each time it waits twice as long, less a random part of at most half."""
    service = Service(5)
    Retry(5, 1.0).call(service)
    assert service.calls == 6
    assert len(slept) == 5
    for each, most in zip(slept, (1, 2, 4, 8, 16), strict=True):
        assert most / 2 <= each <= most


def test_for_good(slept: list[float]) -> None:
    """After the last attempt its error is raised."""
    service = Service(9)
    with pytest.raises(ServiceError, match="failure 3"):
        Retry(2, 1.0).call(service)
    assert len(slept) == 2


def test_never_again(slept: list[float]) -> None:
    """What must not be repeated is not."""
    service = Service(9, may_retry=False)
    with pytest.raises(ServiceError):
        Retry(2, 1.0).call(service)
    assert (service.calls, slept) == (1, [])


def test_other_errors(slept: list[float]) -> None:
    """A mistake in the program is none of the service's."""
    with pytest.raises(ZeroDivisionError):
        Retry(2, 1.0).call(lambda: 1 / 0)
    assert slept == []


def test_settings() -> None:
    """Numbers, or an error that names the setting."""
    assert Retry.from_settings(Settings("x", {"retries": "0", "retry_delay": 1})) == Retry(0, 1.0)
    assert Retry.from_settings(Settings("x")) == Retry(2, 0.2)
    with pytest.raises(ConfigurationError, match=r"DRIVERS\['x'\]\['retries'\]"):
        Retry.from_settings(Settings("x", {"retries": "often"}))
