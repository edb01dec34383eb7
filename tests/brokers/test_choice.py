"""The URL chooses the broker."""

import sys

import pytest

from antiphon.brokers import MemoryBroker, broker_of
from antiphon.brokers.redis import RedisBroker
from antiphon.errors import ConfigurationError, MissingExtra


def test_memory() -> None:
    """memory:// stays within the process."""
    assert isinstance(broker_of("memory://"), MemoryBroker)


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://host", "unix:///socket", "redis+unix:///socket", "redis+cluster://a,b"]
)
def test_redis(url: str) -> None:
    """Each form of Redis is the broker on Redis."""
    assert isinstance(broker_of(url), RedisBroker)


@pytest.mark.parametrize("url", ["redis://:secret@host/news", "rediss://host/0/1", "redis://host:port"])
def test_no_redis(url: str) -> None:
    """A database that is no number, or a port, is an error that shows no password."""
    with pytest.raises(ConfigurationError, match="no URL of Redis; there are redis://host:port/db") as caught:
        broker_of(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("package", ["redis", "hiredis"])
def test_missing(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package the error says what to install."""
    for name in list(sys.modules):
        if name.startswith("antiphon.brokers.redis"):
            monkeypatch.delitem(sys.modules, name)
        elif name.partition(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf'needs {package}: pip install "antiphon\[redis\]"'):
        broker_of("redis://host")


@pytest.mark.parametrize("url", ["amqp://ann:secret@host", "redis", "", "secret"])
def test_unknown(url: str) -> None:
    """Any other URL is an error that lists those there are, and shows no password."""
    with pytest.raises(ConfigurationError, match=r"memory://, redis://.*nats://") as caught:
        broker_of(url)
    assert "secret" not in str(caught.value)
