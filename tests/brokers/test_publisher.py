"""Publishing from outside of the application, through a real Redis."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

import pytest

from antiphon import Publisher
from antiphon.brokers import background
from antiphon.brokers.redis import RedisBroker
from antiphon.channels import (
    Attendance,
    Channel,
    ChannelLimits,
    Definition,
    Definitions,
    History,
    Hub,
)
from antiphon.errors import (
    AntiphonError,
    BrokerUnavailable,
    ConfigurationError,
    InvalidChannel,
    PublicationTooLarge,
)
from tests.redis_server import redis_server, url_of
from tests.servers import HOST

ROOM = "room:red"


@pytest.fixture
def url(redis_url: str) -> str:
    """A broker of the test's own."""
    return f"{redis_url}?prefix={token_hex(4)}"


def definitions() -> Definitions:
    """Rooms with history and a limit; all else is undefined."""
    defined = Definitions()
    defined.add(Definition("room:{room}", History(size=1000), limits=ChannelLimits(data=100)))
    return defined


@pytest.fixture
async def hub(url: str) -> AsyncIterator[Hub]:
    """The hub of an application that runs."""
    hub = Hub(RedisBroker(url), definitions())
    await hub.start()
    yield hub
    await hub.stop()


def run(program: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run a program that publishes."""
    before = "import os, sys, threading\nfrom antiphon import Publisher\npublisher = Publisher()\n"
    # From Python 3.12 on each fork with threads is warned of; that it works is what is tried here.
    options = ["-X", "dev", "-W", "ignore:This process:DeprecationWarning"]
    return subprocess.run(
        [sys.executable, *options, "-c", before + program],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "ANTIPHON_BROKER": url},
        check=False,
    )


class TestPublishing:
    """One publisher, used from everywhere."""

    async def test_from_an_event_loop(self, hub: Hub, url: str) -> None:
        """What is published arrives as it was meant, at the position that is returned."""
        async with Publisher(url) as publisher, Channel(hub, ROOM).subscribe() as feed:
            position = await publisher.publish(ROOM, {"n": 1}, event="said", id="7", key="k", exclude=["c1"])
            got = await anext(feed)
        assert (got.data, got.event, got.id, got.key, got.exclude) == ({"n": 1}, "said", "7", "k", {"c1"})
        assert got.position == position is not None

    async def test_from_a_thread(self, hub: Hub, url: str) -> None:
        """Code without an event loop waits for the same result."""

        def task() -> object:
            with Publisher(url) as publisher:
                return publisher.publish_sync(ROOM, "text", event="said")

        async with Channel(hub, ROOM).subscribe() as feed:
            position = await asyncio.to_thread(task)
            got = await anext(feed)
        assert (got.data, got.event, got.position) == ("text", "said", position)

    async def test_from_many_threads(self, hub: Hub, url: str) -> None:
        """Threads share a publisher; nothing is lost, and what each publishes keeps its order."""
        threads, each = 8, 25
        with Publisher(url) as publisher:

            def task(thread: int) -> None:
                for number in range(each):
                    publisher.publish_sync(ROOM, f"{thread} {number}")

            async with Channel(hub, ROOM).subscribe() as feed:
                with ThreadPoolExecutor(threads) as pool:
                    done = [asyncio.wrap_future(pool.submit(task, thread)) for thread in range(threads)]
                    await asyncio.gather(*done)
                got = [str((await anext(feed)).data).split() for _ in range(threads * each)]
            assert sum(thread.name == "antiphon publisher" for thread in threading.enumerate()) == 1
        for thread in range(threads):
            assert [int(n) for t, n in got if int(t) == thread] == list(range(each))

    async def test_in_the_order_of_the_calls(self, hub: Hub, url: str) -> None:
        """What is begun together is published in the order in which it was begun, the first included."""
        async with Publisher(url) as publisher:
            positions = await asyncio.gather(*(publisher.publish(ROOM, n) for n in range(50)))
        offsets = [position.offset for position in positions if position is not None]
        assert len(offsets) == 50
        assert offsets == sorted(offsets)

    def test_from_several_event_loops(self, url: str) -> None:
        """It belongs to no event loop."""
        with Publisher(url) as publisher:
            for _ in range(2):
                assert asyncio.run(publisher.publish("news", "x")) is None

    async def test_an_id_that_is_repeated(self, hub: Hub, url: str) -> None:
        """The second publication of one id is not published, and has the first one's position."""
        async with Publisher(url) as publisher:
            first = await publisher.publish(ROOM, 1, id="order-7")
            assert await publisher.publish(ROOM, 1, id="order-7") == first
            assert [each.data for each in await publisher.history(ROOM)] == [1]

    async def test_what_cannot_be_published(self, hub: Hub, url: str) -> None:
        """Names and data are checked as the application would."""
        async with Publisher(url) as publisher:
            with pytest.raises(InvalidChannel):
                await publisher.publish("a b", 1)
            with pytest.raises(InvalidChannel, match="Antiphon's own"):
                publisher.publish_sync("$rules", "[]")
            with pytest.raises(TypeError):
                await publisher.publish(ROOM, object())
            with pytest.raises(PublicationTooLarge, match="at most 100 bytes"):
                await publisher.publish(ROOM, "x" * 101)
            assert len(await publisher.history(ROOM)) == 0


class TestRules:
    """What channels are like is the application's word."""

    async def test_no_application(self, url: str) -> None:
        """Where none has run, channels have no history."""
        async with Publisher(url) as publisher:
            assert await publisher.publish(ROOM, 1) is None
            with pytest.raises(ConfigurationError, match=r"no application that uses .* has defined one"):
                await publisher.history(ROOM)

    async def test_an_application_that_comes_later(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is looked for again, so that a publisher outlives a deploy."""
        monkeypatch.setattr(background, "FRESH", 0.0)
        async with Publisher(url) as publisher:
            assert await publisher.publish(ROOM, 1) is None
            hub = Hub(RedisBroker(url), definitions())
            await hub.start()
            await hub.stop()
            assert await publisher.publish(ROOM, 2) is not None

    async def test_another_version(self, url: str) -> None:
        """Rules that are not understood are an error, not a channel without history."""

        class Strange(Definitions):
            def to_json(self) -> str:
                return '{"version": 9}'

        hub = Hub(RedisBroker(url), Strange())
        await hub.start()
        await hub.stop()
        async with Publisher(url) as publisher:
            with pytest.raises(AntiphonError, match="another version of Antiphon"):
                await publisher.publish(ROOM, 1)


class TestReading:
    """What scripts want to know."""

    async def test_history(self, hub: Hub, url: str) -> None:
        """The newest, or what came after a position; both forms."""
        async with Publisher(url) as publisher:
            first, *_ = [await publisher.publish(ROOM, number) for number in range(3)]
            assert [each.data for each in await publisher.history(ROOM, 2)] == [1, 2]
            page = await asyncio.to_thread(publisher.history_sync, ROOM, since=first)
            assert [each.data for each in page] == [1, 2]

    async def test_members(self, hub: Hub, url: str) -> None:
        """Who is present, by parts, and how many; both forms."""
        await hub.broker.attend([Attendance(ROOM, f"c{n}", f"user{n}") for n in range(3)])
        async with Publisher(url) as publisher:
            assert [each.user for each in await publisher.members(ROOM, 2)] == ["user0", "user1"]
            assert await publisher.count(ROOM) == 3
            assert await asyncio.to_thread(publisher.count_sync, ROOM) == 3
            assert (await asyncio.to_thread(publisher.members_sync, "room:empty")).count == 0


class TestProcesses:
    """Forks, and the end of the interpreter."""

    async def test_fork(self, hub: Hub, url: str) -> None:
        """Parent and child publish after a fork, each through a connection of its own."""
        done = await asyncio.to_thread(
            run,
            f"""
publisher.publish_sync({ROOM!r}, "parent")
child = os.fork()
publisher.publish_sync({ROOM!r}, "child" if child == 0 else "parent again", id=str(child == 0))
publisher.publish_sync({ROOM!r}, "child again" if child == 0 else "parent at last")
publisher.close()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
            url,
        )
        assert (done.returncode, done.stderr) == (0, "")
        data = [each.data for each in await Channel(hub, ROOM).history()]
        assert sorted(data) == sorted(["parent", "parent again", "parent at last", "child", "child again"])

    async def test_fork_while_threads_publish(self, hub: Hub, url: str) -> None:
        """A fork at any moment leaves nothing locked in the child."""
        done = await asyncio.to_thread(
            run,
            f"""
import faulthandler
stop = threading.Event()
def publish():
    while not stop.is_set():
        publisher.publish_sync("noise", "x")
threads = [threading.Thread(target=publish) for _ in range(3)]
for thread in threads: thread.start()
children = []
for _ in range(10):
    publisher.publish_sync("noise", "y")
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        publisher.publish_sync({ROOM!r}, "child")
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
stop.set()
for thread in threads: thread.join()
""",
            url,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(await Channel(hub, ROOM).history()) == 10

    def test_a_program_that_ends(self, url: str) -> None:
        """A program that closes nothing ends at once, and says nothing."""
        done = run('publisher.publish_sync("news", "x")\nprint("end")', url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")

    async def test_at_exit(self, hub: Hub, url: str) -> None:
        """What is published while the interpreter ends arrives, when the publisher was used before."""
        program = f"""
import atexit
atexit.register(lambda: print(publisher.publish_sync({ROOM!r}, "the last")))
publisher.publish_sync({ROOM!r}, "the first")
"""
        done = await asyncio.to_thread(run, program, url)
        assert (done.returncode, done.stderr) == (0, "")
        assert [each.data for each in await Channel(hub, ROOM).history()] == ["the first", "the last"]

    def test_first_use_at_exit(self, url: str) -> None:
        """Used then for the first time, it publishes or says that it cannot; it never hangs."""
        program = """
import atexit
from antiphon.errors import BrokerUnavailable
def last():
    try:
        publisher.publish_sync("news", "x")
    except BrokerUnavailable as error:
        print(error)
    print("end")
atexit.register(last)
"""
        done = run(program, url)
        assert done.returncode == 0
        assert done.stdout.endswith("end\n")
        assert "Traceback" not in done.stderr


class TestOutages:
    """Brokers that are not there."""

    async def test_nobody_listens(self, free_port: int) -> None:
        """Both forms say so, with the address and without its password."""
        with Publisher(f"redis://:secret@{HOST}:{free_port}", timeout=20) as publisher:
            with pytest.raises(BrokerUnavailable, match=f"{HOST}:{free_port} cannot be reached") as caught:
                await publisher.publish("news", "x")
            assert "secret" not in str(caught.value) + repr(publisher)
            with pytest.raises(BrokerUnavailable, match="cannot be reached"):
                await asyncio.to_thread(publisher.publish_sync, "news", "x")

    async def test_no_answer(self) -> None:
        """Whoever waits for a server that says nothing waits no longer than the timeout."""
        with socket.create_server((HOST, 0)) as silent:
            url = f"redis://{HOST}:{silent.getsockname()[1]}"
            with Publisher(url, timeout=0.2) as publisher:
                with pytest.raises(BrokerUnavailable, match=r"has not answered within 0\.2 s"):
                    await publisher.publish("news", "x")
                with pytest.raises(BrokerUnavailable, match=r"has not answered within 0\.2 s"):
                    await asyncio.to_thread(publisher.publish_sync, "news", "x")

    async def test_an_outage(self, redis_program: str) -> None:
        """It fails while the broker is away, and goes on by itself when it is back."""
        with redis_server() as redis, Publisher(url_of(redis)) as publisher:
            await publisher.publish("news", "x")
            redis.stop()
            with pytest.raises(BrokerUnavailable):
                await publisher.publish("news", "x")
            redis.start()
            async with asyncio.timeout(30):
                while True:
                    try:
                        await publisher.publish("news", "x")
                        break
                    except BrokerUnavailable:
                        await asyncio.sleep(0.05)

    async def test_a_broker_that_comes_late(self, redis_program: str) -> None:
        """A publisher that failed to connect tries again with the next call."""
        redis = redis_server()
        with Publisher(url_of(redis)) as publisher:
            with pytest.raises(BrokerUnavailable):
                await publisher.publish("news", "x")
            with redis:
                await publisher.publish("news", "x")

    async def test_cancelled(self) -> None:
        """Whoever does not want to wait any more does not."""
        with socket.create_server((HOST, 0)) as silent:
            url = f"redis://{HOST}:{silent.getsockname()[1]}"
            with Publisher(url, timeout=0.5) as publisher, pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await publisher.publish("news", "x")


class TestClosing:
    """Letting go."""

    async def test_closed_and_used_again(self, url: str) -> None:
        """Closing ends its thread; the next call begins anew; closing what is closed does nothing."""

        def threads() -> int:
            return sum(thread.name == "antiphon publisher" for thread in threading.enumerate())

        publisher = Publisher(url)
        publisher.close()
        for _ in range(2):
            await publisher.publish("news", "x")
            assert threads() == 1
            await publisher.aclose()
            assert threads() == 0
        publisher.close()

    async def test_what_was_begun_is_finished(self, hub: Hub, url: str) -> None:
        """Closing waits for what other threads publish at that moment."""
        publisher = Publisher(url)
        await publisher.publish(ROOM, "first")
        begun = [asyncio.ensure_future(publisher.publish(ROOM, number)) for number in range(20)]
        await asyncio.sleep(0)
        publisher.close()
        assert None not in await asyncio.gather(*begun)


class TestConfiguration:
    """Which broker it is."""

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a URL it says where one is looked for."""
        monkeypatch.delenv("ANTIPHON_BROKER", raising=False)
        with pytest.raises(ConfigurationError, match="ANTIPHON_BROKER"):
            Publisher()

    def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment names it; the argument comes first."""
        monkeypatch.setenv("ANTIPHON_BROKER", "redis://one.example")
        assert "one.example" in repr(Publisher())
        assert "two.example" in repr(Publisher("redis://two.example"))

    def test_memory(self) -> None:
        """A broker of this process reaches nobody."""
        with pytest.raises(ConfigurationError, match="nobody else is reached"):
            Publisher("memory://")

    @pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
    def test_timeout(self, timeout: float) -> None:
        """A timeout is a number of seconds."""
        with pytest.raises(ConfigurationError, match="timeout"):
            Publisher("redis://one.example", timeout=timeout)
