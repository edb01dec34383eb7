"""Worker threads for handlers that are plain functions.

They are daemons: a handler that never returns must not keep a stopping server from ending. Their number
is bounded; calls beyond it wait in order.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from antiphon.loop.mailbox import mailbox_of

T = TypeVar("T")

#: Seconds that a thread with nothing to do stays.
IDLE = 10.0


class WorkerThreads:
    """A bounded pool of daemon threads that grows on demand, and shrinks again.

    Args:
        most: Threads at most.

    Attributes:
        most: Likewise; may be changed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._threads = 0
        self._outstanding = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<WorkerThreads {self._threads} of {self.most}, {self._outstanding} calls>"

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in a worker thread, with the caller's context variables.

        Returns and raises what the function does; RuntimeError when the system gives not a single thread.
        """
        call = _Call(function, args)
        with self._lock:
            if self._outstanding >= self._threads and self._threads < self.most:
                self._grow()
            self._outstanding += 1
        future = call.result
        self._calls.put(call)
        del call
        try:
            result: T = await future
            return result
        finally:
            # The traceback of what it raises keeps this frame, which must not keep the exception.
            del future

    def _grow(self) -> None:
        try:
            threading.Thread(target=self._work, name="antiphon worker", daemon=True).start()
        except RuntimeError:
            # The system gives no more: those that there are serve this call too.
            if not self._threads:
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    # A call that is outstanding may not have come to a thread yet.
                    if self._outstanding < self._threads:
                        self._threads -= 1
                        return
                continue
            call.make()
            del call
            with self._lock:
                self._outstanding -= 1


class _Call:
    """One call on its way to a worker thread and back."""

    __slots__ = ("_args", "_context", "_function", "_mailbox", "result")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        self._mailbox = mailbox_of(loop)
        self.result: asyncio.Future[Any] = loop.create_future()

    def make(self) -> None:
        try:
            value = self._context.run(self._function, *self._args)
        # Whatever the function raises belongs to whoever awaits the call.
        except BaseException as error:
            self._hand_back(_fail, error)
        else:
            self._hand_back(_succeed, value)
            del value
        # An exception's traceback keeps this frame, which must not keep the exception.
        del self.result

    def _hand_back(self, how: Callable[[asyncio.Future[Any], Any], None], what: Any) -> None:
        try:
            self._mailbox.post(how, self.result, what)
        except RuntimeError:
            """The loop has ended; nobody waits for this any more."""


def _succeed(result: asyncio.Future[Any], value: Any) -> None:
    if not result.done():
        result.set_result(value)


def _fail(result: asyncio.Future[Any], error: BaseException) -> None:
    if isinstance(error, StopIteration):
        # A future refuses StopIteration: it would end whatever generator awaits it.
        error = RuntimeError("a plain function raised StopIteration")
    if not result.done():
        result.set_exception(harmless(error))


def harmless(error: BaseException) -> Exception:
    """What a function of the application raised, as an exception that ends no more than what awaits it.

    ``sys.exit`` in a thread ends that thread; in a task it would end the event loop, and with it
    everybody's connections.
    """
    if isinstance(error, Exception):
        return error
    tamed = RuntimeError(f"a function of the application raised {type(error).__name__}")
    tamed.__cause__ = error
    return tamed
