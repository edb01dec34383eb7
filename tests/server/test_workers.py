"""Several workers with a real Redis: what one process publishes, all have; those that die are replaced."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from antiphon.errors import ConfigurationError
from antiphon.server import Listen
from antiphon.server.run import configuration
from tests.redis_server import redis_server, url_of
from tests.servers import HOST, REPOSITORY, LiveServer, free_loopback_port

APP = "tests.server.cluster_app:app"

#: Seconds for what nothing tells about, on a machine with much to do.
LONG = 30.0


class Desk:
    """A client of the tests' application.

    Attributes:
        process: The worker that it is connected to.
        id: Its connection's id there.
    """

    def __init__(self, socket: ClientConnection, process: int, id: str) -> None:
        self._socket = socket
        self.process = process
        self.id = id

    @classmethod
    async def open(cls, server: LiveServer) -> Self:
        """Connect, to whichever worker."""
        socket = await connect(server.ws("/desk"), proxy=None)
        hello = json.loads(await socket.recv())
        return cls(socket, hello["process"], hello["id"])

    async def say(self, *message: Any) -> None:
        """Have something done."""
        await self._socket.send(json.dumps(message))

    async def hear(self) -> Any:
        """What comes next."""
        async with asyncio.timeout(LONG):
            text = await self._socket.recv()
        return json.loads(text) if text[0] in "[{" else text

    async def ask(self, *message: Any) -> Any:
        """Have something done, and take the answer."""
        await self.say(*message)
        return await self.hear()

    async def closed(self) -> int | None:
        """The code with which the connection ends."""
        async with asyncio.timeout(LONG):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self._socket.recv()
        return self._socket.close_code

    async def close(self) -> None:
        await self._socket.close()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is so that nothing tells about; give it."""
    async with asyncio.timeout(LONG):
        while not (found := await condition()):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)
    return found


class Clients:
    """Clients that a test has opened; they are closed when it ends."""

    def __init__(self) -> None:
        self._open: list[Desk] = []

    async def connect(self, server: LiveServer, count: int = 1) -> list[Desk]:
        """Connect so many, to whichever workers."""
        desks = await asyncio.gather(*(Desk.open(server) for _ in range(count)))
        self._open += desks
        return desks

    async def one_each(self, server: LiveServer, other_than: int = 0) -> tuple[Desk, Desk]:
        """Two clients in two processes, neither of which is a certain one."""
        found: dict[int, Desk] = {}

        async def two() -> bool:
            for desk in await self.connect(server, 5):
                if desk.process != other_than:
                    found.setdefault(desk.process, desk)
            return len(found) >= 2

        await until(two)
        first, second, *_ = found.values()
        return first, second

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(desk.close() for desk in self._open))


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    """No clients yet."""
    clients = Clients()
    yield clients
    await clients.close()


async def health(server: LiveServer) -> tuple[int, dict[str, Any]]:
    """How a worker says it is."""
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(server.http("/health"))
    return response.status_code, response.json()


def alive(process: int) -> bool:
    """Whether there is a process of that number."""
    return Path(f"/proc/{process}").exists()


def workers(url: str, count: int, *arguments: str) -> LiveServer:
    """The tests' application, served by so many workers, with keys of its own in Redis."""
    broker = f"{url}?prefix={token_hex(4)}"
    return LiveServer.antiphon(
        APP, "--workers", str(count), *arguments, env={"ANTIPHON_BROKER": broker}, stop_timeout=20
    )


@pytest.fixture(scope="class")
def together(redis_url: str) -> Iterator[LiveServer]:
    """Two workers that some tests share."""
    with workers(redis_url, 2, "--timeout", "drain=0.5") as server:
        yield server


@pytest.fixture
async def pair(together: LiveServer, clients: Clients) -> tuple[Desk, Desk]:
    """A client in each of them."""
    return await clients.one_each(together)


@pytest.fixture
def two(redis_url: str) -> Iterator[LiveServer]:
    """Two workers."""
    with workers(redis_url, 2, "--timeout", "drain=1") as server:
        yield server


