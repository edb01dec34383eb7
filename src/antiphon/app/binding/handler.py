"""One handler of an event endpoint, ready to be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antiphon.app.binding.dependencies import Session, is_async
from antiphon.app.binding.plan import Plan
from antiphon.codec import Decoder


class Handler:
    """One handler of an event endpoint.

    Attributes:
        function: As it was registered.
        plan: How to call it.
        decode: From a message to what it takes.
        is_async: Whether calling it gives a coroutine.
        is_inline: Whether it is a plain function that runs on the event loop all the same.
    """

    __slots__ = ("decode", "function", "is_async", "is_inline", "plan")

    def __init__(
        self, function: Callable[..., Any], plan: Plan, decode: Decoder, *, inline: bool = False
    ) -> None:
        self.function = function
        self.plan = plan
        self.decode = decode
        self.is_async = is_async(function)
        self.is_inline = inline

    async def run(self, call: Callable[[Any, Any], Any], session: Session, subject: Any) -> Any:
        """Make a call of it where it belongs: on the event loop, or in a worker thread."""
        if self.is_async:
            return await call(session.connection, subject)
        if self.is_inline:
            return call(session.connection, subject)
        return await session.threads.run(call, session.connection, subject)
