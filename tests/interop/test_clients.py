"""Each client, live: text, binary, large, fragmented, compressed, pings and close codes, both ways."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from tests.interop.clients import PATIENCE, PYTHON, Client, Closed, aiohttp_answering, aiohttp_client
from tests.interop.scripted import chromium, node
from tests.servers import LiveServer

ENDPOINTS = ("/view", "/events")
NODE = "ws (Node)"
# A browser cannot be told how to send: it cuts what is large, compresses what the server agrees to compress,
# and sends no pings.
BROWSER = "Chromium"
CLIENTS = (*PYTHON, NODE, BROWSER)
KEYS = count()

LARGE_TEXT = "täglich frisch ☂ " * 70_000  # more than 1 MiB of UTF-8
LARGE_BYTES = bytes(range(256)) * 6_000


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """`antiphon run`, for all of these tests."""
    with LiveServer.antiphon("tests.interop.app:app", "--log-level", "warning") as running:
        yield running
    assert running.output() == ""


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> str:
    """The path of the echo."""
    path: str = request.param
    return path


@pytest.fixture(scope="module")
async def node_client() -> AsyncIterator[Client]:
    """npm's ws."""
    async with node() as script:
        yield Client(NODE, script.connect)


@pytest.fixture(scope="module")
async def browser_client(chromium_path: Path) -> AsyncIterator[Client]:
    """A page in Chromium."""
    async with chromium(chromium_path) as page:
        yield Client(BROWSER, page.connect, fragments=False, pings=False)


@pytest.fixture(params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client."""
    started = {NODE: "node_client", BROWSER: "browser_client"}.get(request.param)
    each: Client = request.getfixturevalue(started) if started else request.param
    return each


async def test_text_and_binary(client: Client, endpoint: str, server: LiveServer) -> None:
    """What is sent comes back as it was, in order: empty, short, of each width of length, and large."""
    messages = ["", "x", "ü" * 60, "y" * 126, "☂" * 30_000, LARGE_TEXT]
    messages += [b"", b"\0", bytes(125), bytes(126), bytes(65_536), LARGE_BYTES]  # type: ignore[list-item]
    async with client.connect(server.ws(endpoint)) as conversation:
        for message in messages:
            await conversation.send(message)
            assert await conversation.receive() == message
        for message in messages:
            await conversation.send(message)
        for message in messages:
            assert await conversation.receive() == message


async def test_fragments(client: Client, endpoint: str, server: LiveServer) -> None:
    """A message in several frames is one message, wherever it is cut."""
    if not client.fragments:
        # Chromium cuts large messages by itself, as in the test above; aiohttp never cuts any.
        assert client.name in (BROWSER, "aiohttp")
        return
    async with client.connect(server.ws(endpoint)) as conversation:
        for parts in (["a", "", "b☂"], ["", "", ""], [b"", b"\0\1", b"\2"], ["x" * 1000] * 1000):
            await conversation.send_parts(parts)
            assert await conversation.receive() == parts[0][:0].join(parts)  # type: ignore[attr-defined, arg-type]


async def test_compressed(client: Client, endpoint: str, server: LiveServer) -> None:
    """Who offers permessage-deflate gets it, in both directions; who does not offer it does not."""
    if not client.deflates:
        async with client.connect(server.ws(endpoint)) as conversation:
            assert not conversation.compressed
        return
    async with client.connect(server.ws(endpoint), deflate=True) as conversation:
        assert conversation.compressed
        for message in ("", "short", "again and " * 1000, LARGE_TEXT, LARGE_BYTES, b"", bytes(100_000)):
            await conversation.send(message)
            assert await conversation.receive() == message
        if client.fragments:
            await conversation.send_parts(["again and " * 500] * 20)
            assert await conversation.receive() == "again and " * 10_000


async def test_ping(client: Client, endpoint: str, server: LiveServer) -> None:
    """A client's ping is answered with its payload."""
    if not client.pings:
        assert client.name == BROWSER
        return
    async with client.connect(server.ws(endpoint)) as conversation:
        await conversation.ping()
        await conversation.send("x")
        assert await conversation.receive() == "x"
        await conversation.ping()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (3000, "ünd tschüss"), (4999, "x" * 123)])
async def test_client_closes(
    client: Client, endpoint: str, server: LiveServer, code: int, reason: str
) -> None:
    """The handler learns the client's code and reason, and the client gets the code back."""
    key = f"client-{next(KEYS)}"
    async with client.connect(f"{server.ws(endpoint)}?key={key}") as conversation:
        await conversation.send("x")
        assert await conversation.receive() == "x"
        await conversation.close(code, reason)
        assert await close_seen(server, key) == [code, reason]


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (1011, ""), (4002, "ünd tschüss")])
async def test_server_closes(
    client: Client, endpoint: str, server: LiveServer, code: int, reason: str
) -> None:
    """The client learns the server's code and reason."""
    key = f"server-{next(KEYS)}"
    async with client.connect(f"{server.ws(endpoint)}?key={key}") as conversation:
        await conversation.send(f"close {json.dumps({'code': code, 'reason': reason})}")
        with pytest.raises(Closed) as closed:
            await conversation.receive()
        assert closed.value.args == (code, reason)
        assert await close_seen(server, key) == [code, reason]


async def close_seen(server: LiveServer, key: str) -> Any:
    async with httpx.AsyncClient() as http:
        return (await http.get(server.http(f"/closes/{key}"), timeout=PATIENCE)).json()


async def test_pings(node_client: Client, browser_client: Client) -> None:
    """Who answers the server's pings stays connected for longer than who does not."""
    with LiveServer.antiphon("tests.interop.app:pinging", "--log-level", "warning") as server:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
            silent = {}
            for client in (*PYTHON, node_client, browser_client):
                how = aiohttp_answering if client.name == "aiohttp" else client.how
                silent[client.name] = await stack.enter_async_context(how(server.ws("/silence")))
                assert await silent[client.name].receive() == "connected"
            hearing = {name: asyncio.create_task(each.receive()) for name, each in silent.items()}
            async with aiohttp_client(server.ws("/deaf")) as deaf:
                assert {event.type async for event in deaf.ws} == {aiohttp.WSMsgType.PING}  # type: ignore[attr-defined]
                assert deaf.ws.close_code == 1011  # type: ignore[attr-defined]
            for name, heard in hearing.items():
                assert await heard == "alive", name
