"""What handlers can ask for, where it comes from, and how long it lives.

A *provider* makes a value: a constant, or a factory with parameters of its own. ``Providers`` is a chain
of tables, the endpoint's own before the application's. A ``Session`` is one connection's or request's
share: what its factories made, each once, and what has to be torn down when it ends.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from starlette.requests import HTTPConnection

from antiphon.errors import ConfigurationError
from antiphon.loop import WorkerThreads, fault

Scope = Literal["connection", "app"]
Key = type[Any] | str

#: Names that are attributes of the connection.
ATTRIBUTES = frozenset({"headers", "cookies", "query_params", "path_params", "state"})
RESERVED = frozenset({"ws", "websocket", "request", "message"}) | ATTRIBUTES


@dataclass(frozen=True, slots=True)
class Depends:
    """Mark a parameter as made by a function: ``user: Annotated[User, Depends(current_user)]``.

    The function is called once per connection or request, with parameters bound as a handler's are. A
    generator function gives with ``yield`` and tears down behind it.

    Attributes:
        function: What makes the value.
    """

    function: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a value comes from.

    Attributes:
        factory: What makes it, with parameters bound as a handler's are; or None for a constant.
        value: The constant.
        scope: ``"connection"``: made for each connection or request. ``"app"``: made once.
        derived: Whether it also makes the classes that derive from its type; the factory is then given
            the one that is asked for.
    """

    factory: Callable[..., Any] | None = None
    value: Any = None
    scope: Scope = "connection"
    derived: bool = False


class Providers:
    """A table of providers, and behind it the table of whoever is outside.

    Args:
        outer: Asked for what this table does not have.

    Attributes:
        outer: The same; it may be set later.
    """

    def __init__(self, outer: Providers | None = None) -> None:
        self.outer = outer
        self._table: dict[Key, Provider] = {}
        self._missed: set[Key] = set()

    def __repr__(self) -> str:
        return f"<Providers {list(self._table)}>"

    def constants(self, values: dict[str, Any]) -> None:
        """Provide values by name.

        Raises:
            ConfigurationError: A name means something else already.
        """
        for name, value in values.items():
            self.add(name, Provider(value=value))

    def add(self, key: Key, provider: Provider) -> None:
        """Provide by name or by type; what was provided before is replaced.

        Raises:
            ConfigurationError: A name means something else already, a handler registered before had to do
                without it, or there is no such scope.
        """
        if key in self._missed:
            raise ConfigurationError(
                f"{key!r} comes too late: a handler registered before asks for it and was bound to something "
                "else, such as the query; provide it before you register that handler"
            )
        if key in RESERVED:
            raise ConfigurationError(
                f"{key!r} always means the connection or a part of it; inject it under another name"
            )
        if provider.scope not in get_args(Scope):
            raise ConfigurationError(
                f"there is no scope {provider.scope!r}; there are {', '.join(get_args(Scope))}"
            )
        self._table[key] = provider

    def find(self, key: Key) -> Provider | None:
        """The provider of a name or type, the innermost first."""
        found = self._table.get(key)
        if found is None:
            self._missed.add(key)
            found = self._of_base(key)
        if found is None and self.outer is not None:
            return self.outer.find(key)
        return found

    def _of_base(self, key: Key) -> Provider | None:
        """The provider of a type that this one derives from, if it makes derived ones too."""
        for base in getattr(key, "__mro__", ()):
            provider = self._table.get(base)
            if provider is not None and provider.derived and provider.factory is not None:
                return replace(provider, factory=partial(provider.factory, key))
        return None

    @property
    def names(self) -> list[str]:
        """The names that can be asked for."""
        outer = self.outer.names if self.outer is not None else []
        return sorted({*outer, *(key for key in self._table if isinstance(key, str))})


