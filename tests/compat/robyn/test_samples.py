"""The programs of Robyn's page, with only their import line changed, as processes on a port."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from antiphon.compat.robyn import Robyn
from tests.compat.live import fetched, program, said, said_json, sample, serving, ws
from tests.servers import LiveServer


def robyn_sample(name: str, *, needs_time: bool = False) -> str:
    """A sample with its import line changed, and the import that two of the page's samples lack."""
    text = sample(f"robyn/{name}.py")
    assert text.count("from robyn import") == 1
    text = text.replace("from robyn import", "from antiphon.compat.robyn import")
    return f"import time\n{text}" if needs_time else text


def started(tmp_path: Path, text: str) -> LiveServer:
    """The program on a free port of this machine, whatever port it names itself."""
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    environment = ["env", "ROBYN_HOST={host}", "ROBYN_PORT={port}"]
    return LiveServer([*environment, sys.executable, str(path)])


async def test_r2_echo(tmp_path: Path) -> None:
    """Echo: joining and leaving is told to all, once; an echo only to its sender; the page is HTML."""
    with started(tmp_path, robyn_sample("r2_echo")) as server:
        async with connect(server.ws("/ws")) as a:
            joined_a = await said(a)
            assert joined_a.startswith("User ")
            assert joined_a.endswith(" joined the chat")
            await a.send("hi")
            assert await said(a) == "Echo: hi"
            async with connect(server.ws("/ws")) as b:
                joined_b = await said(b)
                assert joined_b == await said(a) != joined_a
                await b.send("only me")
                assert await said(b) == "Echo: only me"
            assert await said(a) == joined_b.replace("joined", "left")
            # Had "left" been told twice, or B's echo gone to all, it would come before this.
            await a.send("still here")
            assert await said(a) == "Echo: still here"
        page = await fetched(server.http("/"))
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "WebSocket Echo" in page.text


async def test_r3_chat(tmp_path: Path) -> None:
    """Chat: welcome, lists of users, messages to all, private ones to one, and nothing a client can break."""
    with started(tmp_path, robyn_sample("r3_chat")) as server:
        async with connect(server.ws("/chat?username=Jos%C3%A9")) as jose:
            welcome = await said_json(jose)
            assert welcome["type"] == "welcome"
            assert welcome["message"] == "Welcome to the chat, José!"
            assert (await said_json(jose))["type"] == "user_joined"
            assert (await said_json(jose)) == {"type": "user_list", "users": ["José"]}
            async with connect(server.ws("/chat")) as other:
                own = (await said_json(other))["user_id"]
                for client in (other, jose):
                    assert (await said_json(client))["username"] == f"User_{own[:8]}"
                    assert (await said_json(client))["users"] == ["José", f"User_{own[:8]}"]
                await other.send('{"type": "message", "message": "x"}')
                for client in (other, jose):
                    assert (await said_json(client))["message"] == "x"
                await jose.send(
                    f'{{"type": "private_message", "target_user_id": "{own}", "message": "psst"}}'
                )
                assert (await said_json(other))["message"] == "psst"
                await _try_to_break(jose)
                await other.send("not json")
                assert (await said_json(other))["type"] == "error"
            assert (await said_json(jose))["type"] == "user_left"
            assert (await said_json(jose)) == {"type": "user_list", "users": ["José"]}
            await jose.send('{"message": "the end"}')
            assert (await said_json(jose))["message"] == "the end"


async def _try_to_break(client: Any) -> None:
    for target in ('"nobody"', '"00000000-0000-4000-8000-000000000000"', "5", "[1]", "{}", "true"):
        await client.send(f'{{"type": "private_message", "target_user_id": {target}}}')
    await client.send("not json")
    assert (await said_json(client))["type"] == "error"


async def test_r3_json_that_is_no_object(tmp_path: Path) -> None:
    """A message that the handler trips over ends its sender's connection and nobody else's."""
    with started(tmp_path, robyn_sample("r3_chat")) as server:
        async with connect(server.ws("/chat")) as other, connect(server.ws("/chat")) as culprit:
            await culprit.send("[1]")
            while (await said_json(other))["type"] != "user_left":
                pass
            await culprit.wait_closed()
            assert culprit.close_code == 1011
            await other.send('{"message": "fine"}')
            while (await said_json(other))["type"] != "message":
                pass


async def test_r4_program(tmp_path: Path) -> None:
    """Asynchronous handlers: the processed message comes back."""
    with started(tmp_path, robyn_sample("r4_async", needs_time=True)) as server:
        async with connect(server.ws("/async_ws")) as client:
            await client.send("hi")
            assert await said_json(client) == {"type": "response", "original": "hi", "processed": "HI"}


async def test_r4_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The updates come one after the other, and their task ends once the client has gone."""
    monkeypatch.setattr(Robyn, "start", lambda self: None)
    text = robyn_sample("r4_async", needs_time=True)
    module = program(text.replace("asyncio.sleep(5)", "asyncio.sleep(0.05)"))
    async with serving(module.app) as address:
        async with ws(address, "/async_ws") as client:
            updates = [await said_json(client) for _ in range(3)]
            assert [each["count"] for each in updates] == [0, 1, 2]
            tasks = [each for each in asyncio.all_tasks() if "send_periodic_updates" in repr(each)]
            assert len(tasks) == 1
        await asyncio.wait_for(tasks[0], 5)


async def test_r5_dependencies(tmp_path: Path) -> None:
    """Dependencies: a newcomer gets the last ten log entries, its own coming last."""
    with started(tmp_path, robyn_sample("r5_di", needs_time=True)) as server:
        async with connect(server.ws("/chat?username=Ann")) as ann:
            history = await said_json(ann)
            assert history["type"] == "message_history"
            assert [each["message"] for each in history["messages"]] == ["Ann joined the chat"]
            for number in range(12):
                await ann.send(str(number))
                assert (await said_json(ann))["message"] == str(number)
            async with connect(server.ws("/chat?username=Bob")) as bob:
                messages = [each["message"] for each in (await said_json(bob))["messages"]]
                assert messages == [*map(str, range(3, 12)), "Bob joined the chat"]
                await bob.send("hi")
                for client in (ann, bob):
                    assert (await said_json(client))["username"] == "Bob"


async def test_r6_rooms(tmp_path: Path) -> None:
    """Rooms: the room in the path is the one that counts, whatever the query says."""
    with started(tmp_path, robyn_sample("r6_rooms")) as server:
        async with connect(server.ws("/room/red?room_id=blue")) as client:
            joined = await said(client)
            assert joined.endswith(" joined room red")
            await client.send("hi")
            assert await said(client) == f"[red] {joined.split()[1]}: hi"


async def test_r6_empty_rooms_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last one has left a room, there is none."""
    monkeypatch.setattr(Robyn, "start", lambda self: None)
    module = program(robyn_sample("r6_rooms"))
    async with serving(module.app) as address, ws(address, "/room/red") as client:
        await said(client)
        assert list(module.rooms) == ["red"]
    assert module.rooms == {}
