"""The handlers of one connection, at work: one at a time, in order.

A coroutine handler begins at once, within the read that brought its message, and becomes a task only if
it waits. Plain functions run in a worker thread, which is handed all the messages that wait together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, Protocol

from starlette.exceptions import HTTPException, WebSocketException

from antiphon.app.binding import Handler, Session
from antiphon.app.endpoints.outcome import give_up, leave
from antiphon.app.endpoints.threaded import hand_over
from antiphon.codec import Decoder, encode
from antiphon.connection import OutboxFull, Phase, WebSocket
from antiphon.errors import WebSocketDisconnect
from antiphon.loop import EagerTasks, eager_tasks, fault, harmless

logger = logging.getLogger("antiphon")

Event = Literal["connect", "message", "close", "error"]
Call = Callable[[Any, Any], Any]


class Host(Protocol):
    """The endpoint of a conversation.

    Attributes:
        handlers: Its handlers, by event.
    """

    handlers: dict[Event, Handler]

    @property
    def calls(self) -> Mapping[Event, Call] | None:
        """How to call each handler, when that is the same for all connections."""

    @property
    def accepts_first(self) -> bool:
        """Whether connections are accepted before ``connect`` runs."""

    def conclude(self, ws: WebSocket, error: Exception) -> Exception | None:
        """End a connection as an exception demands; return what belongs into the log."""

    def failed(self, ws: WebSocket, error: Exception) -> None:
        """Tell of an exception that nobody caught."""

    def finished(self, conversation: Conversation) -> None:
        """Learn that a conversation's last handler has run."""


