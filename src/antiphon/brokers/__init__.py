"""What carries publications between processes."""

from antiphon.brokers.choice import broker_of
from antiphon.brokers.memory import MemoryBroker
from antiphon.brokers.outside import rules_of, shared_broker
from antiphon.brokers.publisher import Publisher

__all__ = ["MemoryBroker", "Publisher", "broker_of", "rules_of", "shared_broker"]
