"""The broker on Redis or a Redis Cluster."""

from antiphon.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
