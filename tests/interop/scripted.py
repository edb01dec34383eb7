"""The clients that are written in JavaScript: npm's `ws` in a Node process, and WebSocket in Chromium."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.async_api import Page, async_playwright

from tests.interop.clients import Closed, Conversation, Message
from tests.servers import REPOSITORY

IN_CI = os.environ.get("CI") == "true"
CACHE = REPOSITORY / ".cache" / "node"
WS = "8.21"
LINE = 64 * 1024 * 1024


class Script(Protocol):
    """Where JavaScript runs that has connections by number."""

    async def call(self, name: int, method: str, argument: Any = None) -> Any:
        """Call a method of the script for a connection."""


class Scripted:
    """A conversation of a script."""

    def __init__(self, script: Script, name: int, extensions: str) -> None:
        self.script = script
        self.name = name
        self.compressed = extensions.startswith("permessage-deflate")

    async def send(self, message: Message) -> None:
        await self.script.call(self.name, "send", packed(message))

    async def send_parts(self, parts: Sequence[Any]) -> None:
        await self.script.call(self.name, "sendParts", [packed(part) for part in parts])

    async def receive(self) -> Message:
        event = await self.script.call(self.name, "next")
        if "close" in event:
            raise Closed(*event["close"])
        return unpacked(event["message"])

    async def ping(self) -> None:
        await self.script.call(self.name, "ping", "payload")
        assert await self.script.call(self.name, "next") == {"pong": "payload"}

    async def close(self, code: int, reason: str) -> None:
        await self.script.call(self.name, "close", [code, reason])
        event = await self.script.call(self.name, "next")
        # The server echoes the code (RFC 6455 § 5.5.1), and who began is told what came back.
        assert event["close"][0] == code


names = count(1)


@asynccontextmanager
async def scripted(script: Script, url: str, options: dict[str, Any]) -> AsyncIterator[Conversation]:
    name = next(names)
    extensions = await script.call(name, "connect", {"url": url, "options": options})
    try:
        yield Scripted(script, name, keys(extensions))
    finally:
        await script.call(name, "forget")


def keys(extensions: str | dict[str, Any]) -> str:
    """`ws` has the extensions as an object or text, a browser as text."""
    return extensions if isinstance(extensions, str) else ",".join(extensions)


def packed(message: Message) -> Any:
    return message if isinstance(message, str) else {"bytes": base64.b64encode(message).decode()}


def unpacked(value: Any) -> Message:
    return value if isinstance(value, str) else base64.b64decode(value["bytes"])


# --- Node ----------------------------------------------------------------------------------------------


def node_modules(*packages: str) -> Path:
    """The folder with npm packages, installed when they are not there; without Node the test is skipped."""
    folder = CACHE / "+".join(re.sub(r"[@^]+", "-", each) for each in packages)
    if shutil.which("node") is None or shutil.which("npm") is None:
        unavailable("Node or npm is missing: apt-get install nodejs npm")
    # npm writes this when it is done.
    if not (folder / "node_modules" / ".package-lock.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder, *packages]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        if done.returncode:
            unavailable(f"npm cannot install {', '.join(packages)}: {done.stderr}")
    return folder / "node_modules"


def unavailable(missing: str) -> None:
    """Skip the test; in CI nothing may be skipped."""
    if IN_CI:
        pytest.fail(f"{missing}. Nothing may be skipped with CI=true.", pytrace=False)
    pytest.skip(missing)


class Node:
    """A Node process that runs `node/client.js`, with `ws` as the client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.calls: dict[int, asyncio.Future[Any]] = {}
        self.numbers = count()
        self.reader = asyncio.create_task(self.read())

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            number, error, value = json.loads(line)
            call = self.calls.pop(number)
            if error is None:
                call.set_result(value)
            else:
                call.set_exception(ConnectionError(error))

    async def call(self, name: int, method: str, argument: Any = None) -> Any:
        assert self.process.stdin is not None
        number = next(self.numbers)
        result = self.calls[number] = asyncio.get_running_loop().create_future()
        line = json.dumps([number, name, method, argument])
        self.process.stdin.write(line.encode() + b"\n")
        return await result

    @asynccontextmanager
    async def connect(self, url: str, deflate: bool = False, **options: Any) -> AsyncIterator[Conversation]:
        options["perMessageDeflate"] = deflate
        async with scripted(self, url, options) as conversation:
            yield conversation


@asynccontextmanager
async def node() -> AsyncIterator[Node]:
    modules = node_modules(f"ws@^{WS}")
    script = Path(__file__).parent / "node" / "client.js"
    process = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr.fileno() if hasattr(sys.stderr, "fileno") else None,
        env={**os.environ, "NODE_PATH": str(modules)},
        limit=LINE,
    )
    running = Node(process)
    try:
        yield running
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await running.reader


# --- Chromium ------------------------------------------------------------------------------------------

PAGE = """
const connections = new Map();
const fetched = (value) => fetch("data:;base64," + value.bytes).then((response) => response.arrayBuffer());
const unpacked = async (value) => (typeof value === "string" ? value : fetched(value));
const packed = (data) => typeof data === "string" ? data : new Promise((resolve) => {
  const reader = new FileReader();
  reader.onload = () => resolve({ bytes: reader.result.slice(reader.result.indexOf(",") + 1) });
  reader.readAsDataURL(new Blob([data]));
});

class Connection {
  constructor(url) {
    this.waiting = [];
    this.arrived = [];
    this.ws = new WebSocket(url);
    this.ws.binaryType = "arraybuffer";
    this.ws.onmessage = (event) => this.push({ data: event.data });
    this.ws.onclose = (event) => this.push({ close: [event.code, event.reason] });
  }
  push(event) {
    const taker = this.waiting.shift();
    if (taker) taker(event); else this.arrived.push(event);
  }
  next() {
    if (this.arrived.length) return this.arrived.shift();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

window.calls = {
  connect(name, { url }) {
    const connection = new Connection(url);
    connections.set(name, connection);
    return new Promise((resolve, reject) => {
      connection.ws.onopen = () => resolve(connection.ws.extensions);
      connection.ws.onerror = () => reject(new Error("not connected"));
    });
  },
  async send(name, message) { connections.get(name).ws.send(await unpacked(message)); },
  async next(name) {
    const event = await connections.get(name).next();
    return event.close ? event : { message: await packed(event.data) };
  },
  close(name, [code, reason]) { connections.get(name).ws.close(code, reason); },
  forget(name) { connections.get(name).ws.close(); connections.delete(name); },
};
"""


class Chromium:
    """A page that runs the script above."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, name: int, method: str, argument: Any = None) -> Any:
        return await self.page.evaluate(
            "([method, name, argument]) => calls[method](name, argument)", [method, name, argument]
        )

    @asynccontextmanager
    async def connect(self, url: str, deflate: bool = True) -> AsyncIterator[Conversation]:
        """Connect; there is no way to offer no compression."""
        async with scripted(self, url, {}) as conversation:
            yield conversation


@asynccontextmanager
async def chromium(path: Path, *arguments: str) -> AsyncIterator[Chromium]:
    """A headless Chromium with a page that can connect."""
    arguments = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *arguments)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        page = await browser.new_page()
        await page.evaluate(PAGE)
        yield Chromium(page)
        await browser.close()
