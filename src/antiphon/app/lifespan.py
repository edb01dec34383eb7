"""An application's start or end that fails for a known reason: the server tells of it in one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from starlette.types import Message, Send

from antiphon.errors import AntiphonError


def told_plainly(send: Send, reason: Callable[[], AntiphonError | None]) -> Send:
    """What is sent to the server in a lifespan, with the reason of a failure instead of a traceback.

    Args:
        send: The server's.
        reason: Why the application could not start, if the error's text is all there is to know.
    """

    async def tell(message: Message) -> None:
        error = reason()
        if error is not None and message["type"] == "lifespan.startup.failed":
            message = {**message, "message": str(error)}
        elif "message" in message and _is_cancelled():
            # Whoever cancelled it tells.
            message = {**message, "message": ""}
        await send(message)

    return tell


def _is_cancelled() -> bool:
    """Whether the current task fails because it is cancelled, not for a reason of its own."""
    if not isinstance(sys.exception(), asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
