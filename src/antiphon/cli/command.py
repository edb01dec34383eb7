"""The command as a whole: it finds out what is wanted, and tells an error in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from uvicorn.importer import ImportFromStringError

from antiphon.cli import listen, publish, serve
from antiphon.errors import AntiphonError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, those of the process by default.

    Returns:
        The exit status: 0, or 1 after an error that is told in one line.
    """
    options = parser().parse_args(arguments)
    try:
        status: int = options.execute(options)
    except (AntiphonError, ImportFromStringError) as error:
        print(f"antiphon: {error}", file=sys.stderr)
        return 1
    return status


def parser() -> argparse.ArgumentParser:
    """What understands the arguments of all commands."""
    whole = argparse.ArgumentParser(prog="antiphon", description="Real-time for Python.")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (serve, publish, listen):
        module.add_to(commands)
    return whole
