"""What clients speak over their connections."""

from antiphon.protocols.subscriptions import RawSubscriptions

__all__ = ["RawSubscriptions"]