class Session:
    """What was made for one connection, one request, or the application itself.

    Args:
        connection: The WebSocket or request; None for the application's own session.
        threads: Where plain functions run.
        app: The application's session, which keeps what lives as long as the application.
    """

    __slots__ = ("_made", "_making", "_teardowns", "app", "connection", "threads")

    def __init__(
        self, connection: HTTPConnection | None, threads: WorkerThreads, app: Session | None
    ) -> None:
        self.connection = connection
        self.threads = threads
        self.app = app
        self._made: dict[Callable[..., Any], Any] = {}
        self._making: dict[Callable[..., Any], asyncio.Future[Any]] = {}
        self._teardowns: list[Callable[[], Awaitable[Any]]] = []

    async def make(self, function: Callable[..., Any], call: Callable[[], Any]) -> Any:
        """The value of a function: what it made before, or what ``call`` makes of it now."""
        if function not in self._made:
            # Of a connection's values one is made after the other, in the connection's own task, as
            # time-outs and task groups around a ``yield`` need it.
            if self.app is None:
                return await self._make_once(function, call)
            self._made[function] = await self._enter(function, call)
        return self._made[function]

    async def close(self) -> None:
        """Tear down what was made, the last first; one that fails keeps no other from it.

        Raises:
            Exception: What the first of them to fail raised.
        """
        self._made.clear()
        failed: BaseException | None = None
        while self._teardowns:
            try:
                await self._teardowns.pop()()
            except BaseException as error:
                failed = failed or error
        if failed is not None:
            first = fault(failed, stopped=True)
            raise first from first.__cause__

    async def _make_once(self, function: Callable[..., Any], call: Callable[[], Any]) -> Any:
        """Let many connections wait for one making; what failed may be tried again by whoever asks next."""
        making = self._making.get(function)
        if making is None:
            making = self._making[function] = asyncio.ensure_future(self._enter_alone(function, call))
            making.add_done_callback(partial(self._finish_making, function))
        return await asyncio.shield(making)

    def _finish_making(self, function: Callable[..., Any], making: asyncio.Future[Any]) -> None:
        del self._making[function]
        if not making.cancelled() and making.exception() is None:
            self._made[function] = making.result()

    async def _enter_alone(self, function: Callable[..., Any], call: Callable[[], Any]) -> Any:
        try:
            return await self._enter(function, call)
        except BaseException as raised:
            error = fault(raised, stopped=True)
            raise error from error.__cause__

    async def _enter(self, function: Callable[..., Any], call: Callable[[], Any]) -> Any:
        if inspect.isasyncgenfunction(function):
            resource = asynccontextmanager(call)()
            value = await resource.__aenter__()
            self._teardowns.append(partial(resource.__aexit__, None, None, None))
            return value
        if inspect.isgeneratorfunction(function):
            manager = contextmanager(call)()
            entering = asyncio.ensure_future(self.threads.run(manager.__enter__))
            self._teardowns.append(partial(self._leave, manager, entering))
            return await asyncio.shield(entering)
        return await run(function, call, self.threads)

    async def _leave(self, manager: AbstractContextManager[Any], entering: asyncio.Future[Any]) -> None:
        """Tear down what a worker thread has entered, or enters yet though nobody waits for it any more."""

        async def leave() -> None:
            await asyncio.wait([entering])
            if entering.exception() is None:
                await self.threads.run(manager.__exit__, None, None, None)

        # Whoever is cancelled meanwhile: what was entered is left.
        await asyncio.shield(asyncio.ensure_future(leave()))


async def run(function: Callable[..., Any], call: Callable[[], Any], threads: WorkerThreads) -> Any:
    """Make a call as its function wants: awaited, constructed in place, or in a worker thread."""
    if is_async(function):
        result: Awaitable[Any] = call()
        return await result
    if inspect.isclass(function):
        return call()
    return await threads.run(call)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling this gives a coroutine."""
    while hasattr(function, "func"):
        function = function.func
    # An object that is called like a function: its class says how.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