class Conversation:
    """One connection's handlers at work.

    Args:
        host: Whose handlers they are.
        ws: The connection.
        session: What was made for it.

    Attributes:
        failure: What a handler raised and nobody caught, for the server that waits for the end.
    """

    __slots__ = (
        "_begins",
        "_begun",
        "_busy",
        "_calls",
        "_decode",
        "_eager",
        "_finished",
        "_finisher",
        "_host",
        "_on_message",
        "_over",
        "_session",
        "_started",
        "_worker",
        "_ws",
        "failure",
    )

    def __init__(self, host: Host, ws: WebSocket, session: Session) -> None:
        self._host = host
        self._ws = ws
        self._session = session
        self._calls: Mapping[Event, Call] = {}
        self._begun = False
        self._started = False
        self._finished = False
        self._finisher: asyncio.Task[Any] | None = None
        self._begins = False
        self._decode: Decoder
        self._on_message: Call
        self._busy = True
        self._worker: asyncio.Task[None] | None = None
        self._eager: EagerTasks = eager_tasks()
        self._over: asyncio.Future[None] | None = None
        self.failure: Exception | None = None
        ws.messages_received = self._messages_received
        ws.when_lost(self._connection_lost)

    def __repr__(self) -> str:
        return f"<Conversation {self._ws!r} {'busy' if self._busy else 'idle'}>"

    async def start(self) -> None:
        """Bind the handlers' parameters, run ``connect``, and accept unless it failed or refused."""
        ws = self._ws
        self._worker = asyncio.current_task()
        try:
            self._calls = await self._bind()
            if self._host.accepts_first:
                ws.open()
        except BaseException as raised:
            self._conclude(await self._fault(raised))
        else:
            self._begun = True
            on_message = self._host.handlers.get("message")
            if on_message is not None:
                self._decode = on_message.decode
                self._on_message = self._calls["message"]
                self._begins = on_message.is_async
                if on_message.is_inline:
                    ws.messages_received = self._handle_inline
            succeeded = await self._run("connect")
            if ws.phase is Phase.CONNECTING:
                ws.open() if succeeded else ws.refuse(500)
            elif ws.accepted and not succeeded:
                ws.end(1011)
        self._started = True
        self._busy = False
        self._worker = None
        if ws.inbox.waiting or ws.ended:
            self._start(self._work())

    async def _bind(self) -> Mapping[Event, Call]:
        """How to call each handler; the same for all connections unless a parameter is their own."""
        if self._host.calls is not None:
            return self._host.calls
        handlers = self._host.handlers
        return {event: await handlers[event].plan.bind(self._session) for event in handlers}

    async def over(self) -> None:
        """Wait until the last handler has run."""
        if self._finished:
            return
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._over)

    async def abandon(self) -> None:
        """Stop what runs, then run ``close``: the server does not wait any longer."""
        leave(self._ws)
        self._ws.inbox.clear()
        worker = self._worker
        if worker is not None and worker is not asyncio.current_task():
            worker.cancel()
            await asyncio.wait([worker])
        await self._finish()

    def _messages_received(self, messages: Sequence[str | bytes]) -> None:
        if self._busy or len(messages) > 1 or not self._begins:
            self._ws.inbox.put(messages)
            if not self._busy:
                self._start(self._work())
            return
        # The common case: one message, a coroutine handler, and nothing else at work.
        self._busy = True
        task = self._eager.start(self._handle_one(messages[0]))
        if self._busy:
            self._worker = task

    def _connection_lost(self) -> None:
        if not self._busy:
            self._start(self._work())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._busy = True
        task = self._eager.start(work)
        if self._busy:
            self._worker = task

    async def _work(self) -> None:
        """Handle the messages that wait; when there will be no more, finish."""
        ws = self._ws
        if "message" in self._host.handlers and self._begun:
            await self._handle_waiting(self._host.handlers["message"], self._calls["message"])
        else:
            ws.inbox.clear()
        if ws.ended:
            await self._finish()
        else:
            self._busy = False
        self._worker = None

    def _handle_inline(self, messages: Sequence[str | bytes]) -> None:
        """Handle messages by a plain function here and now; whatever has to wait gets a task."""
        ws, call, decode = self._ws, self._on_message, self._decode
        if self._busy:
            ws.inbox.put(messages)
            return
        self._busy = True
        rest = iter(messages)
        for message in rest:
            try:
                value = call(ws, decode(message))
                # What could be put was put before any end: nothing more to ask.
                if not ws.closed_here if value is None else ws.put(encode(value)):
                    continue
                trouble = None
            except OutboxFull as full:
                ws.overflow(full)
                trouble = None
            # Whoever called this, it is not what was cancelled.
            except BaseException as error:
                trouble = harmless(error)
            left = () if ws.closed_here else tuple(rest)
            if left:
                ws.inbox.put(left)
            self._start(self._recover(trouble))
            # The frame lives as long as the exception, which must not live as long as the frame.
            trouble = None
            return
        self._busy = False
        if ws.ended:
            self._start(self._work())

    async def _recover(self, trouble: Exception | None) -> None:
        if trouble is not None:
            await self._failed(trouble)
        try:
            await self._ws.drained()
        except BaseException as raised:
            await self._failed(raised)
        await self._work()

    async def _handle_one(self, message: str | bytes) -> None:
        ws = self._ws
        try:
            value = await self._on_message(ws, self._decode(message))
            if value is not None:
                await self._reply(value)
        except BaseException as raised:
            await self._failed(raised)
        if ws.inbox.waiting or ws.ended:
            await self._work()
        else:
            self._busy = False
            self._worker = None

    async def _handle_waiting(self, handler: Handler, call: Call) -> None:
        ws, inbox, decode = self._ws, self._ws.inbox, handler.decode
        waiting, is_async = inbox.waiting, handler.is_async
        in_thread = not (is_async or handler.is_inline)
        while waiting:
            try:
                if in_thread:
                    await hand_over(self._session.threads, ws, call, decode, self._failed)
                    continue
                message = waiting.pop(0)
                if inbox.paused:
                    inbox.relax()
                value = call(ws, decode(message))
                if is_async:
                    value = await value
                if value is not None:
                    await self._reply(value)
            except BaseException as raised:
                await self._failed(raised)

    async def _finish(self) -> None:
        """Run ``close``, and tear down: once, whoever comes to it first."""
        task = asyncio.current_task()
        if self._finisher not in (None, task):
            await self.over()
            return
        self._finisher = task
        # Should it be stopped in the middle, it goes on behind ``close``.
        begun, self._begun = self._begun, False
        if begun:
            await self._run("close")
        try:
            await self._session.close()
        except Exception as error:
            self._tell(error)
        finally:
            # A task that is known to nobody can be used again.
            self._finished, self._finisher = True, None
            self._host.finished(self)
            if self._over is not None and not self._over.done():
                self._over.set_result(None)

    async def _run(self, event: Event, subject: Any = None) -> bool:
        """Run the handler of an event, if there is one; False when it failed."""
        handler = self._host.handlers.get(event)
        if handler is None:
            return True
        try:
            value = await handler.run(self._calls[event], self._session, subject)
            if value is not None:
                await self._reply(value)
        except BaseException as raised:
            return await self._failed(raised)
        return True

    async def _reply(self, value: Any) -> None:
        if not self._ws.closed:
            await self._ws.write(encode(value))

    async def _fault(self, raised: BaseException) -> Exception:
        """What a handler raised, as an error; if it is that they are being stopped, finish, and raise it."""
        try:
            # Who stops them leaves the connection first; until they have started, the task is the caller's.
            return fault(raised, stopped=self._ws.closed or not self._started)
        except asyncio.CancelledError:
            give_up(self._ws)
            await self._finish()
            raise

    async def _failed(self, raised: BaseException) -> bool:
        """Deal with what a handler raised; True when it was no failure but the connection's end."""
        error = await self._fault(raised)
        if isinstance(error, WebSocketDisconnect) and self._ws.closed:
            return self._conclude(error)
        handler = self._host.handlers.get("error")
        if handler is not None and not isinstance(error, (WebSocketException, HTTPException)):
            try:
                value = await handler.run(self._calls["error"], self._session, error)
                if value is not None:
                    await self._reply(value)
            except BaseException as raised:
                error = _after(error, await self._fault(raised))
            else:
                return False
        self._conclude(error)
        return False

    def _conclude(self, error: Exception) -> bool:
        untold = self._host.conclude(self._ws, error)
        if untold is not None:
            self._tell(untold)
        return untold is None

    def _tell(self, error: Exception) -> None:
        self._host.failed(self._ws, error)
        if self.failure is None and not self._ws.outlives_application:
            self.failure = error
        else:
            logger.error("a handler of %r failed", self._ws, exc_info=error)


def _after(error: Exception, worse: Exception) -> Exception:
    """What the error handler raised, so that the log has what it was called for as well."""
    last: BaseException = worse
    while last is not error and last.__cause__ is not None:
        last = last.__cause__
    if last is not error:
        last.__cause__ = error
    return worse
