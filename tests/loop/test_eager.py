"""Tasks that begin at once: what they share with whoever starts them."""

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest

from antiphon.loop import EagerTasks, begin, eager_tasks, fault

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def test_begins_in_an_empty_context() -> None:
    """What one connection sets is seen by no handler of another, whoever's call happens to start it."""
    loop = asyncio.get_running_loop()
    eager, seen = eager_tasks(), []

    async def handler(name: str | None) -> None:
        seen.append(user.get())
        if name is not None:
            user.set(name)
        await asyncio.sleep(0)
        seen.append(user.get() if name is None else "-")

    async def starts(name: str | None) -> None:
        """Start a handler as a transport does: in a callback, here with the context of who asked for it."""
        called = loop.create_future()

        def callback() -> None:
            called.set_result(eager.start(handler(name)))

        context = contextvars.copy_context()
        context.run(user.set, "Alice")
        loop.call_soon(callback, context=context)
        if (task := await called) is not None:
            await task

    for name in (None, "Bob", None, None):
        await starts(name)
    user.set("Carol")
    task = eager.start(handler(None))
    assert task is not None
    await task
    assert set(seen) == {"nobody", "-"}


async def settled(eager: EagerTasks) -> None:
    """Have a task stand ready."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.call_soon(lambda: ready.set_result(eager.start(nothing())))
    task = await ready
    if task is not None:
        await task
    await asyncio.sleep(0)


async def nothing() -> None: ...


async def start(eager: EagerTasks, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Start a coroutine as a transport does: from a callback, outside of all tasks."""
    loop = asyncio.get_running_loop()
    started: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()
    loop.call_soon(lambda: started.set_result(eager.start(coroutine)))
    return await started


@pytest.fixture
async def eager() -> EagerTasks:
    eager = eager_tasks()
    await settled(eager)
    return eager


async def test_kept_task(eager: EagerTasks) -> None:
    """Who keeps the task that a coroutine ran as does not hold that of a later one; it ends."""
    kept: list[asyncio.Task[None]] = []
    told: list[str] = []

    async def keeps() -> None:
        task = asyncio.current_task()
        assert task is not None
        kept.append(task)
        task.add_done_callback(lambda task: told.append("done"))

    async def keeps_none() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda task: told.append("done"))

    later: list[bool] = []

    async def looks() -> None:
        later.append(asyncio.current_task() in kept)

    assert await start(eager, keeps()) is None
    await start(eager, looks())
    await kept[0]
    await settled(eager)
    assert await start(eager, keeps_none()) is None
    await start(eager, looks())
    await settled(eager)
    assert later == [False, False]
    assert told == ["done", "done"]


async def test_cancelled_at_first(eager: EagerTasks) -> None:
    """Who cancels its task before it first waits is cancelled once, as in any task."""
    told: list[object] = []

    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        told.append(task.cancelling())
        await asyncio.sleep(0)
        told.append("goes on")

    ordinary = asyncio.create_task(cancels_itself())
    await ordinary
    begun = await start(eager, cancels_itself())
    assert begun is not None
    assert begun is not ordinary
    await begun
    assert told == [1, "goes on"] * 2


async def test_fault() -> None:
    """What ends a coroutine is an error; unless the coroutine is being closed, or was stopped."""
    mistake, several = LookupError(), BaseExceptionGroup("several", [SystemExit()])
    assert fault(mistake, stopped=True) is mistake
    assert fault(several, stopped=True).__cause__ is several
    assert "cancelled" in str(fault(asyncio.CancelledError(), stopped=True))
    with pytest.raises(GeneratorExit):
        fault(GeneratorExit(), stopped=True)

    async def waits(stopped: bool) -> Exception:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as raised:
            return fault(raised, stopped=stopped)
        raise AssertionError

    for stopped in (True, False):
        waiting = asyncio.create_task(waits(stopped))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled() is stopped


class TestBegin:
    """A coroutine that begins before there is a task for it."""

    async def test_rest(self) -> None:
        """It runs to its first wait at once, and from there on when it is awaited."""
        loop, said = asyncio.get_running_loop(), []

        async def talk(fails: bool = False) -> str:
            said.append("begun")
            try:
                await asyncio.sleep(0 if not fails else 1000)
            except asyncio.CancelledError:
                said.append("cancelled")
                raise
            await asyncio.sleep(0)
            return "done"

        async def rest(begun: Awaitable[str]) -> str:
            return await begun

        task = loop.create_task(rest(begin(talk())))
        assert said == ["begun"]
        assert await task == "done"
        task = loop.create_task(rest(begin(talk(fails=True))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said == ["begun", "begun", "cancelled"]
