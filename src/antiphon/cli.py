"""The command ``antiphon``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from uvicorn.importer import ImportFromStringError

from antiphon.errors import AntiphonError
from antiphon.server import Listen, run

_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, those of the process by default.

    Returns:
        The exit status: 0, or 1 after an error that is told in one line.
    """
    options = _parser().parse_args(arguments)
    # The application is looked for where the command is given, as ``python -m`` does.
    sys.path.insert(0, os.getcwd())
    try:
        run(
            options.app,
            Listen(options.host, options.port),
            log_level=options.log_level,
            reload=options.reload,
        )
    except (AntiphonError, ImportFromStringError) as error:
        print(f"antiphon: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="antiphon", description="Real-time for Python.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "run",
        help="serve an application",
        description="Serve an application until SIGINT (Ctrl-C) or SIGTERM.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.add_argument("app", metavar="MODULE:APP", help="the application, as in chat.app:app")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on")
    serve.add_argument("--reload", action="store_true", help="serve anew when a source changes")
    serve.add_argument("--log-level", choices=_LEVELS, default="info", help="how much is logged")
    return parser
