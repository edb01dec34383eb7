"""What clients speak over their connections."""

from antiphon.protocols.raw import RawSubscriptions

__all__ = ["RawSubscriptions"]
