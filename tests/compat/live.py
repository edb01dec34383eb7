"""What the tests of the compatible APIs share: a server in the test's own loop, clients that never hang."""

import asyncio
import json
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from antiphon.server import Listen
from antiphon.server.run import bind, configuration
from antiphon.server.serving import Server
from tests.servers import HOST, REPOSITORY

PATIENCE = 10
SAMPLES = REPOSITORY.parent / "shared" / "seeds" / "samples"


def sample(path: str) -> str:
    """The text of a sample of the seed pages; without them the test is skipped."""
    if not SAMPLES.is_dir():
        pytest.skip(f"the samples of the seed pages are not there: {SAMPLES}")
    return (SAMPLES / path).read_text(encoding="utf-8")


def program(source: str, name: str = "sample") -> types.ModuleType:
    """Run a program's text as a module of its own."""
    module = types.ModuleType(name)
    module.__file__ = str(Path(name).with_suffix(".py"))
    exec(compile(source, module.__file__, "exec"), vars(module))
    return module


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free port; gives its address, to be followed by a path.

    The server is started and stopped as uvicorn does, without its loop that looks for signals.
    """
    listen = Listen(HOST, 0)
    with bind(listen) as sock:
        config = configuration(app, listen, log_level="error", reload=False)
        config.load()
        server = Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[sock])
        try:
            yield f"{HOST}:{sock.getsockname()[1]}"
        finally:
            await asyncio.wait_for(server.shutdown(sockets=[sock]), PATIENCE)


def ws(address: str, path: str, **options: Any) -> connect:
    """A client connection."""
    return connect(f"ws://{address}{path}", open_timeout=PATIENCE, **options)


async def fetched(url: str) -> httpx.Response:
    """What is at an HTTP address."""
    async with httpx.AsyncClient() as http:
        return await http.get(url)


async def said(client: ClientConnection) -> Any:
    """The next message a client receives."""
    return await asyncio.wait_for(client.recv(), PATIENCE)


async def said_json(client: ClientConnection) -> Any:
    """The next message a client receives, which is JSON."""
    return json.loads(await said(client))


async def ended(client: ClientConnection) -> tuple[int | None, str]:
    """How the server closes a connection, nothing being received before."""
    with pytest.raises(websockets.ConnectionClosed):
        await said(client)
    return client.close_code, client.close_reason or ""


async def refusal(address: str, path: str, **options: Any) -> int:
    """The HTTP status with which a handshake is refused."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with ws(address, path, **options):
            pass
    return refused.value.response.status_code


def vanish(client: ClientConnection) -> None:
    """Break the TCP connection without a closing handshake."""
    client.transport.abort()
