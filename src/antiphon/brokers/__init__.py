"""What carries publications between processes."""

from antiphon.brokers.memory import MemoryBroker

__all__ = ["MemoryBroker"]
