"""Tasks that begin at once are tasks like any other, on uvloop and on asyncio's own loop."""

import asyncio
import contextvars
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from antiphon.loop import eager_tasks

word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="")

Body = Callable[[Callable[..., Awaitable[Any]]], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Callable[[Body], None]:
    """Run a test on a loop of its own, which must end without a word."""

    def go(body: Body) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: failures.append(context))
            await start(anything())
            await body(start)

        failures: list[Any] = []
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
        gc.collect()
        assert failures == []
        captured = capfd.readouterr()
        assert captured.out + captured.err == ""

    return go


async def anything() -> None:
    """Something to have a first task stand ready."""


async def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Start a coroutine where a transport does: in a callback, with no task running."""
    loop = asyncio.get_running_loop()
    started = loop.create_future()
    loop.call_soon(lambda: started.set_result(eager_tasks().start(coroutine)))
    task: asyncio.Task[None] | None = await started
    return task


def test_finishes_at_once(run: Callable[[Body], None]) -> None:
    """A coroutine that does not wait has run when `start` returns, and needs no task."""

    async def body(start: Any) -> None:
        seen: list[int] = []

        async def note() -> None:
            seen.append(1)

        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def callback() -> None:
            task = eager_tasks().start(note())
            done.set_result((task, list(seen)))

        loop.call_soon(callback)
        assert await done == (None, [1])

    run(body)


def test_same_task(run: Callable[[Body], None]) -> None:
    """The current task is the same before and after the first wait, and is the one returned."""

    async def body(start: Any) -> None:
        tasks: list[Any] = []

        async def handler() -> None:
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0.001)
            tasks.append(asyncio.current_task())

        task = await start(handler())
        await task
        assert tasks == [task] * 3
        assert task.done()

    run(body)


def test_timeout(run: Callable[[Body], None]) -> None:
    """A time-out that was entered before the first wait strikes."""

    async def body(start: Any) -> None:
        struck: list[bool] = []

        async def handler() -> None:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(10)
            except TimeoutError:
                struck.append(True)
            task = asyncio.current_task()
            assert task is not None
            struck.append(task.cancelling() == 0)

        await (await start(handler()))
        assert struck == [True, True]

    run(body)


def test_task_group(run: Callable[[Body], None]) -> None:
    """So does a task group's cancellation."""

    async def body(start: Any) -> None:
        ended: list[str] = []

        async def fails() -> None:
            raise LookupError

        async def handler() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    await asyncio.sleep(10)
            except* LookupError:
                ended.append("group")

        await (await start(handler()))
        assert ended == ["group"]

    run(body)


def test_cancelled(run: Callable[[Body], None]) -> None:
    """It can be cancelled from outside, and by itself before or after its first wait."""

    async def body(start: Any) -> None:
        async def waits() -> None:
            await asyncio.sleep(10)

        async def cancels_itself(first: bool) -> None:
            if not first:
                await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(10)

        outside = await start(waits())
        outside.cancel()
        for task in (outside, await start(cancels_itself(True)), await start(cancels_itself(False))):
            await asyncio.wait([task])
            assert task.cancelled()
        # Those that come after are none the worse for it.
        after = await start(asyncio.sleep(0))
        await after
        assert not after.cancelled()

    run(body)


def test_cancels_itself_and_ends(run: Callable[[Body], None]) -> None:
    """Who cancels itself and ends without waiting takes nobody with it."""

    async def body(start: Any) -> None:
        async def cancels_itself() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        for _ in range(3):
            await start(cancels_itself())
            after = await start(asyncio.sleep(0.001))
            await after
            assert not after.cancelled()

    run(body)


def test_raises(run: Callable[[Body], None]) -> None:
    """What is raised at first is raised by `start`; what is raised later, by the task."""

    async def body(start: Any) -> None:
        async def fails(late: bool) -> None:
            if late:
                await asyncio.sleep(0)
            raise LookupError

        loop = asyncio.get_running_loop()
        caught = loop.create_future()

        def callback() -> None:
            try:
                eager_tasks().start(fails(False))
            except LookupError:
                caught.set_result(True)

        loop.call_soon(callback)
        assert await caught
        with pytest.raises(LookupError):
            await (await start(fails(True)))

    run(body)


def test_context(run: Callable[[Body], None]) -> None:
    """What one run sets, no other sees; within a run it stays, across the first wait too."""

    async def body(start: Any) -> None:
        seen: list[tuple[str, str]] = []

        async def handler(value: str, waits: bool) -> None:
            before = word.get()
            word.set(value)
            if waits:
                await asyncio.sleep(0)
            seen.append((before, word.get()))

        tasks = [await start(handler(str(number), bool(number % 2))) for number in range(6)]
        await asyncio.gather(*filter(None, tasks))
        assert sorted(seen) == [("", str(number)) for number in range(6)]

    run(body)


def test_within_a_task(run: Callable[[Body], None]) -> None:
    """Within a running task, which cannot be two, it is an ordinary task that begins soon."""

    async def body(start: Any) -> None:
        me = asyncio.current_task()
        tasks: list[Any] = []

        async def handler() -> None:
            tasks.append(asyncio.current_task())

        task = eager_tasks().start(handler())
        assert task is not None
        assert (tasks, asyncio.current_task()) == ([], me)
        await task
        assert tasks == [task]

    run(body)


def test_nested(run: Callable[[Body], None]) -> None:
    """So it is within the first part of another, and the other keeps its task."""

    async def body(start: Any) -> None:
        inner: list[Any] = []

        async def outer() -> None:
            me = asyncio.current_task()
            task = eager_tasks().start(anything())
            assert task is not me
            inner.append(task)
            assert asyncio.current_task() is me

        assert await start(outer()) is None
        await inner[0]

    run(body)


def test_ends_quietly(run: Callable[[Body], None]) -> None:
    """A loop that ends while tasks stand ready, or wait, says nothing of pending tasks."""

    async def body(start: Any) -> None:
        for _ in range(3):
            await start(asyncio.sleep(10))

    run(body)


def test_many(run: Callable[[Body], None]) -> None:
    """Thousands leave no more than a few standing ready."""

    async def body(start: Any) -> None:
        tasks = [await start(asyncio.sleep(0.001)) for _ in range(2000)]
        await asyncio.gather(*tasks)
        assert len(asyncio.all_tasks()) < 5

    run(body)
