"""``antiphon run``: serve an application."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from antiphon.limits import Limits, Number, Timeouts
from antiphon.server import LOOPS, Changes, Listen, Tls, run

_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")


def add_to(commands: Any) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "run",
        help="serve an application",
        description="Serve an application until SIGINT (Ctrl-C) or SIGTERM.",
        epilog=f"{_listed('limits', Limits)}\n\n{_listed('timeouts, in seconds', Timeouts)}",
        formatter_class=_Help,
    )
    # Given here and not with the options, so that the help does not show them.
    serve.set_defaults(trust_proxies=None, limit=[], timeout=[], certfile=None, keyfile=None, password=None)
    serve.add_argument("app", metavar="MODULE:APP", help="the application, as in chat.app:app")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on")
    serve.add_argument(
        "--workers",
        type=int,
        metavar="N",
        default=1,
        help="how many processes serve; several need a broker that spans processes, and limits hold for each",
    )
    serve.add_argument("--reload", action="store_true", help="serve anew when a source changes")
    serve.add_argument("--log-level", choices=_LEVELS, default="info", help="how much is logged")
    serve.add_argument("--loop", choices=LOOPS, default="auto", help="event loop; aiofastnet is an extra")
    serve.add_argument(
        "--forwarded-allow-ips",
        dest="trust_proxies",
        metavar="ADDRESSES",
        default=argparse.SUPPRESS,
        help="proxies that are believed whom they ask for: addresses and networks with commas between, "
        "or '*' (default: $FORWARDED_ALLOW_IPS, or else this machine only)",
    )
    for option, name, metavar, text in (
        ("--ssl-certfile", "certfile", "FILE", "certificate in PEM, for https and wss"),
        ("--ssl-keyfile", "keyfile", "FILE", "its private key, unless that is in the same file"),
        ("--ssl-keyfile-password", "password", "PASSWORD", "what decrypts the key, if it is encrypted"),
    ):
        serve.add_argument(option, dest=name, metavar=metavar, default=argparse.SUPPRESS, help=text)
    for option, values in (("--limit", Limits), ("--timeout", Timeouts)):
        serve.add_argument(
            option,
            action="append",
            type=_change(values),
            default=argparse.SUPPRESS,
            metavar="NAME=VALUE",
            help="change what the application says; may be given again; see below",
        )
    serve.set_defaults(execute=partial(_serve, serve))


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    tls = None
    if options.certfile is not None:
        tls = Tls(options.certfile, options.keyfile, options.password)
    elif options.keyfile is not None or options.password is not None:
        parser.error("--ssl-keyfile and --ssl-keyfile-password need --ssl-certfile")
    # The application is looked for where the command is given, as ``python -m`` does.
    sys.path.insert(0, os.getcwd())
    run(
        options.app,
        Listen(options.host, options.port, options.trust_proxies, tls),
        log_level=options.log_level,
        reload=options.reload,
        workers=options.workers,
        loop=options.loop,
        changes=Changes(dict(options.limit), dict(options.timeout)),
    )
    return 0


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults behind the options, and the lists below them as they are."""


def _change(values: type[Limits | Timeouts]) -> Callable[[str], tuple[str, Number]]:
    """What reads a change of one field, as ``message=65536``."""
    whole = values is Limits

    def read(text: str) -> tuple[str, Number]:
        name, equals, value = text.partition("=")
        names = [field.name for field in fields(values)]
        if not equals or name not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE with a name of {', '.join(names)}")
        if value == "none":
            return name, None
        try:
            return name, int(value) if whole else float(value)
        except ValueError:
            kind = "a whole number" if whole else "a number of seconds"
            raise argparse.ArgumentTypeError(f"{text!r}: the value is {kind}, or none") from None

    return read


def _listed(title: str, values: type[Limits | Timeouts]) -> str:
    """The fields of a value object with their defaults, for the help."""
    each = (f"{field.name}={field.default}".replace("=None", "=none") for field in fields(values))
    return textwrap.fill(f"{title}: {'  '.join(each)}", 78, subsequent_indent="  ", break_on_hyphens=False)
