"""``antiphon publish``: publish one publication on a channel."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from antiphon.brokers import Publisher
from antiphon.cli.outside import add_broker
from antiphon.errors import AntiphonError


def add_to(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "publish",
        help="publish on a channel",
        description="Publish on a channel of the applications that use a broker. Prints the publication's "
        "position if the channel keeps a history.",
        epilog='antiphon publish room:lobby "hello"      antiphon publish orders --json \'{"id": 7}\'',
    )
    command.add_argument("channel", metavar="CHANNEL", help="the channel's name")
    command.add_argument("data", metavar="DATA", help="text; - reads standard input, less its last newline")
    command.add_argument("--json", action="store_true", help="DATA is JSON; what it stands for is published")
    command.add_argument("--event", metavar="NAME", help="what it is about")
    command.add_argument("--id", help="a name for it, under which it is published only once")
    command.add_argument("--key", help="which of the things of that event it is about")
    add_broker(command)
    command.set_defaults(execute=_publish)


def _publish(options: argparse.Namespace) -> int:
    text = _from_stdin() if options.data == "-" else options.data
    data = _decoded(text) if options.json else text
    with Publisher(options.broker) as publisher:
        position = publisher.publish_sync(
            options.channel, data, event=options.event, id=options.id, key=options.key
        )
    if position is not None:
        print(position)
    return 0


def _from_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise AntiphonError(f"standard input is no text in UTF-8: {error}") from None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise AntiphonError(f"the data is no JSON: {error}") from None
