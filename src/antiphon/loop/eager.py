"""Tasks that begin at once: a coroutine that never waits costs no trip through the event loop.

Most handlers finish without waiting for anything, and making a task for each would cost several times
what they do. So the first part of a coroutine, up to where it first waits, is run at once, *as* a task
that stands ready; only if it waits does that task carry on with the rest. To the coroutine it is one and
the same task all along: ``current_task``, time-outs, cancellation and context variables behave as in
any other. (Python 3.12's eager tasks do the same, but make a task for each coroutine.)

Each begins in an empty context: whoever's call happens to start it, one connection's context variables
are nothing to another connection's handler.

A task that stands ready waits for a future of its own making: ``Ready`` implements as much of a future
as ``asyncio.Task`` needs. One whose context was changed, that was cancelled, or that somebody has kept a
reference to, is not used again.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from asyncio import Task
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Awaitable, Callable, Coroutine, Generator
from sys import getrefcount
from typing import Any, TypeVar

from antiphon.loop.each import ForEachLoop
from antiphon.loop.threads import harmless

T = TypeVar("T")

#: Tasks that stand ready at most; where none does, a coroutine gets an ordinary task.
MOST = 16


class Ready:
    """A task that stands ready, and the future that it waits for meanwhile.

    Attributes:
        task: The task.
        context: Its context.
        run: The context's ``run``.
        pristine: What the context was like at first.
        usable: Whether nobody has cancelled it.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_loop",
        "_wakeup",
        "_work",
        "context",
        "pristine",
        "run",
        "task",
        "usable",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self.usable = True
        self._loop = loop
        self._wakeup: Callable[[Any], object] | None = None
        self._work: tuple[Coroutine[Any, Any, None], Any] | None = None
        self.context = contextvars.Context()
        self.run = self.context.run
        self.pristine = self.context.copy()
        self.task: Task[None] = loop.create_task(self._stand(), context=self.context)
        self.task.set_name("antiphon: stands ready")

    def retire(self) -> None:
        """Let the task end, soon, as the one coroutine's that it was used for."""
        self._loop.call_soon(self._end)

    def carry_on(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        """Let the task go on with a coroutine, once that which it waits for is done."""
        self._work = (coroutine, waits_for)
        wakeup, self._wakeup = self._wakeup, None
        assert wakeup is not None
        self.run(wakeup, self)
        if not self.usable:
            # It is being cancelled now; that it was asked to be has been counted.
            self.task.cancel()
            self.task.uncancel()

    def __await__(self) -> Generator[Any, Any, None]:
        self._asyncio_future_blocking = True
        yield self

    async def _stand(self) -> None:
        await self
        if self._work is not None:
            await _rest(*self._work)

    # --- As much of a future as a task needs ---------------------------------------------------------

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the task."""
        return self._loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Any = None) -> None:
        """Keep what wakes the task: it now stands ready."""
        self._wakeup = callback
        _ready_of(self._loop).stands(self)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the task, soon: it may be in the middle of a coroutine's first part."""
        self.usable = False
        self._loop.call_soon(self._end)
        return True

    def result(self) -> None:
        """What the task gets when it wakes."""
        if not self.usable and self._work is None:
            raise asyncio.CancelledError

    def _end(self) -> None:
        _ready_of(self._loop).ends(self)
        if self._wakeup is not None:
            wakeup, self._wakeup = self._wakeup, None
            self.run(wakeup, self)


def begin(coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """Run a coroutine as far as it first waits, which it has to; whoever's task this is, or nobody's.

    Returns:
        What goes on with it, when it is awaited.
    """
    return _rest(coroutine, coroutine.send(None))


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """What a coroutine does from its first wait on."""
    try:
        while True:
            try:
                value = yield waits_for
            # What is thrown in here, a cancellation above all, is meant for the coroutine.
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


class EagerTasks:
    """The tasks that stand ready on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: list[Ready] = []
        self._coming = 0

    def __repr__(self) -> str:
        return f"<EagerTasks {len(self._ready)} ready>"

    def stands(self, ready: Ready) -> None:
        """A task stands ready."""
        self._ready.append(ready)
        self._coming -= 1

    def ends(self, ready: Ready) -> None:
        """A task does not stand ready any more."""
        if ready in self._ready:
            self._ready.remove(ready)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Task[None] | None:
        """Run a coroutine, at once as far as it gets.

        Returns:
            None if it has finished, otherwise the task that it goes on in.
        """
        loop = self._loop
        if not self._ready:
            if asyncio.current_task(loop) is None:
                self._make_ready()
            return loop.create_task(coroutine, context=contextvars.Context())
        ready = self._ready[-1]
        task = ready.task
        references = getrefcount(task)
        try:
            _enter_task(loop, task)
        except RuntimeError:
            # Some task is running already: this one has to wait its turn.
            return loop.create_task(coroutine, context=contextvars.Context())
        try:
            waits_for = ready.run(coroutine.send, None)
        except StopIteration:
            _leave_task(loop, task)
            if (
                getrefcount(task) != references
                or task._callbacks
                or not ready.usable
                or ready.context != ready.pristine
            ):
                # Something has kept the task, cancelled it, or changed its context.
                self._retire(ready)
            return None
        except BaseException:
            _leave_task(loop, task)
            self._retire(ready)
            raise
        _leave_task(loop, task)
        self._ready.remove(ready)
        self._make_ready()
        ready.carry_on(coroutine, waits_for)
        return task

    def _make_ready(self) -> None:
        if self._coming + len(self._ready) < MOST:
            self._coming += 1
            Ready(self._loop)

    def _retire(self, ready: Ready) -> None:
        self.ends(ready)
        ready.retire()


_ready_of = ForEachLoop(EagerTasks)


def eager_tasks() -> EagerTasks:
    """The tasks that stand ready on the running event loop."""
    return _ready_of(asyncio.get_running_loop())


def fault(raised: BaseException, *, stopped: bool) -> Exception:
    """What a coroutine of the application raised, as an exception that ends no more than its connection.

    One that lets through the cancellation of something else that it waited for has failed, and so has one
    whose task the application cancelled: nobody expects either to end in silence.

    Args:
        raised: What it raised.
        stopped: Whether its task, if it was cancelled, was stopped by whoever runs it: no failure.

    Raises:
        CancelledError: The task was stopped.
        GeneratorExit: The coroutine is being closed, and cannot do anything about it.
    """
    if isinstance(raised, GeneratorExit):
        raise raised
    if isinstance(raised, asyncio.CancelledError):
        task = asyncio.current_task()
        if stopped and (task is None or task.cancelling()):
            raise raised
        # The task has more to do, and in peace.
        while task is not None and task.uncancel():
            pass
        error = RuntimeError("a function of the application was cancelled, or something that it waited for")
        error.__cause__ = raised
        return error
    return harmless(raised)
