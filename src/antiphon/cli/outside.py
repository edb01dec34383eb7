"""What the commands have in common that speak to a broker, not to an application."""

from __future__ import annotations

import argparse


def add_broker(command: argparse.ArgumentParser) -> None:
    """Add the option that names the broker."""
    command.add_argument(
        "--broker",
        metavar="URL",
        help="the application's broker, as redis://host (default: $ANTIPHON_BROKER, which keeps its "
        "password off the command line)",
    )
