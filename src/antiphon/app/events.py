"""Event endpoints: handlers for what happens on a connection.

The handlers of one connection run one at a time and in order: ``connect`` before the first ``message``,
``close`` once, after the last. A connection with nothing to do has no task; messages that arrive while a
handler runs wait in the connection's bounded inbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

from starlette.exceptions import HTTPException, WebSocketException

from antiphon.app.binding import Plan, Session, describe, is_async, plan
from antiphon.app.endpoint import Endpoint, leave
from antiphon.codec import Decoder, decoder, encode
from antiphon.connection import Options, Phase, WebSocket
from antiphon.errors import BindingError, ConfigurationError, WebSocketDisconnect
from antiphon.signals import HandlerFailed

logger = logging.getLogger("antiphon")

Event = Literal["connect", "message", "close", "error"]
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

    def on(self, event: Event) -> Callable[[H], H]:
        """Register the handler of an event: ``connect``, ``message``, ``close`` or ``error``.

        ``connect`` runs before the connection is accepted and may refuse it. ``message`` runs for each
        message, with the message as the endpoint's ``receive_type`` or its own annotation says.
        ``close`` runs once for each connection. ``error`` is given what another handler raised; with
        it, the connection stays open unless it closes it. What a handler returns is sent: text as
        text, bytes as binary, None not at all, everything else as JSON.

        Raises:
            BindingError: There is no such event, it has its handler already, or a parameter of the
                handler can be bound to nothing.
        """
        if event not in EVENTS:
            raise BindingError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")

        def register(function: H) -> H:
            if event in self.handlers:
                raise BindingError(
                    f"{describe(function)}: {self.path} has a handler of {event!r} already: "
                    f"{describe(self.handlers[event].function)}"
                )
            self.handlers[event] = self.handler(event, function)
            return function

        return register

    def handler(self, event: Event, function: Callable[..., Any]) -> Handler:
        """Work out how to call a handler of an event."""
        subject = event if event in ("message", "error") else None
        bound = plan(function, self.site(subject))
        decode = self._options.decode
        if event == "message" and bound.subject_type not in (None, Any):
            decode = decoder_for(function, bound.subject_type)
        return Handler(function, bound, decode)

    async def serve(self, ws: WebSocket, session: Session) -> None:
        """Run ``connect``, then stay until the connection's last handler has run."""
        conversation = Conversation(self, ws, session)
        try:
            await conversation.start()
            if not ws.outlives_application:
                await conversation.over
        except asyncio.CancelledError:
            leave(ws)
            await conversation.abandon()
            raise

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


class Handler:
    """One handler of an event endpoint.

    Attributes:
        function: As it was registered.
        plan: How to call it.
        decode: From a message to what it takes.
    """

    __slots__ = ("decode", "function", "is_async", "plan")

    def __init__(self, function: Callable[..., Any], plan: Plan, decode: Decoder) -> None:
        self.function = function
        self.plan = plan
        self.decode = decode
        self.is_async = is_async(function)


class Conversation:
    """The handlers of one connection, at work.

    Attributes:
        over: Done when the last handler has run.
    """

    def __init__(self, endpoint: EventEndpoint, ws: WebSocket, session: Session) -> None:
        self._endpoint = endpoint
        self._ws = ws
        self._session = session
        self._calls: dict[Event, Callable[[Any, Any], Any]] = {}
        self._begun = False
        self._busy = True
        self._worker: asyncio.Task[None] | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ws.message_received = self._message_received
        ws.when_lost(self._connection_lost)

    def __repr__(self) -> str:
        return f"<Conversation {self._ws!r} {'busy' if self._busy else 'idle'}>"

    async def start(self) -> None:
        """Bind the handlers' parameters, run ``connect``, and accept unless it failed or refused."""
        ws = self._ws
        try:
            for event, handler in self._endpoint.handlers.items():
                self._calls[event] = await handler.plan.bind(self._session)
            if self._endpoint.accepts_first:
                ws.open()
        except Exception as error:
            self._conclude(error)
        else:
            self._begun = True
            succeeded = await self._run("connect")
            if ws.phase is Phase.CONNECTING:
                ws.open() if succeeded else ws.refuse(500)
            elif ws.phase is Phase.OPEN and not succeeded:
                ws.end(1011)
        self._busy = False
        if ws.inbox or ws.phase in (Phase.CLOSED, Phase.REJECTED):
            self._work_soon()

    async def abandon(self) -> None:
        """Stop what runs, then run ``close``: the server does not wait any longer."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
        if not self.over.done():
            await self._finish()

    def _message_received(self, message: str | bytes) -> None:
        self._ws.inbox.put(message)
        if not self._busy:
            self._work_soon()

    def _connection_lost(self) -> None:
        if not self._busy:
            self._work_soon()

    def _work_soon(self) -> None:
        self._busy = True
        self._worker = asyncio.create_task(self._work(), name=f"antiphon: {self._endpoint.path}")

    async def _work(self) -> None:
        ws = self._ws
        while ws.inbox:
            await self._run("message", ws.inbox.pop())
        self._busy = False
        self._worker = None
        if ws.phase in (Phase.CLOSED, Phase.REJECTED):
            self._busy = True
            await self._finish()

    async def _finish(self) -> None:
        if self._begun:
            await self._run("close")
        await self._session.close()
        if not self.over.done():
            self.over.set_result(None)

    async def _run(self, event: Event, subject: Any = None) -> bool:
        """Run the handler of an event, if there is one; False when it failed."""
        handler = self._endpoint.handlers.get(event)
        if handler is None:
            return True
        try:
            if event == "message":
                subject = handler.decode(subject)
            await self._reply(await self._call(event, handler, subject))
        except Exception as error:
            return await self._failed(event, error)
        return True

    async def _call(self, event: Event, handler: Handler, subject: Any) -> Any:
        call = self._calls[event]
        if handler.is_async:
            return await call(self._ws, subject)
        return await self._session.threads.run(call, self._ws, subject)

    async def _reply(self, value: Any) -> None:
        if value is not None and not self._ws.closed:
            await self._ws.write(encode(value))

    async def _failed(self, event: Event, error: Exception) -> bool:
        if isinstance(error, WebSocketDisconnect) and self._ws.closed:
            return self._conclude(error)
        handler = self._endpoint.handlers.get("error")
        if handler is not None and not isinstance(error, (WebSocketException, HTTPException)):
            try:
                await self._reply(await self._call("error", handler, error))
            except Exception as worse:
                worse.__cause__ = worse.__cause__ or error
                error = worse
            else:
                return False
        self._conclude(error)
        return False

    def _conclude(self, error: Exception) -> bool:
        if self._endpoint.conclude(self._ws, error):
            return True
        self._endpoint.services.observer(HandlerFailed(self._endpoint.path, self._ws.id, error))
        logger.error("a handler of %r failed", self._ws, exc_info=error)
        return False
