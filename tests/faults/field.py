"""Worker processes on one Redis, a network between them that obeys, and what can go wrong with all that."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.redis_server import redis_server
from tests.servers import HOST, LiveServer, ServerFailed
from tests.tcp_proxy import TcpProxy

APP = "tests.faults.app:app"
WORKERS = 3


class Field:
    """Three workers on Redis, or one alone with what it remembers itself.

    Args:
        redis: Whether there is Redis.

    Attributes:
        workers: The servers.
        happened: What went wrong, in order.
    """

    def __init__(self, *, redis: bool) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="faults-"))
        self._redis = redis_server(folder=self._folder) if redis else None
        self._proxies: list[TcpProxy] = []
        self._stack = AsyncExitStack()
        # One thing fails once at a time.
        self._busy = [asyncio.Lock() for _ in range(WORKERS)]
        self._redis_busy = asyncio.Lock()
        self.workers: list[LiveServer] = []
        self.happened: list[str] = []

    async def __aenter__(self) -> Self:
        try:
            if self._redis is None:
                self.workers = [LiveServer.antiphon(APP, "--log-level", "error")]
            else:
                await asyncio.to_thread(self._redis.start)
                self._stack.callback(self._redis.stop)
                for _ in range(WORKERS):
                    proxy = await self._stack.enter_async_context(TcpProxy(self._redis.port))
                    self._proxies.append(proxy)
                    env = {"ANTIPHON_BROKER": f"redis://{HOST}:{proxy.port}"}
                    self.workers.append(LiveServer.antiphon(APP, "--log-level", "error", env=env))
            for worker in self.workers:
                self._stack.callback(worker.kill)
                await asyncio.to_thread(worker.start)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def kill_worker(self, number: int, pause: float) -> None:
        """A worker is killed, and started again after a while."""
        self._note(f"worker {number} killed")
        number %= len(self.workers)
        async with self._busy[number]:
            self.workers[number].kill()
            await asyncio.sleep(pause)
            async with asyncio.timeout(30):
                while not await self._started(number):
                    """It takes its time to find out: there is no need to wait besides."""

    async def _started(self, number: int) -> bool:
        """Whether a worker starts; without Redis it does not, and whoever supervises it tries again."""
        try:
            await asyncio.to_thread(self.workers[number].start)
        except ServerFailed:
            if self.workers[number].returncode != 3:
                raise
            return False
        return True

    async def restart_redis(self, pause: float, *, with_data: bool) -> None:
        """Redis is killed, and comes back with all that it had confirmed, or with nothing."""
        if self._redis is None:
            return
        self._note(f"Redis restarted {'with' if with_data else 'without'} its data")
        async with self._redis_busy:
            self._redis.kill()
            if not with_data:
                for each in self._folder.iterdir():
                    shutil.rmtree(each) if each.is_dir() else each.unlink()
            await asyncio.sleep(pause)
            await asyncio.to_thread(self._redis.start)

    async def cut(self, number: int) -> None:
        """A worker's connections to Redis break; it may make new ones at once."""
        if self._proxies:
            self._note(f"worker {number} cut off from Redis")
            self._proxies[number].cut()

    async def part(self, number: int, pause: float) -> None:
        """A worker cannot reach Redis for a while."""
        if self._proxies:
            self._note(f"worker {number} without Redis for {pause:.1f} s")
            self._proxies[number].refuse()
            await asyncio.sleep(pause)
            self._proxies[number].resume()

    async def stall(self, number: int, pause: float) -> None:
        """Nothing passes between a worker and Redis for a while, and neither is told; then it goes on."""
        if self._proxies:
            self._note(f"worker {number} hears nothing from Redis for {pause:.1f} s")
            self._proxies[number].stall()
            await asyncio.sleep(pause)
            self._proxies[number].resume()

    def _note(self, what: str) -> None:
        self.happened.append(what)
