"""docs/guide/publishing.md: what its programs publish arrives, from wherever."""

import asyncio
import json
import shlex
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon import Publisher
from antiphon.channels import Publication
from antiphon.testing import TestClient, TestWebSocket
from tests.docs.conftest import Load, eventually
from tests.docs.markdown import blocks
from tests.docs.programs import programs, write_files

PAGE = "docs/guide/publishing.md"
COMMANDS = [
    line.removeprefix("$ ")
    for block in blocks(PAGE)
    if block.language == "console"
    for line in block.text.splitlines()
]
#: Seconds for a program, on a machine with much to do.
LONG = 30.0


@asynccontextmanager
async def ada(load: Load) -> AsyncIterator[TestWebSocket]:
    """A client of the page's application, subscribed to its orders."""
    app = load(PAGE, "app").app
    async with TestClient(app) as client, client.websocket("/orders/ada") as ws:
        await eventually(lambda: app.services.hub.subscribers("orders:ada") == 1)
        yield ws


async def test_script(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """The script's publication reaches the client, and it prints the position."""
    async with ada(load) as ws:
        await asyncio.to_thread(load, PAGE, "script")
        assert await ws.receive_json() == {"order": 7, "state": "packed"}
    assert capsys.readouterr().out.startswith("1.")


async def test_coroutine(load: Load) -> None:
    """So does that of the coroutine."""
    async with ada(load) as ws:
        await load(PAGE, "coroutine").sent(8)
        assert await ws.receive_json() == {"order": 8, "state": "sent"}


async def test_reading(load: Load, shared_broker: str, capsys: pytest.CaptureFixture[str]) -> None:
    """History and count are printed."""
    async with TestClient(load(PAGE, "app").app), Publisher(shared_broker) as publisher:
        await publisher.publish("orders:ada", "packed")
        await asyncio.to_thread(load(PAGE, "reading").report)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("1.")
    assert printed[0].endswith(" packed")
    assert printed[1] == "0 are here"


async def history(publisher: Publisher, count: int) -> list[Publication]:
    """What the channel of the page remembers, once it is so much."""
    async with asyncio.timeout(LONG):
        while len(page := await publisher.history("orders:ada")) < count:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
    return list(page)


async def test_celery(load: Load, shared_broker: str, tmp_path: Path) -> None:
    """A real Celery worker, which forks, publishes what each of its processes has done, once."""
    write_files(PAGE, tmp_path)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "2"]
    send = "import tasks; [tasks.pack.delay('ada', n) for n in range(4)]"
    async with TestClient(load(PAGE, "app").app), Publisher(shared_broker) as publisher:
        worker = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=PIPE, stderr=STDOUT)
        try:
            sender = await asyncio.create_subprocess_exec(sys.executable, "-c", send, cwd=tmp_path)
            assert await sender.wait() == 0
            packed = await history(publisher, 4)
        finally:
            worker.terminate()
            printed, _ = await worker.communicate()
            print(printed.decode())
    assert sorted(each.data["order"] for each in packed) == [0, 1, 2, 3]
    assert len({each.id for each in packed}) == 4
    assert None not in {each.id for each in packed}


DJANGO = """
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()

from django.db import transaction
from shop import ship

try:
    with transaction.atomic():
        ship("ada", 1)
        raise LookupError
except LookupError:
    ship("ada", 2)
"""


async def test_django(load: Load, shared_broker: str, tmp_path: Path) -> None:
    """What is published waits for the commit; what is rolled back is not published."""
    (tmp_path / "shop.py").write_text(programs(PAGE)["django"].source)
    async with TestClient(load(PAGE, "app").app), Publisher(shared_broker) as publisher:
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", DJANGO, cwd=tmp_path)
        assert await program.wait() == 0
        assert [each.data["order"] for each in await publisher.history("orders:ada")] == [2]


async def test_commands(load: Load, shared_broker: str) -> None:
    """The commands publish, and listen from a position on."""
    publish, publish_json, listen, listen_since = COMMANDS
    assert listen in listen_since
    async with TestClient(load(PAGE, "app").app):
        first = await asyncio.to_thread(antiphon, publish)
        await asyncio.to_thread(antiphon, publish_json)
        await asyncio.to_thread(antiphon, publish.replace("closed", "open"))
        command = listen_since.replace("12.6613654d", first.strip()).replace("--limit 3", "--limit 2")
        heard = await asyncio.to_thread(antiphon, command)
    assert [json.loads(line)["data"] for line in heard.splitlines()] == [
        {"order": 7},
        "the shop is open tomorrow",
    ]


def antiphon(command: str) -> str:
    """Run a command of the page, and give what it prints."""
    name, *arguments = shlex.split(command)
    assert name == "antiphon"
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