class TestTogether:
    """What one worker does, the others' clients see."""

    async def test_broadcast(self, pair: tuple[Desk, Desk]) -> None:
        """A broadcast reaches an endpoint's connections in every worker."""
        one, other = pair
        await one.say("broadcast", "hello")
        assert await one.hear() == "hello"
        assert await other.hear() == "hello"

    @pytest.mark.parametrize("way", ["send_to", "send_to_nowait"])
    async def test_send_to(self, pair: tuple[Desk, Desk], way: str) -> None:
        """One worker sends to a connection of another, and to nobody else."""
        one, other = pair
        assert await one.ask(way, other.id, "for you") == "true"
        assert await other.hear() == "for you"
        await other.say("broadcast", "for all")
        assert await one.hear() == "for all"

    async def test_channels(self, pair: tuple[Desk, Desk]) -> None:
        """A publication reaches the subscribers of every worker, with one position."""
        one, other = pair
        for desk in (one, other):
            assert await desk.ask("subscribe", None, None) == {"recovered": None}
        await one.say("publish", "hello")
        heard = [await one.hear(), await one.hear()]
        (position,) = [each["position"] for each in heard if "position" in each]
        (mine,) = [each for each in heard if "data" in each]
        assert await other.hear() == mine
        assert f"{mine['offset']}.{mine['epoch']}" == position

    async def test_presence(self, pair: tuple[Desk, Desk]) -> None:
        """Who is present in any worker, every worker knows."""
        one, other = pair
        await one.ask("subscribe", None, "Ada")
        await other.ask("subscribe", None, "Bob")
        assert await one.ask("members") == ["Ada", "Bob"]
        assert await other.ask("members") == ["Ada", "Bob"]
        await other.close()

        async def alone() -> bool:
            return await one.ask("members") == ["Ada"]

        await until(alone)


class TestDeaths:
    """Workers that die, or are replaced."""

    async def test_a_killed_worker(self, clients: Clients, two: LiveServer) -> None:
        """Another takes its place, and its clients get what they missed when they come back."""
        one, other = await clients.one_each(two)
        for desk in (one, other):
            await desk.ask("subscribe", None, None)
        await other.say("publish", 1)
        before = await one.hear()
        os.kill(one.process, signal.SIGKILL)
        assert await one.closed() == 1006
        for number in (2, 3):
            await other.say("publish", number)
        again, _ = await clients.one_each(two, other_than=one.process)
        await again.say("subscribe", f"{before['offset']}.{before['epoch']}", None)
        assert [(await again.hear())["data"] for _ in range(2)] == [2, 3]
        assert await again.hear() == {"recovered": True}
        assert f"Worker [{one.process}] has ended with -9: another takes its place" in two.output()

    async def test_sighup(self, clients: Clients, two: LiveServer) -> None:
        """SIGHUP replaces the workers one after the other; there is always one that serves."""
        one, other = await clients.one_each(two)
        two.signal(signal.SIGHUP)
        assert {await one.closed(), await other.closed()} == {1001}
        new, _ = await clients.one_each(two)
        assert new.process not in (one.process, other.process)
        assert "Traceback" not in two.output()

    async def test_one_dies_while_the_broker_is_away(self, clients: Clients, redis_program: str) -> None:
        """The others serve on; when the broker is back, it is replaced."""
        with redis_server() as redis, workers(url_of(redis), 2) as server:
            one, other = await clients.one_each(server)
            redis.stop()
            os.kill(one.process, signal.SIGKILL)

            async def tried() -> bool:
                return "has ended with 3: another takes its place in" in server.output()

            await until(tried)
            assert await other.ask("publish", 1) == {"unavailable": True}
            redis.start()
            await clients.one_each(server, other_than=one.process)
            assert server.running
            assert "Traceback" not in server.output()


