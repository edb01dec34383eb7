"""pusher-js and Laravel Echo ask the authorisation route, and are let in by npm's `pusher`, or are not."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.auth_app import KEY, MASTER, SECRET
from tests.interop.scripted import WS, node_modules
from tests.servers import LiveServer

PACKAGES = (f"ws@^{WS}", "pusher-js@^8.4", "pusher@^5.2", "laravel-echo@^2")
SCRIPT = Path(__file__).parent / "node" / "subscribe.js"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The application."""
    with LiveServer.antiphon("tests.interop.auth_app:app", "--log-level", "warning") as running:
        yield running
    assert running.output() == ""


async def subscribe(server: LiveServer, library: str, *channels: str) -> Any:
    """What becomes of Ada's subscriptions."""
    modules = node_modules(*PACKAGES)
    task = {
        "library": library,
        "endpoint": server.http("/broadcasting/auth"),
        "key": KEY,
        "secret": SECRET,
        "master": MASTER,
        "user": "Ada",
        "channels": channels,
    }
    node = shutil.which("node")
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        node,
        str(SCRIPT),
        json.dumps(task),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(modules)},
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.mark.parametrize("library", ["pusher-js", "echo"])
async def test_private(server: LiveServer, library: str) -> None:
    """Who may is let in; who may not, and who asks for what no rule is about, is told 403."""
    outcomes = await subscribe(
        server, library, "private-orders.Ada", "private-orders.Bob", "private-unknown", "presence-unknown"
    )
    assert outcomes == {
        "private-orders.Ada": "subscribed",
        "private-orders.Bob": {"refused": 403},
        "private-unknown": {"refused": 403},
        "presence-unknown": {"refused": 403},
    }


@pytest.mark.parametrize("library", ["pusher-js", "echo"])
async def test_presence(server: LiveServer, library: str) -> None:
    """The member arrives as it was given."""
    outcomes = await subscribe(server, library, "presence-room.red")
    assert outcomes["presence-room.red"]["members"] == [{"name": "Ada ☂", "room": "red"}]


async def test_encrypted(server: LiveServer) -> None:
    """The answer for an encrypted channel is what npm's `pusher` would answer."""
    modules = node_modules(*PACKAGES)
    node = shutil.which("node")
    assert node is not None
    program = (
        'const P = require("pusher");'
        f'const p = new P({{appId: "1", key: "{KEY}", secret: "{SECRET}",'
        f' encryptionMasterKeyBase64: "{MASTER}"}});'
        'console.log(JSON.stringify(p.authorizeChannel("1.2", "private-encrypted-orders.Ada")))'
    )
    process = await asyncio.create_subprocess_exec(
        node,
        "-e",
        program,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(modules)},
    )
    expected, _ = await asyncio.wait_for(process.communicate(), 30)
    import httpx

    async with httpx.AsyncClient() as http:
        answer = await http.post(
            server.http("/broadcasting/auth"),
            data={"socket_id": "1.2", "channel_name": "private-encrypted-orders.Ada"},
            headers={"X-User": "Ada"},
        )
    assert answer.json() == json.loads(expected)
