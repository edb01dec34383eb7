"""What carries publications between processes."""

from antiphon.brokers.choice import broker_of
from antiphon.brokers.memory import MemoryBroker

__all__ = ["MemoryBroker", "broker_of"]