class TestStop:
    """Stopping all of them."""

    async def test_with_many_sockets(self, clients: Clients, two: LiveServer) -> None:
        """Two workers with a hundred sockets are gone within the deadline, and have told everybody."""
        await clients.one_each(two)
        desks = await clients.connect(two, 100)
        processes = {desk.process for desk in desks}
        two.signal(signal.SIGTERM)
        assert {await desk.closed() for desk in desks} == {1001}
        # The deadline, and what it takes uvicorn to notice on a machine with much to do.
        assert await asyncio.to_thread(two.wait, 1 + 5) == 0
        assert not any(map(alive, processes))
        assert "Traceback" not in two.output()

    async def test_a_worker_that_hangs(self, clients: Clients, redis_url: str) -> None:
        """A worker in which nothing goes on any more is killed when the time is over."""
        with workers(redis_url, 2, "--timeout", "drain=0.5") as server:
            one, _ = await clients.one_each(server)
            await one.say("hang")
            await asyncio.sleep(0)
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, LONG) == 0
            assert "does not stop in time: it is killed" in server.output()

    async def test_start_without_a_manager(self, tmp_path: Path, redis_url: str) -> None:
        """So do workers that have not started yet."""
        (tmp_path / "starts.py").write_text(
            "import asyncio, contextlib, os\n"
            "from antiphon import Antiphon\n"
            "@contextlib.asynccontextmanager\n"
            "async def lifespan(app):\n"
            "    print(os.getpid(), flush=True)\n"
            "    await asyncio.sleep(60)\n"
            "    yield\n"
            "app = Antiphon(lifespan=lifespan)\n"
        )
        command = [sys.executable, "-m", "antiphon", "run", "starts:app", "--port", str(free_loopback_port())]
        manager = await asyncio.create_subprocess_exec(
            *command,
            "--workers",
            "2",
            cwd=tmp_path,
            env={**os.environ, "ANTIPHON_BROKER": redis_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert manager.stdout is not None
        for _ in range(2):
            assert int(await asyncio.wait_for(manager.stdout.readline(), 20))
        manager.kill()
        # The workers have its standard output, which ends when they do.
        assert await asyncio.wait_for(manager.stdout.read(), 10) == b""
        await manager.wait()

    async def test_without_a_manager(self, clients: Clients, two: LiveServer) -> None:
        """Workers whose manager was killed stop as if they had been told to; none is left behind."""
        desks = await clients.one_each(two)
        two.kill()
        assert {await desk.closed() for desk in desks} == {1001}

        async def gone() -> bool:
            return not any(alive(desk.process) for desk in desks)

        await until(gone)


class TestStart:
    """Starting, or saying why not."""

    def test_memory(self) -> None:
        """Several workers with a broker of one process are refused, with the remedy, before all else."""
        with pytest.raises(ConfigurationError, match=r"2 workers need a broker .*redis://.*one worker"):
            configuration("tests.live_app:app", Listen(), log_level="info", reload=False, workers=2)
        command = [sys.executable, "-m", "antiphon", "run", "tests.live_app:app", "--workers", "2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, cwd=REPOSITORY)
        assert done.returncode == 1
        assert done.stderr.startswith("antiphon: 2 workers need a broker that spans processes")
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"workers": 0}, "at least one process"),
            ({"workers": 2, "reload": True}, "a server that reloads has one worker"),
        ],
    )
    def test_impossible(self, options: dict[str, Any], problem: str) -> None:
        """No worker at all, or several that reload, cannot be."""
        with pytest.raises(ConfigurationError, match=problem):
            configuration(APP, Listen(), **{"log_level": "info", "reload": False, **options})

    @pytest.mark.parametrize("count", [1, 2])
    def test_without_the_broker(self, free_port: int, count: int) -> None:
        """A broker that cannot be reached is said in one line; the server ends, whatever its workers."""
        command = [sys.executable, "-m", "antiphon", "run", APP, "--workers", str(count), "--port", "0"]
        env = {**os.environ, "ANTIPHON_BROKER": f"redis://:secret@{HOST}:{free_port}"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, cwd=REPOSITORY, env=env)
        assert done.returncode == 3
        told = [line for line in done.stderr.splitlines() if "cannot be reached" in line]
        assert 1 <= len(told) <= count
        assert told[0].startswith(f"ERROR:    redis://{HOST}:{free_port} cannot be reached")
        assert "Traceback" not in done.stderr
        assert "secret" not in done.stderr

    def test_an_application_that_cannot_be_imported_again(self, tmp_path: Path, redis_url: str) -> None:
        """What fails in the workers only stops the server too: it would fail for ever."""
        (tmp_path / "shop.py").write_text(
            "import multiprocessing\n"
            "from antiphon import Antiphon\n"
            "if multiprocessing.parent_process():\n"
            "    raise LookupError('only once')\n"
            f"app = Antiphon(broker={redis_url!r})\n"
        )
        command = [sys.executable, "-m", "antiphon", "run", "shop:app", "--workers", "2", "--port", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, cwd=tmp_path)
        assert done.returncode == 3
        assert "LookupError: only once" in done.stderr
        assert "could not start: the server stops" in done.stderr


