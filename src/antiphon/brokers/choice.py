"""Which broker a URL means."""

from __future__ import annotations

from antiphon.brokers.memory import MemoryBroker
from antiphon.channels import Broker
from antiphon.errors import ConfigurationError


def broker_of(url: str) -> Broker:
    """The broker that a URL chooses."""
    if url.startswith("memory:"):
        return MemoryBroker()
    raise ConfigurationError(f"no broker for {url!r}")
