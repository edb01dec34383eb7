"""Event endpoints: handlers for what happens on a connection.

The handlers of one connection run one at a time and in order: ``connect`` before the first ``message``,
``close`` once, after the last. A connection with nothing to do has no task; messages that arrive while a
handler runs wait in the connection's bounded inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from antiphon.app.binding import Handler, Session, describe, is_async, plan
from antiphon.app.endpoints.conversation import Call, Conversation, Event
from antiphon.app.endpoints.endpoint import GIVE_UP, Endpoint, left_until
from antiphon.codec import Decoder, decoder
from antiphon.connection import Options, WebSocket
from antiphon.errors import BindingError, ConfigurationError

H = TypeVar("H", bound=Callable[..., Any])

EVENTS: tuple[Event, ...] = get_args(Event)


class EventEndpoint(Endpoint):
    """A path whose connections are served by handlers of their events; each handler is optional.

    Args:
        path: The path.
        options: How its WebSockets behave.

    Attributes:
        accepts_first: Whether a connection is accepted before ``connect`` runs, which then can't refuse it.
        handlers: The handlers, by their events.
    """

    accepts_first = False

    def __init__(self, path: str, options: Options) -> None:
        super().__init__(path, options)
        self.handlers: dict[Event, Handler] = {}
        self._conversations: set[Conversation] = set()
        self._calls: Mapping[Event, Call] | None = None

    def on(self, event: Event, *, inline: bool = False) -> Callable[[H], H]:
        """Register the handler of an event: ``connect``, ``message``, ``close`` or ``error``.

        ``connect`` runs before the connection is accepted and may refuse it. ``message`` runs for each
        message, with the message as the endpoint's ``receive_type`` or its own annotation says.
        ``close`` runs once for each connection. ``error`` is given what another handler raised; with
        it, the connection stays open unless it closes it. What a handler returns is sent: text as
        text, bytes as binary, None not at all, everything else as JSON.

        Args:
            event: What the handler is for.
            inline: Run a plain function on the event loop itself rather than in a worker thread: the
                fastest way, for functions that never block. While one runs, nobody else is served.

        Raises:
            BindingError: There is no such event, it has its handler already, ``inline`` is given for a
                coroutine function, or a parameter of the handler can be bound to nothing.
        """
        if event not in EVENTS:
            raise BindingError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")

        def register(function: H) -> H:
            if event in self.handlers:
                raise BindingError(
                    f"{describe(function)}: {self.path} has a handler of {event!r} already: "
                    f"{describe(self.handlers[event].function)}"
                )
            self.handlers[event] = self.handler(event, function, inline=inline)
            self._calls = None
            return function

        return register

    def handler(self, event: Event, function: Callable[..., Any], *, inline: bool = False) -> Handler:
        """Work out how to call a handler of an event."""
        if inline and is_async(function):
            raise BindingError(
                f"{describe(function)}: inline is for plain functions; a coroutine function runs on the "
                "event loop anyway"
            )
        subject = event if event in ("message", "error") else None
        bound = plan(function, self.site(subject))
        decode = self._options.decode
        if event == "message" and bound.subject_type not in (None, Any):
            decode = decoder_for(function, bound.subject_type)
        return Handler(function, bound, decode, inline=inline)

    async def serve(self, ws: WebSocket, session: Session) -> None:
        """Run ``connect``, then stay until the connection's last handler has run."""
        conversation = Conversation(self, ws, session)
        self._conversations.add(conversation)
        try:
            await conversation.start()
            if not ws.outlives_application:
                await conversation.over()
                if conversation.failure is not None:
                    raise conversation.failure
        except asyncio.CancelledError:
            await conversation.abandon()
            raise

    @property
    def calls(self) -> Mapping[Event, Call] | None:
        """How to call each handler, when that is the same for all connections: worked out once."""
        if self._calls is None and not any(each.plan.constants for each in self.handlers.values()):
            self._calls = {event: each.plan.call(each.function) for event, each in self.handlers.items()}
        return self._calls

    def finished(self, conversation: Conversation) -> None:
        """Learn that a conversation's last handler has run."""
        self._conversations.discard(conversation)

    async def settle(self, deadline: float) -> None:
        """Wait for the last handlers of connections that are over, then stop them."""
        talking = [asyncio.ensure_future(each.over()) for each in self._conversations]
        if talking:
            await asyncio.wait(talking, timeout=left_until(deadline))
        stopping = [asyncio.ensure_future(each.abandon()) for each in self._conversations]
        if stopping:
            await asyncio.wait(stopping, timeout=left_until(deadline + GIVE_UP))

    @property
    def accepts_in_time(self) -> bool:
        return False


def decoder_for(function: Callable[..., Any], annotation: Any) -> Decoder:
    """The function that makes of a message what a handler's annotation asks for.

    ``str | bytes`` and the like ask for the message as it comes.
    """
    kinds = set(get_args(annotation)) or {annotation}
    if kinds <= {str, bytes} and len(kinds) == 2:
        return decoder(None)
    try:
        return decoder(annotation)
    except ConfigurationError as error:
        raise BindingError(f"{describe(function)}: {error}") from error
