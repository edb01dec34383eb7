"""An application's start, when it fails for a reason that is known: the server is told that, in one line."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Message, Send

from antiphon.errors import AntiphonError


def told_plainly(send: Send, reason: Callable[[], AntiphonError | None]) -> Send:
    """What is sent to the server in a lifespan, with the reason of a failed start instead of a traceback.

    Args:
        send: The server's.
        reason: Why the application could not start, if the error's text is all there is to know.
    """

    async def tell(message: Message) -> None:
        error = reason()
        if error is not None and message["type"] == "lifespan.startup.failed":
            message = {**message, "message": str(error)}
        await send(message)

    return tell
