"""The driver `local` across processes: two of an application and a script, joined by a real broker."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.servers import REPOSITORY, LiveServer

APP = "tests.broadcast.live_app:app"
COUNT = 20


@pytest.fixture
def servers(redis_url: str) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Two processes of the application."""
    environment = {"ANTIPHON_BROKER": redis_url}
    with LiveServer.antiphon(APP, env=environment) as one, LiveServer.antiphon(APP, env=environment) as two:
        yield one, two


def subscribed(server: LiveServer) -> tuple[ClientConnection, str]:
    """A client that is subscribed, and its id."""
    client = connect(server.ws("/orders"))
    return client, json.loads(client.recv(timeout=10))["id"]


def heard(client: ClientConnection, number: int) -> list[Any]:
    """So many of the next messages' events and data."""
    envelopes = [json.loads(client.recv(timeout=10)) for _ in range(number)]
    return [(each["event"], each["data"]["id"]) for each in envelopes]


def script(program: str, redis_url: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the broker's URL in its environment, and nothing else configured."""
    return subprocess.run(
        [sys.executable, "-c", f"import asyncio, os\nfrom antiphon import Broadcast\n{program}"],
        env={**os.environ, "ANTIPHON_BROKER": redis_url},
        capture_output=True,
        text=True,
        timeout=30,
        cwd=REPOSITORY,
        check=False,
    )


def test_a_handler_reaches_both(servers: tuple[LiveServer, LiveServer]) -> None:
    """What a handler of one process broadcasts reaches the clients of both, in order."""
    clients = [subscribed(server)[0] for server in servers]
    with httpx.Client() as http:
        for number in range(COUNT):
            assert http.post(servers[0].http(f"/orders/{number}")).status_code == 204
    for client in clients:
        assert heard(client, COUNT) == [("created", number) for number in range(COUNT)]
        client.close()


def test_a_script_reaches_both(servers: tuple[LiveServer, LiveServer], redis_url: str) -> None:
    """A script broadcasts in each of the three ways, and after a fork; who is excluded does not hear it."""
    (one, own), (two, _) = map(subscribed, servers)
    # From 3.12 on Python warns of every fork of a process that has threads.
    program = f"""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
broadcast = Broadcast()
broadcast.channel("orders", {{"id": 1}}, "a")
asyncio.run(broadcast.publish("orders", {{"id": 2}}, "b"))
pid = os.fork()
if pid == 0:
    broadcast.channel("orders", {{"id": 3}}, "c")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
broadcast.channel("orders", {{"id": 4}}, "d", exclude={own!r})
broadcast.later("orders", {{"id": 5}}, "e")
"""
    done = script(program, redis_url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert heard(two, 5) == [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)]
    assert heard(one, 4) == [("a", 1), ("b", 2), ("c", 3), ("e", 5)]
    one.close()
    two.close()


def test_a_broker_that_is_away(free_port: int) -> None:
    """A script is told which channel did not get its message, and why."""
    done = script('Broadcast().channel("orders", 1)', f"redis://:s3cret@127.0.0.1:{free_port}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "BroadcastFailed: not sent: orders by local (BrokerUnavailable: " in last
    assert "s3cret" not in done.stderr
