"""Which broker a URL means. Each is imported when it is chosen, so that its package is needed only then."""

from __future__ import annotations

from antiphon.brokers.memory import MemoryBroker
from antiphon.channels import Broker
from antiphon.errors import ConfigurationError, MissingExtra

_REDIS = ("redis", "rediss", "redis+cluster", "rediss+cluster", "redis+unix", "unix")
_NATS = ("nats", "tls")
_SCHEMES = ("memory", *_REDIS, *_NATS)


def broker_of(url: str) -> Broker:
    """Make the broker that a URL chooses.

    Args:
        url: ``memory://``, ``redis://…`` (also ``rediss``, ``unix``, ``redis+cluster``), or ``nats://…``.

    Raises:
        ConfigurationError: Its scheme is unknown, or something in it is wrong.
        MissingExtra: The package for it is not installed; the text says which extra brings it.
    """
    # A malformed URL may hold a password all the same, so only the scheme is ever shown.
    scheme, mark, _ = url.partition("://")
    if mark and scheme == "memory":
        return MemoryBroker()
    if mark and scheme in _REDIS:
        return _redis(url)
    if mark and scheme in _NATS:
        return _nats(url)
    raise ConfigurationError(
        f"a broker's URL begins with one of {', '.join(f'{each}://' for each in _SCHEMES)}"
        + (f", not with {scheme}://" if mark else "")
    )


def _redis(url: str) -> Broker:
    try:
        from antiphon.brokers.redis import RedisBroker
    except ModuleNotFoundError as error:
        raise _missing("redis", error) from error
    return RedisBroker(url)


def _nats(url: str) -> Broker:
    try:
        from antiphon.brokers.nats import NatsBroker
    except ModuleNotFoundError as error:
        raise _missing("nats", error) from error
    return NatsBroker(url)


def _missing(extra: str, error: ModuleNotFoundError) -> MissingExtra:
    package = (error.name or extra).partition(".")[0]
    return MissingExtra(f'the broker on {extra} needs {package}: pip install "antiphon[{extra}]"')
