"""The broker that stands on NATS."""

from antiphon.brokers.nats.broker import NatsBroker

__all__ = ["NatsBroker"]
