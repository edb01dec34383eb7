"""Masonite's broadcasting, as its versions 1.4 to 3.0 have it."""

from antiphon.compat.masonite.broadcast import Broadcast

__all__ = ["Broadcast"]
