"""Event loops whose sockets are aiofastnet's: less is done below the protocol, with TLS above all.

The loop stays the one it was; its transports are others. An extra, since each connection takes a few KiB
more of memory (``docs/guide/uvicorn.md``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from antiphon.errors import MissingExtra

logger = logging.getLogger("antiphon")

#: What the library tells the loop's exception handler.
HANDSHAKE_FAILED = "SSL handshake failed"

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def with_fastnet(new_loop: LoopFactory | None) -> LoopFactory:
    """What makes event loops, made to give them aiofastnet's transports.

    Args:
        new_loop: What makes the loop below; None: asyncio's own.

    Raises:
        MissingExtra: aiofastnet is not installed.
    """
    try:
        import aiofastnet
    except ImportError as error:
        raise MissingExtra('the loop needs aiofastnet: pip install "antiphon[fastnet]"') from error
    factory = aiofastnet.loop_factory(new_loop)

    def fastnet_loop() -> asyncio.AbstractEventLoop:
        loop = factory()
        loop.set_exception_handler(_in_a_line)
        return loop

    return fastnet_loop


def _in_a_line(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say a failed TLS handshake in a line: whoever knocks and goes away is no error of ours."""
    message, error = context["message"], context.get("exception")
    reset_before = "resume_reading" in message and isinstance(error, RuntimeError)
    if message == HANDSHAKE_FAILED or reset_before:
        # The library hands over an exception's class where asyncio says an exception, and logging trips.
        logger.info("a TLS handshake failed: %s", error)
    else:
        loop.default_exception_handler(context)
