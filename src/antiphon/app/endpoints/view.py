"""Views: one coroutine for each connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict, Unpack

from antiphon.app.binding import Plan, Session, describe, is_async, plan
from antiphon.app.endpoints.endpoint import GIVE_UP, Endpoint, left_until
from antiphon.app.endpoints.outcome import give_up, leave
from antiphon.app.services import Services
from antiphon.codec import MessageType
from antiphon.connection import CaughtCloseCodes, Options, Phase, WebSocket
from antiphon.errors import BindingError, ConfigurationError
from antiphon.loop import fault

logger = logging.getLogger("antiphon")


class ViewEndpoint(Endpoint):
    """A path whose connections are each served by one run of a coroutine function.

    Args:
        path: The path.
        view: The coroutine function.
        options: How its WebSockets behave.

    Raises:
        BindingError: The view is not a coroutine function.
    """

    def __init__(self, path: str, view: Callable[..., Any], options: Options) -> None:
        super().__init__(path, options)
        if not is_async(view):
            raise BindingError(
                f"{describe(view)}: a WebSocket view is a coroutine function; write 'async def', or "
                "use an event endpoint, whose handlers may be plain functions"
            )
        self.view = view
        self._plan: Plan | None = None
        self._views: dict[asyncio.Task[None], WebSocket] = {}
        self._unanswered: dict[str, asyncio.Future[None]] = {}

    def install(self, services: Services) -> None:
        """Become part of an application, and bind the view's parameters. Raises as ``bind``."""
        super().install(services)
        self.bind()

    def bind(self) -> None:
        """Bind the view's parameters to what there is now.

        Raises:
            BindingError: A parameter can be bound to nothing.
        """
        self._plan = plan(self.view, self.site())

    async def serve(self, ws: WebSocket, session: Session) -> None:
        """Run the view, and end the connection as it ended.

        Where the connection outlives the application's call, so does the view: when the handshake is
        answered it goes on in a task of its own, and the stack of middleware it came through is gone.
        """
        if not ws.outlives_application:
            await self._run(ws, session)
            return
        task = asyncio.create_task(self._run(ws, session), name=f"antiphon: {self.path}")
        answered = self._unanswered[ws.id] = asyncio.get_running_loop().create_future()
        self._views[task] = ws
        task.add_done_callback(partial(self._view_ended, ws))
        try:
            await answered
        except asyncio.CancelledError:
            give_up(ws)
            task.cancel()
            await asyncio.wait([task])
            raise

    def opened(self, ws: WebSocket) -> None:
        super().opened(ws)
        self._answered(ws)

    def ended(self, ws: WebSocket) -> None:
        super().ended(ws)
        self._answered(ws)

    async def settle(self, deadline: float) -> None:
        """Wait for the views of connections that are over, then stop them; ask those twice that go on."""
        for until in (deadline, deadline + GIVE_UP):
            if self._views:
                await asyncio.wait(self._views, timeout=left_until(until))
            for task, ws in self._views.items():
                leave(ws)
                task.cancel()

    def _answered(self, ws: WebSocket) -> None:
        answered = self._unanswered.pop(ws.id, None)
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _view_ended(self, ws: WebSocket, task: asyncio.Task[None]) -> None:
        del self._views[task]
        self._answered(ws)

    async def _run(self, ws: WebSocket, session: Session) -> None:
        assert self._plan is not None
        failure: Exception | None = None
        try:
            call = await self._plan.bind(session)
            await call(ws, None)
        except BaseException as raised:
            # Who stops it leaves the connection first; another server cancels its call, in which it runs.
            stopped = ws.closed or not ws.outlives_application
            failure = self._tell(ws, self.conclude(ws, fault(raised, stopped=stopped)))
        else:
            self._finish(ws)
        finally:
            try:
                await session.close()
            except Exception as error:
                failure = self._tell(ws, error, failure)
                if failure is error:
                    # Also in place of a cancellation, which would hide it.
                    raise
        if failure is not None:
            raise failure

    def _tell(
        self, ws: WebSocket, error: Exception | None, first: Exception | None = None
    ) -> Exception | None:
        """Tell of an exception; return the first, if that is to be raised to a server that waits for it."""
        if error is None:
            return first
        self.failed(ws, error)
        if first is None and not ws.outlives_application:
            return error
        logger.error("the view of %s failed", self.path, exc_info=error)
        return first

    def _finish(self, ws: WebSocket) -> None:
        if ws.phase is Phase.CONNECTING:
            # A view that has nothing to say is a connection that opens and closes.
            ws.open() if self._options.auto_accept else ws.refuse(403)
        if ws.accepted:
            ws.end(1000)


class EndpointOptions(TypedDict, total=False):
    """How the WebSockets of an endpoint behave.

    Attributes:
        receive_type: What ``ws.receive()`` and ``async for`` yield: ``"text"``, ``"bytes"``,
            ``"json"``, or a type to validate; None for messages as they come.
        send_type: What ``ws.send()`` takes, likewise; None for text, bytes, and all else as JSON.
        value_type: Both at once.
        auto_accept: Whether the first use accepts the connection.
        caught_close_codes: Close codes that end a view quietly when it does not catch the
            disconnect; ``all`` for every code.
    """

    receive_type: MessageType
    send_type: MessageType
    value_type: MessageType
    auto_accept: bool
    caught_close_codes: CaughtCloseCodes


def options_of(given: EndpointOptions) -> Options:
    """The options as a value.

    Raises:
        ConfigurationError: There is no such option, a type is unknown, or the codes are none.
    """
    unknown = given.keys() - EndpointOptions.__annotations__.keys()
    if unknown:
        raise ConfigurationError(
            f"there is no option {', '.join(sorted(unknown))}; there are "
            f"{', '.join(EndpointOptions.__annotations__)}"
        )
    both = given.get("value_type")
    return Options(
        receive_type=given.get("receive_type", both),
        send_type=given.get("send_type", both),
        auto_accept=given.get("auto_accept", True),
        caught_close_codes=given.get("caught_close_codes", all),
    )


def websocket(path: str, **options: Unpack[EndpointOptions]) -> Callable[[Callable[..., Any]], ViewEndpoint]:
    """Make a coroutine function a WebSocket endpoint, for ``Antiphon(routes=[...])``.

    Args:
        path: The path, with parameters as ``/rooms/{room}`` or ``/rooms/{number:int}``.
        **options: See ``EndpointOptions``.

    Raises:
        BindingError: It is not a coroutine function, or (when the application takes it) has a
            parameter that nothing can fill.
        ConfigurationError: A type is unknown, or the codes are none.
    """
    made = options_of(options)

    def decorate(view: Callable[..., Any]) -> ViewEndpoint:
        return ViewEndpoint(path, view, made)

    return decorate