PROGRAM = """
import os
import sys
from antiphon import Antiphon, WebSocket

app = Antiphon(broker={url!r})

@app.websocket("/desk")
async def desk(ws: WebSocket):
    await ws.send({{"process": os.getpid(), "id": ws.id}})
    async for message in ws: ...

"""


class TestRun:
    """`app.run(workers=…)`: workers find the application in the program's own file."""

    async def test_two(self, clients: Clients, tmp_path: Path, redis_url: str) -> None:
        """A program serves itself with several workers."""
        program = tmp_path / "program.py"
        program.write_text(
            PROGRAM.format(url=redis_url)
            + "if __name__ == '__main__':\n    app.run(port=int(sys.argv[1]), workers=2)\n"
        )
        with LiveServer([sys.executable, str(program), "{port}"], cwd=tmp_path) as server:
            one, other = await clients.one_each(server)
            assert server.pid not in (one.process, other.process)

    @pytest.mark.parametrize(
        ("program", "problem"),
        [
            ("app.run(port=0, workers=2)", 'serve under `if __name__ == "__main__":` only'),
            ("Antiphon(broker={url!r}).run(port=0, workers=2)", "give it a name at the top of the file"),
        ],
    )
    def test_not_found(self, tmp_path: Path, redis_url: str, program: str, problem: str) -> None:
        """A program in which workers do not find it, or would serve again, is told what to do."""
        (tmp_path / "program.py").write_text((PROGRAM + program + "\n").format(url=redis_url))
        done = subprocess.run(
            [sys.executable, "program.py"], capture_output=True, text=True, timeout=LONG, cwd=tmp_path
        )
        assert done.returncode != 0
        assert problem in done.stderr


class TestOutage:
    """A broker that goes away later, and comes back."""

    async def test_everything_heals(self, clients: Clients, redis_program: str, tmp_path: Path) -> None:
        """Publishing says that it cannot, sockets stay open, health tells, and all goes on after it."""
        with redis_server(folder=tmp_path) as redis, workers(url_of(redis), 1) as server:
            one, other = await clients.connect(server, 2)
            for desk in (one, other):
                await desk.ask("subscribe", None, None)
            status, said = await health(server)
            assert (status, said["ok"], said["outage"], said["connections"]) == (200, True, None, 2)
            redis.stop()
            assert await one.ask("publish", "lost") == {"unavailable": True}
            status, said = await until(lambda: is_health(server, 503))
            assert said["ok"] is False
            assert f"redis://{HOST}:{redis.port}" in said["outage"]
            redis.start()
            await until(lambda: is_health(server, 200))
            await one.say("publish", "again")
            assert (await other.hear())["data"] == "again"


async def is_health(server: LiveServer, wanted: int) -> tuple[int, dict[str, Any]] | None:
    status, said = await health(server)
    return (status, said) if status == wanted else None
