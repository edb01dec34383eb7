"""``antiphon listen``: print what is published on a channel, one publication a line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from antiphon.brokers import rules_of, shared_broker
from antiphon.channels import Channel, Feed, FeedOverflow, Hub, Position, Publication, check
from antiphon.cli.outside import add_broker
from antiphon.codec import encode_json
from antiphon.errors import PositionLost
from antiphon.protocols.raw import envelope


def add_to(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "listen",
        help="print what is published on a channel",
        description="Print what is published on a channel, one publication a line, until SIGINT (Ctrl-C). "
        "What is lost on the way is read from the channel's history; what cannot be had is said on standard "
        "error.",
    )
    command.add_argument("channel", metavar="CHANNEL", help="the channel's name")
    command.add_argument(
        "--since",
        type=_position,
        metavar="POSITION",
        help="begin with what came after this position, as `publish` prints it",
    )
    command.add_argument("--limit", type=_count, metavar="N", help="end after so many publications")
    command.add_argument(
        "--envelope",
        action="store_true",
        help="print each as a JSON object: channel, event, data, id, offset, epoch and time; otherwise its "
        "data is printed: text of one line as it is, all else as JSON",
    )
    add_broker(command)
    command.set_defaults(execute=_listen)


def _listen(options: argparse.Namespace) -> int:
    try:
        asyncio.run(_Listening(options).run())
    except KeyboardInterrupt:
        """It is how one ends it."""
    except BrokenPipeError:
        # Whoever read has read enough. Python would write what is left when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class _Listening:
    """One run of the command.

    Args:
        options: The command's.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._name = check(options.channel)
        self._since: Position | None = options.since
        self._left: int | None = options.limit
        self._line = _enveloped if options.envelope else _bare
        self._broker = shared_broker(options.broker)

    async def run(self) -> None:
        hub = Hub(self._broker, announces=False)
        await hub.start()
        try:
            hub.definitions = await rules_of(self._broker)
            while self._left != 0:
                await self._follow(Channel(hub, self._name))
        finally:
            await hub.stop()

    async def _follow(self, channel: Channel) -> None:
        """Print until the limit is reached, or the channel has to be subscribed to anew."""
        async with channel.subscribe(since=self._since) as feed:
            self._say_how_it_begins(feed)
            try:
                async for publication in feed:
                    print(self._line(publication), flush=True)
                    if self._left is not None:
                        self._left -= 1
                        if not self._left:
                            return
            except PositionLost as lost:
                self._since = None
                _say(f"{lost}: it goes on with what is published from now on")
            except FeedOverflow as overflow:
                # With a history, what was missed is read from there.
                self._since = feed.position
                if self._since is None:
                    _say(f"{overflow}: some are lost")

    def _say_how_it_begins(self, feed: Feed) -> None:
        if self._since is not None and not feed.recovered:
            why = "is lost" if feed.recovered is False else "is of no use: the channel keeps no history"
            _say(f"the position {self._since} {why}; it goes on with what is published from now on")


def _enveloped(publication: Publication) -> str:
    return encode_json(envelope(publication))


def _bare(publication: Publication) -> str:
    payload = publication.payload
    if isinstance(payload, str) and (publication.is_json or payload.isprintable()):
        return payload
    return encode_json(payload)


def _say(text: str) -> None:
    print(f"antiphon: {text}", file=sys.stderr, flush=True)


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
