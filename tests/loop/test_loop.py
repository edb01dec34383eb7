"""What belongs to an event loop: its tick, its mailbox, worker threads, and taking one's time."""

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from antiphon.loop import WorkerThreads, mailbox_of, spread, tick_of

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


class TestTick:
    """Flushing at the end of a tick."""

    async def test_once_for_all(self) -> None:
        """All that waits is flushed after what was ready, in order, in one go."""
        loop = asyncio.get_running_loop()
        seen: list[Any] = []

        class Member:
            def __init__(self, number: int) -> None:
                self.number = number

            def flush(self) -> None:
                seen.append(self.number)
                if self.number == 1:
                    tick.flush_at_end(Member(3))

        tick = tick_of(loop)
        assert tick is tick_of(loop)
        loop.call_soon(seen.append, "ready")
        tick.flush_at_end(Member(1))
        tick.flush_at_end(Member(2))
        loop.call_soon(seen.append, "later")
        assert repr(tick) == "<Tick with 2 to flush>"
        await asyncio.sleep(0)
        assert seen == ["ready", 1, 2, "later"]
        await asyncio.sleep(0)
        assert seen == ["ready", 1, 2, "later", 3]


class TestMailbox:
    """Calls from other threads."""

    async def test_order_of_threads(self) -> None:
        """What each thread posts arrives in its order, all of it, on the loop's own thread."""
        loop = asyncio.get_running_loop()
        mailbox = mailbox_of(loop)
        seen: list[tuple[int, int, int]] = []
        done = asyncio.Event()

        def post(thread: int) -> None:
            for number in range(2000):
                mailbox.post(lambda t, n: seen.append((t, n, threading.get_ident())), thread, number)
            mailbox.post(ended)

        left = 4

        def ended() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set()

        threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        await done.wait()
        for number in range(4):
            assert [n for t, n, _ in seen if t == number] == list(range(2000))
        assert {ident for _, _, ident in seen} == {threading.get_ident()}

    async def test_wakes_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many calls wait, the loop is woken once; a call may post another."""
        loop = asyncio.get_running_loop()
        mailbox = mailbox_of(loop)
        woken: list[Any] = []
        monkeypatch.setattr(mailbox, "_loop", SimpleNamespace(call_soon_threadsafe=woken.append))
        seen: list[int] = []
        for number in range(3):
            mailbox.post(seen.append, number)
        mailbox.post(lambda: mailbox.post(seen.append, 3))
        assert len(woken) == 1
        woken.pop()()
        assert seen == [0, 1, 2]
        woken.pop()()
        assert seen == [0, 1, 2, 3]

    async def test_one_that_fails(self) -> None:
        """A call that fails is reported, and keeps none behind it from being made."""
        loop = asyncio.get_running_loop()
        reported: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: reported.append(context))
        seen: list[int] = []
        mailbox = mailbox_of(loop)
        mailbox.post(lambda: 1 // 0)
        mailbox.post(seen.append, 1)
        await asyncio.sleep(0)
        assert seen == [1]
        assert isinstance(reported[0]["exception"], ZeroDivisionError)

    def test_closed_loop(self) -> None:
        """A loop that has ended takes nothing, again and again."""
        loop = asyncio.new_event_loop()
        mailbox = mailbox_of(loop)
        loop.close()
        for _ in range(2):
            with pytest.raises(RuntimeError):
                mailbox.post(print)
        assert repr(mailbox) == "<Mailbox with 0 calls>"


class TestThreads:
    """Worker threads."""

    async def test_runs(self) -> None:
        """A function runs in another thread, a daemon, with the caller's context variables."""
        threads = WorkerThreads(2)
        name.set("Alice")

        def call(value: str) -> tuple[str, str, bool]:
            seen = name.get()
            name.set("Bob")
            return value, seen, threading.current_thread().daemon

        assert await threads.run(call, "x") == ("x", "Alice", True)
        assert name.get() == "Alice"

    async def test_bounded(self) -> None:
        """No more run at a time than may; the others wait, and all are answered."""
        threads = WorkerThreads(3)
        lock, gate = threading.Lock(), threading.Event()
        running = most = 0

        def call(number: int) -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
                if running == 3:
                    gate.set()
            assert gate.wait(10)
            with lock:
                running -= 1
            return number

        assert await asyncio.gather(*(threads.run(call, number) for number in range(30))) == list(range(30))
        assert most == 3

    async def test_free_threads_are_used(self) -> None:
        """A thread that has nothing to do makes the next call."""
        threads = WorkerThreads(8)
        workers = set()

        def quiet() -> None:
            while "0 calls" not in repr(threads):
                time.sleep(0.001)

        for _ in range(10):
            workers.add(await threads.run(threading.current_thread))
            await asyncio.wait_for(asyncio.to_thread(quiet), 10)
        assert len(workers) == 1

    async def test_no_thread_to_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system gives not a single thread, a call fails; one thread serves all, and later ones."""
        threads = WorkerThreads(2)

        def fails(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fails)
            with pytest.raises(RuntimeError, match="can't start"):
                await threads.run(lambda: 1)
        let_go = threading.Event()
        first = asyncio.create_task(threads.run(let_go.wait))
        await asyncio.sleep(0)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fails)
            second = asyncio.create_task(threads.run(lambda: 2))
            await asyncio.sleep(0)
        let_go.set()
        assert await asyncio.wait_for(asyncio.gather(first, second), 10) == [True, 2]
        assert (
            await asyncio.wait_for(asyncio.gather(*(threads.run(lambda: 1) for _ in range(3))), 10) == [1] * 3
        )

    async def test_what_a_call_raises(self) -> None:
        """It is freed with whoever caught it, without the collector."""

        class Failure(Exception):
            pass

        def fails() -> None:
            raise Failure

        gc.disable()
        try:
            try:
                await WorkerThreads(1).run(fails)
            except Failure as error:
                raised = weakref.ref(error)
            # The thread has it in its hands for a moment.
            for _ in range(1000):
                await asyncio.to_thread(int)
            assert raised() is None
        finally:
            gc.enable()

    async def test_call_that_comes_as_a_thread_leaves(self) -> None:
        """A thread that has waited in vain stays if there is a call for it by now."""

        class Late(SimpleQueue[Any]):
            late = True

            def get(self, block: bool = True, timeout: float | None = None) -> Any:
                call = super().get(block, timeout)
                if self.late:
                    self.late = False
                    self.put(call)
                    raise Empty
                return call

        threads = WorkerThreads(1)
        threads._calls = Late()
        assert await asyncio.wait_for(threads.run(lambda: 1), 10) == 1

    async def test_after_a_crowd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After more calls at once than there are threads, and a while of none, calls are made as before."""
        monkeypatch.setattr("antiphon.loop.threads.IDLE", 0.05)
        threads = WorkerThreads(2)
        workers: set[threading.Thread] = set()

        def call() -> None:
            workers.add(threading.current_thread())

        for _ in range(2):
            await asyncio.wait_for(asyncio.gather(*(threads.run(call) for _ in range(20))), 10)
            for each in workers:
                await asyncio.to_thread(each.join, 10)
                assert not each.is_alive()
            workers.clear()
        assert await asyncio.wait_for(threads.run(lambda: 1), 10) == 1

    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), StopIteration(1)])
    async def test_errors(self, error: BaseException) -> None:
        """What a function raises reaches its caller, and ends nothing else; the thread goes on."""
        threads = WorkerThreads(1)

        def call() -> None:
            raise error

        with pytest.raises(ValueError if isinstance(error, ValueError) else RuntimeError):
            await threads.run(call)
        assert await threads.run(lambda: 1) == 1

    async def test_nobody_waits(self) -> None:
        """A caller that was cancelled is no harm to the thread."""
        threads = WorkerThreads(1)
        begun, gate = threading.Event(), threading.Event()

        def call() -> None:
            begun.set()
            assert gate.wait(10)

        waiting = asyncio.ensure_future(threads.run(call))
        assert await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        await asyncio.wait([waiting])
        gate.set()
        assert await threads.run(lambda: 1) == 1


class TestSpread:
    """One after the other."""

    async def test_at_once(self) -> None:
        """With no time to spend nothing waits in between."""
        ready = asyncio.ensure_future(asyncio.sleep(0))
        assert [each async for each in spread(range(5000), 0)] == list(range(5000))
        assert not ready.done()

    async def test_over_a_time(self) -> None:
        """With time to spend others have their turns, and it is all spent but the last part."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        times = [loop.time() - began async for _ in spread(range(10), 0.2)]
        assert times[0] < 0.1
        assert times[-1] >= 0.17
        assert times == sorted(times)
