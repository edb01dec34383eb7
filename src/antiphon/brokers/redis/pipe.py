"""One connection to Redis, on which commands leave without waiting for the replies of those before.

What is sent in one tick of the event loop leaves in one write, in the order of the calls; replies come in
that order too. redis-py makes the connection, with TLS and passwords, and hiredis reads and writes the
protocol. A pipe that fails is not mended: whatever waits for a reply gets `BrokerUnavailable`, its owner is
told once, and makes another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis
from redis.asyncio.connection import Connection
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from antiphon.brokers.redis.scripts import LOAD
from antiphon.errors import BrokerUnavailable

#: Bytes of commands that may wait for their replies; what comes beyond that is refused.
UNANSWERED = 32 * 1024 * 1024

#: Seconds for which a server may say nothing, though it is asked something, until it counts as lost.
SILENCE = 3.0

#: Replies which mean that this server is not, or not any more, the one to ask: all begin with their kind, but
#: redis-py cuts that off where it has a class for it, which depends on its version.
ELSEWHERE = (AskError, ClusterDownError, MovedError, ReadOnlyError)
ELSEWHERE_BY_TEXT = ("ASK ", "CLUSTERDOWN ", "MASTERDOWN ", "MOVED ")

Command = tuple[bytes | str | int, ...]
Convert = Callable[[Any], Any]


class Pipe:
    """A connection for commands, or for subscriptions and what comes by them.

    Args:
        connection: The connection, not yet open.
        lost: Called once, when it is lost.
        pushed: Called with what the server says; returns whether it was no reply to a command. None: all is.
    """

    def __init__(
        self,
        connection: Connection,
        lost: Callable[[Exception], None],
        pushed: Callable[[Any], bool] | None = None,
    ) -> None:
        self._connection = connection
        self._lost = lost
        self._pushed = pushed
        self._error: Exception | None = BrokerUnavailable("not connected yet")
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._heard = 0
        self._unanswered = 0
        self._unsent: list[bytes] = []
        self._to_send = asyncio.Event()
        self._waiting: deque[_Request] = deque()
        self._again: deque[_Request] = deque()
        self._held: deque[_Request] = deque()

    def __repr__(self) -> str:
        return f"<Pipe {'open' if self._error is None else self._error}, {len(self._waiting)} unanswered>"

    async def open(self) -> None:
        """Connect.

        Raises:
            RedisError, OSError: It cannot be.
        """
        await self._connection.connect()  # type: ignore[no-untyped-call]
        self._error = None
        self._tasks = [
            self._loop.create_task(self._guarded(work())) for work in (self._write, self._read, self._watch)
        ]

    async def close(self, error: Exception) -> None:
        """Let go of the connection; its owner is not told."""
        self._end(error)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.disconnect(nowait=True)

    def send(self, command: Command, convert: Convert | None = None) -> asyncio.Future[Any]:
        """Send a command; the result is its reply, or what a function makes of that.

        Awaiting raises:
            BrokerUnavailable: The connection was lost, or Redis refused the command.
        """
        reply = self._loop.create_future()
        if self._error is not None:
            reply.set_exception(_unavailable(self._error))
        elif self._unanswered > UNANSWERED:
            reply.set_exception(BrokerUnavailable(f"Redis has {self._unanswered} bytes still to answer"))
        else:
            request = self._request(reply, command, convert)
            if self._again:
                self._held.append(request)
            else:
                self._put(request)
        return reply

    def _request(self, reply: asyncio.Future[Any], command: Command, convert: Convert | None) -> _Request:
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]
        self._unanswered += len(packed)
        return _Request(reply, packed, convert)

    def _put(self, request: _Request) -> None:
        self._waiting.append(request)
        self._unsent.append(request.packed)
        self._to_send.set()

    async def _write(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            unsent, self._unsent = self._unsent, []
            await self._connection.send_packed_command(unsent, check_health=False)

    async def _read(self) -> None:
        read, pushed = self._connection.read_response, self._pushed
        while True:
            try:
                said = await read(disable_decoding=True)
            except ResponseError as refused:
                said = refused
            self._heard += 1
            if pushed is None or not pushed(said):
                self._answered(said)

    async def _watch(self) -> None:
        while True:
            heard = self._heard
            if not self._waiting:
                self.send((b"PING",)).add_done_callback(_seen)
            await asyncio.sleep(SILENCE)
            if self._heard == heard:
                raise BrokerUnavailable(f"it has not answered for {SILENCE:g} s")

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (RedisError, OSError, EOFError, ValueError, IndexError, BrokerUnavailable) as error:
            self._fail(error)

    def _answered(self, said: Any) -> None:
        request = self._waiting.popleft()
        if isinstance(said, NoScriptError):
            self._again.append(request)
        else:
            self._unanswered -= len(request.packed)
            request.answer(said)
            if isinstance(said, ResponseError) and _is_elsewhere(said):
                self._fail(said)
        if self._again and not self._waiting:
            self._load_again()

    def _load_again(self) -> None:
        """Load scripts that the server has forgotten; send what needed them, then what came meanwhile."""
        again, self._again = self._again + self._held, deque()
        self._held = deque()
        for command in LOAD:
            reply = self._loop.create_future()
            reply.add_done_callback(_seen)
            self._put(self._request(reply, command, None))
        for request in again:
            self._put(request)

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._end(error)
            self._lost(error)

    def _end(self, error: Exception) -> None:
        self._error = error
        for request in (*self._again, *self._waiting, *self._held):
            request.fail(error)
        for requests in (self._again, self._waiting, self._held):
            requests.clear()
        self._unsent.clear()
        self._unanswered = 0


class _Request:
    """A command that waits for its reply."""

    __slots__ = ("_convert", "_reply", "packed")

    def __init__(self, reply: asyncio.Future[Any], packed: bytes, convert: Convert | None) -> None:
        self.packed = packed
        self._reply = reply
        self._convert = convert

    def answer(self, said: Any) -> None:
        if self._reply.done():
            return
        if isinstance(said, Exception):
            self.fail(said)
            return
        try:
            self._reply.set_result(said if self._convert is None else self._convert(said))
        except (ValueError, TypeError, IndexError) as error:
            self._reply.set_exception(BrokerUnavailable(f"Redis holds what is not ours: {error}"))

    def fail(self, error: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(_unavailable(error))


def _is_elsewhere(error: ResponseError) -> bool:
    return isinstance(error, ELSEWHERE) or str(error).startswith(ELSEWHERE_BY_TEXT)


def _seen(reply: asyncio.Future[Any]) -> None:
    """A reply that nobody waits for: whatever is wrong shows elsewhere too."""
    if not reply.cancelled():
        reply.exception()


def _unavailable(error: Exception) -> BrokerUnavailable:
    # One for each that waits, for tracebacks are kept in them.
    unavailable = BrokerUnavailable(str(error))
    unavailable.__cause__ = error
    return unavailable
