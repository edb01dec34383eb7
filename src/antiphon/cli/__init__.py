"""The command ``antiphon``."""

from antiphon.cli.command import main

__all__ = ["main"]
