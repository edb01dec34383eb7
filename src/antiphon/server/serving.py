"""uvicorn's configuration and server, with our limits and a way of stopping that keeps its deadline.

The server knows an application only as something that has limits and can part from its connections.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
import ssl
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol, cast, runtime_checkable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.importer import import_from_string
from uvicorn.lifespan.on import LifespanOn

from antiphon.connection.transports.direct import DirectTransport
from antiphon.errors import ConfigurationError
from antiphon.limits import Limits, Number, Timeouts, changed
from antiphon.loop import LoopFactory, spread, with_fastnet
from antiphon.server.doorway import Doorway
from antiphon.server.memory import settle
from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.reception import Reception, reception_of

logger = logging.getLogger("uvicorn.error")

#: Seconds that requests get to end when parting from the connections has taken all the time there was.
LEAST = 0.2

#: Seconds that what is cancelled when all is over gets to end.
GIVE_UP = 0.5

#: Seconds between two looks at whether a second Ctrl-C came, which ends everything at once.
LOOK = 0.1

#: Seconds before the end when those who have not answered are cut off, if the others have as long to answer.
PARTING = 0.5


FASTNET = "aiofastnet"
#: Names of event loops: the best that is installed, asyncio's own, and the best with aiofastnet's transports.
LOOPS = ("auto", "asyncio", FASTNET)


@runtime_checkable
class Drainable(Protocol):
    """An application that can part from its connections."""

    limits: Limits
    timeouts: Timeouts

    @property
    def spans_processes(self) -> bool:
        """Whether its parts reach each other when there are several processes of it."""

    async def drain(self, code: int = ..., reason: str = ...) -> None:
        """Close every connection, and wait for it within a deadline."""

    def hurry(self) -> None:
        """Let the deadline be now."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What whoever starts the server wants otherwise than the application says.

    Attributes:
        limits: Fields of ``Limits``.
        timeouts: Fields of ``Timeouts``.
    """

    limits: Mapping[str, Number] = field(default_factory=dict)
    timeouts: Mapping[str, Number] = field(default_factory=dict)


NO_CHANGES = Changes()


class Config(uvicorn.Config):
    """uvicorn's configuration, with what a peer may use and how long to wait for it.

    Args:
        app: The application, or where to find it, as ``"module:app"``.
        changes: What is to be otherwise than the application says.
        loop: The event loop, one of ``LOOPS``.
        **options: uvicorn's.

    Attributes:
        fastnet: Whether the loop has aiofastnet's transports.
        limits: Those of the application, or of the first that is mounted in it.
        timeouts: Likewise.
        tls: What connections are made secure with, once they are counted; None: they are plain.
        blind: Whether no application of ours was found to take them from.
    """

    tls: ssl.SSLContext | None = None
    blind = True

    def __init__(self, app: ASGIApp | str, changes: Changes, *, loop: str = "auto", **options: Any) -> None:
        if loop not in LOOPS:
            raise ConfigurationError(f"loop={loop!r}: there are {', '.join(LOOPS)}")
        self.changes = changes
        self.fastnet = loop == FASTNET
        self.limits = changed(Limits(), changes.limits)
        self.timeouts = changed(Timeouts(), changes.timeouts)
        below = "auto" if self.fastnet else loop
        super().__init__(app, http=Doorway, ws=WebSocketProtocol, lifespan="auto", loop=below, **options)

    def get_loop_factory(self) -> LoopFactory | None:
        """What makes the event loop. Raises ``MissingExtra``."""
        factory = super().get_loop_factory()
        return with_fastnet(factory) if self.fastnet else factory

    def load(self) -> None:
        """Load the application, and change what it says. Raises ``ConfigurationError``."""
        super().load()
        # Otherwise the event loop would see to TLS, and nobody be counted before its handshake is over.
        self.tls, self.ssl = self.ssl, None
        self.take_terms()

    def take_terms(self) -> None:
        """Take limits and timeouts from the application, and change them there as well.

        Raises:
            ConfigurationError: There are to be several workers, and the application spans one process.
        """
        applications = tuple(drainables(application_of(self)))
        if self.workers > 1 and not all(each.spans_processes for each in applications):
            raise ConfigurationError(
                f"{self.workers} workers need a broker that spans processes, or channels and broadcasts "
                'would reach one of them only: Antiphon(broker="redis://…"), or ANTIPHON_BROKER=redis://… in '
                "the environment; or serve with one worker"
            )
        for each in applications:
            each.limits = changed(each.limits, self.changes.limits)
            each.timeouts = changed(each.timeouts, self.changes.timeouts)
        self.blind = not applications
        if applications:
            self.limits, self.timeouts = applications[0].limits, applications[0].timeouts
        self.ws_max_size = self.limits.message
        self.ws_ping_interval = self.timeouts.ping_interval
        self.ws_ping_timeout = self.timeouts.ping


class Server(uvicorn.Server):
    """A uvicorn server that says where it serves, and parts from its connections before it stops."""

    config: Config
    #: Whether a second Ctrl-C came: whoever waits does so no more.
    hurried = False
    _starting: asyncio.Task[Any] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; after a second Ctrl-C uvicorn would leave the application's lifespan where it is.

        Raises:
            KeyboardInterrupt: A third Ctrl-C came: what goes on is broken off, even if it blocks the loop.
        """
        if self.hurried and sig == signal.SIGINT:
            raise KeyboardInterrupt
        if self.should_exit and sig == signal.SIGINT:
            self.hurried = True
        else:
            super().handle_exit(sig, frame)
        if self._starting is not None:
            self._starting.get_loop().call_soon_threadsafe(self._start_no_more)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal; then wait for no task that does not end when it is cancelled."""
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            try:
                runner.run(self.serve(sockets))
            finally:
                runner.run(self._stop_what_is_left(GIVE_UP))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.should_exit or not await self._comes_to_its_end(super().startup(sockets)):
            return
        settle()
        for sock in sockets or ():
            host, port = sock.getsockname()[:2]
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            scheme = "https" if self.config.is_ssl else "http"
            logger.info("Serving on %s://%s (press Ctrl-C to stop)", scheme, where)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, part from all connections, and be done when the time is over."""
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        applications = tuple(drainables(application_of(self.config)))
        # One deadline for everything: uvicorn waits for what is left of it. Who does not answer goes a little
        # earlier, so that the ``close`` handlers have some time, too.
        time = time_to_drain(self.config)
        deadline = loop.time() + time
        spreads = [self.config.timeouts.spread, *(each.timeouts.spread for each in applications)]
        to_answer = time - max(spreads)
        loop.call_at(deadline - min(PARTING, max(0.0, to_answer) / 2), self._abort)
        parting = asyncio.ensure_future(self._part(applications))
        await self._unless_hurried(parting)
        left = deadline - loop.time()
        self.config.timeout_graceful_shutdown = max(LEAST, left)  # type: ignore[assignment]
        # Who is left has had the time for that.
        reception_of(self.config, self.server_state).farewell.within = 0.0
        # Behind the requests the lifespan has as much time as the connections had.
        last = loop.time() + max(LEAST, left) + max(time, GIVE_UP)
        ending = asyncio.ensure_future(super().shutdown(sockets))
        await self._unless_hurried(ending, GIVE_UP, last)
        if not ending.done():
            if not self.hurried:
                logger.error("the application's lifespan has not ended in time (Timeouts.drain): cut off")
            await self._stop_what_is_left(GIVE_UP)

    async def _comes_to_its_end(self, start: Coroutine[Any, Any, None]) -> bool:
        """Start; a signal stops that, with whatever it has begun."""
        starting = self._starting = asyncio.current_task()
        assert starting is not None
        try:
            await start
            return True
        except asyncio.CancelledError:
            if not self.should_exit:
                raise
        finally:
            self._starting = None
        # There may have been several signals.
        while starting.uncancel():
            pass
        logger.info("Stopped while the application started")
        await self._stop_what_is_left(time_to_drain(self.config))
        return False

    def _start_no_more(self) -> None:
        # What has started, and is not known to have yet, ends as it would later.
        if self._starting is not None and not cast(LifespanOn, self.lifespan).startup_event.is_set():
            self._starting.cancel()

    async def _unless_hurried(
        self, ending: asyncio.Task[None], moment: float = 0.0, deadline: float = math.inf
    ) -> None:
        """Wait for an ending; in a hurry end whatever it waits for, and give it so many seconds."""
        loop = asyncio.get_running_loop()
        while not (ending.done() or self.hurried or loop.time() >= deadline):
            await asyncio.wait([ending], timeout=LOOK)
        if self.hurried:
            self._end_at_once()
            await asyncio.wait([ending], timeout=moment)
        if ending.done():
            ending.result()
        else:
            ending.cancel()

    def _end_at_once(self) -> None:
        """End all that an ending may wait for."""
        reception_of(self.config, self.server_state).farewell.within = 0.0
        for connection in tuple(self.server_state.connections):
            end = connection.abort if isinstance(connection, DirectTransport) else connection.shutdown
            end()
        for each in drainables(application_of(self.config)):
            each.hurry()
        for task in self.server_state.tasks:
            task.cancel()
        # uvicorn waits for what is in these before the lifespan may end.
        self.server_state.tasks.clear()
        self.server_state.connections.clear()

    async def _part(self, applications: Iterable[Drainable]) -> None:
        """Part from all connections, each application from its own."""
        reception = reception_of(self.config, self.server_state)
        farewell = reception.farewell
        drained = (each.drain(farewell.code, farewell.reason) for each in applications)
        await asyncio.gather(self._part_from_bridged(reception), *drained)

    async def _part_from_bridged(self, reception: Reception) -> None:
        """Part from those connections that no application of ours parts from."""
        async for connection in spread(tuple(reception.bridged), self.config.timeouts.spread):
            connection.take_leave(reception.farewell.code, reception.farewell.reason)

    def _abort(self) -> None:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, DirectTransport):
                connection.abort()

    async def _stop_what_is_left(self, time: float) -> None:
        """Cancel all other tasks; leave alone who does not end, for whom the runner would wait for ever."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        told: set[asyncio.Task[Any]] = set()
        try:
            # What is cancelled may begin others.
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                if loop.time() - begun >= (GIVE_UP if self.hurried else time):
                    break
                for task in left - told:
                    task.cancel()
                told |= left
                await asyncio.wait(left, timeout=LOOK)
        finally:
            # A Ctrl-C in the very end comes here, too.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                logger.warning("left alone, since it does not end in time when it is cancelled: %r", task)
                asyncio._unregister_task(task)


def drainables(app: Any, seen: frozenset[int] = frozenset()) -> Iterator[Drainable]:
    """An application, and those mounted in it, that can part from their connections."""
    if app is None or id(app) in seen:
        return
    seen |= {id(app)}
    if isinstance(app, Drainable):
        yield app
    for route in getattr(app, "routes", None) or ():
        yield from drainables(getattr(route, "app", None), seen)
    # Middleware around an application.
    yield from drainables(getattr(app, "app", None), seen)


def time_to_drain(config: Config) -> float:
    """Seconds that the application, with all that is mounted in it, has to part from its connections."""
    applications = tuple(drainables(application_of(config)))
    return max((each.timeouts.drain for each in applications), default=config.timeouts.drain)


def application_of(config: uvicorn.Config) -> Any:
    """The application that a configuration names; when it is loaded, what a factory made, behind layers.

    Raises:
        ConfigurationError: What it names is none.
    """
    if config.loaded:
        return config.loaded_app
    app = config.app
    if isinstance(app, str):
        app = import_from_string(app)
    if not callable(app):
        raise ConfigurationError(f"{config.app!r} is no application: it cannot be called, but is {app!r}")
    return app
