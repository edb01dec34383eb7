"""`antiphon publish` and `antiphon listen`, as processes, through a real Redis."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex

import pytest

from antiphon.brokers.redis import RedisBroker
from antiphon.channels import RULES, RULES_KEPT, Definition, Definitions, History, Hub
from antiphon.cli import main
from tests.redis_server import redis_server, url_of
from tests.servers import HOST

ANTIPHON = [sys.executable, "-m", "antiphon"]

#: Seconds for what takes none, on a machine with much to do.
LONG = 30.0


@pytest.fixture
async def url(redis_url: str) -> str:
    """A broker of the test's own, and an application that has said what its channels are like."""
    url = f"{redis_url}?prefix={token_hex(4)}"
    await announce(url)
    return url


async def announce(url: str) -> None:
    """Run an application whose rooms have a history of three, for a moment."""
    definitions = Definitions()
    definitions.add(Definition("room:{room}", History(size=3)))
    hub = Hub(RedisBroker(url), definitions)
    await hub.start()
    await hub.stop()


def antiphon(url: str | None, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command, with the broker in the environment."""
    env = {name: value for name, value in os.environ.items() if name != "ANTIPHON_BROKER"}
    if url is not None:
        env["ANTIPHON_BROKER"] = url
    return subprocess.run(
        [*ANTIPHON, *arguments], capture_output=True, input=stdin, timeout=LONG, env=env, check=False
    )


async def publish(url: str, *arguments: str, stdin: bytes = b"") -> str:
    """Publish, and give what is printed."""
    done = await asyncio.to_thread(antiphon, url, "publish", *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@asynccontextmanager
async def listening(url: str, *arguments: str) -> AsyncIterator[Process]:
    """Run `antiphon listen` while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *ANTIPHON, "listen", *arguments, "--broker", url, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    async with asyncio.timeout(LONG):
        return (await process.stdout.readline()).decode().removesuffix("\n")


class TestPublish:
    """`antiphon publish`."""

    async def test_position(self, url: str) -> None:
        """It prints the position where the channel keeps a history, and nothing where it does not."""
        first, second = [await publish(url, "room:red", text) for text in ("a", "b")]
        assert first.startswith("1.")
        assert second == first.replace("1.", "2.", 1)
        assert await publish(url, "news", "a") == ""

    async def test_what_is_published(self, url: str) -> None:
        """Text, JSON and standard input, with event, id and key."""
        position = await publish(url, "room:red", "a")
        await publish(url, "room:red", '{"n": 1}', "--json", "--event", "said", "--id", "7", "--key", "k")
        await publish(url, "room:red", "-", stdin=b"two\nlines\n")
        async with listening(url, "room:red", "--since", position.strip(), "--envelope") as process:
            one, two = [json.loads(await line(process)) for _ in range(2)]
        assert (one["data"], one["event"], one["id"], one["offset"]) == ({"n": 1}, "said", "7", 2)
        assert two["data"] == "two\nlines"

    async def test_id(self, url: str) -> None:
        """What has an id is published once."""
        assert await publish(url, "room:red", "a", "--id", "7") == await publish(
            url, "room:red", "a", "--id", "7"
        )

    @pytest.mark.parametrize(
        ("arguments", "stdin", "problem"),
        [
            (["room:red", "{", "--json"], b"", "the data is no JSON"),
            (["room:red", "-"], b"\xff", "no text in UTF-8"),
            (["a b", "x"], b"", "no spaces"),
            (["x", "y", "--broker", "memory://"], b"", "nobody else is reached"),
            (["x", "y", "--broker", "carrier-pigeon://x"], b"", "carrier-pigeon"),
        ],
    )
    def test_errors(self, redis_url: str, arguments: list[str], stdin: bytes, problem: str) -> None:
        """An error is one line, and status 1."""
        done = antiphon(redis_url, "publish", *arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, b"")
        (told,) = done.stderr.decode().splitlines()
        assert told.startswith("antiphon: ")
        assert problem in told


class TestListen:
    """`antiphon listen`."""

    async def test_live(self, url: str) -> None:
        """What is published from now on is printed, a line each, until Ctrl-C, which is no error."""
        async with listening(url, "news") as process:
            heard = asyncio.ensure_future(line(process))
            async with asyncio.timeout(LONG):
                while not heard.done():
                    await publish(url, "news", "tick")
            assert heard.result() == "tick"
            await publish(url, "news", '{"a": [1, 2]}', "--json")
            await publish(url, "news", "-", stdin=b"two\nlines")
            following = ["tick"]
            while following[-1] != '"two\\nlines"':
                following.append(await line(process))
            assert following[-2:] == ['{"a":[1,2]}', '"two\\nlines"']
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), LONG) == 0
            assert process.stderr is not None
            assert await process.stderr.read() == b""

    async def test_since(self, url: str) -> None:
        """It begins after a position, and ends after as many as are wanted."""
        positions = [await publish(url, "room:red", str(number)) for number in range(3)]
        done = await asyncio.to_thread(
            antiphon, url, "listen", "room:red", "--since", positions[0].strip(), "--limit", "2"
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n2\n", b"")

    async def test_a_lost_position(self, url: str) -> None:
        """A position whose successors are forgotten is said on standard error; it goes on from now."""
        positions = [await publish(url, "room:red", str(number)) for number in range(5)]
        async with listening(url, "room:red", "--since", positions[0].strip()) as process:
            assert process.stderr is not None
            told = (await process.stderr.readline()).decode()
            assert told.startswith(f"antiphon: the position {positions[0].strip()} is lost")
            await publish(url, "room:red", "5")
            assert await line(process) == "5"

    async def test_no_history(self, url: str) -> None:
        """A position on a channel without history is of no use, and it says so."""
        async with listening(url, "news", "--since", "1.x") as process:
            assert process.stderr is not None
            assert b"keeps no history" in await process.stderr.readline()

    async def test_an_outage(self, redis_program: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        """What was published while it could not reach the broker is printed when it can again."""
        with redis_server(folder=tmp_path_factory.mktemp("redis")) as redis:
            url = url_of(redis)
            await announce(url)
            position = await publish(url, "room:red", "0")
            async with listening(url, "room:red", "--since", position.strip()) as process:
                await publish(url, "room:red", "1")
                assert await line(process) == "1"
                redis.stop()
                redis.start()
                await publish(url, "room:red", "2")
                assert await line(process) == "2"

    async def test_it_has_no_say(self, url: str) -> None:
        """Listening announces nothing: what channels are like is the application's word alone."""
        broker = RedisBroker(url)
        await broker.start(Hub(broker))
        before = await broker.history(RULES, RULES_KEPT, limit=0)
        position = await publish(url, "room:red", "0")
        await publish(url, "room:red", "1")
        args = ("listen", "room:red", "--since", position.strip(), "--limit", "1")
        assert (await asyncio.to_thread(antiphon, url, *args)).stdout == b"1\n"
        assert (await broker.history(RULES, RULES_KEPT, limit=0)).position == before.position
        await broker.stop()

    async def test_a_reader_that_leaves(self, url: str) -> None:
        """Whoever reads only some lines, as `head`, hears no complaint."""
        position = await publish(url, "room:red", "0")
        for text in ("1", "2"):
            await publish(url, "room:red", text)
        command = [*ANTIPHON, "listen", "room:red", "--since", position.strip(), "--broker", url]
        read, write = os.pipe()
        os.close(read)
        process = await asyncio.create_subprocess_exec(*command, stdout=write, stderr=PIPE)
        os.close(write)
        _, errors = await asyncio.wait_for(process.communicate(), LONG)
        assert (process.returncode, errors) == (0, b"")

    @pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "x"], ["--since", "7"]])
    def test_wrong_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """A limit is a number from 1 on, a position is one."""
        with pytest.raises(SystemExit):
            main(["listen", "news", *arguments])
        assert arguments[0] in capsys.readouterr().err

    @pytest.mark.parametrize("command", [["listen", "news"], ["publish", "news", "x"]])
    def test_no_broker(self, command: list[str], free_port: int) -> None:
        """No broker, or one that is away, is one line and status 1."""
        for url, problem in ((None, "ANTIPHON_BROKER"), (f"redis://{HOST}:{free_port}", "cannot be reached")):
            done = antiphon(url, *command)
            assert done.returncode == 1
            (told,) = done.stderr.decode().splitlines()
            assert problem in told
