"""Clients that come and go by the thousand, in every manner of leaving; what they leave must not add up."""

import asyncio
import random
import sys
import time
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from antiphon.loop.eager import MOST
from tests.servers import LiveServer

AT_ONCE = 50
LEAST = 10_000
#: What memory may grow by, from the first third of the run to its end: fragments of the allocator.
GROWTH = 8 * 1024 * 1024
PATIENCE = 60


async def visit(url: str, chance: random.Random) -> None:
    """Come, say something, and go: properly, without a word, in the middle of a frame or of the handshake."""
    manner = chance.choice(("close", "close", "abort", "frame", "handshake"))
    compression = chance.choice((None, "deflate"))
    if manner == "handshake":
        host, _, port = url.removeprefix("ws://").partition("/")[0].partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /view HTTP/1.1\r\nHost: x\r\nUpgr")
        writer.transport.abort()
        return
    async with connect(url, compression=compression, open_timeout=PATIENCE) as ws:  # type: ignore[arg-type]
        message = chance.choice(("x", "x" * 3000, b"\0" * 20_000))
        await ws.send(message)
        assert await ws.recv() == message
        if manner == "frame":
            ws.transport.write(b"\x82\xff\0\0")
        if manner != "close":
            ws.transport.abort()


async def visitor(addresses: list[str], visits: Any, chance: random.Random, deadline: float) -> None:
    for _ in visits:
        if time.monotonic() > deadline:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await visit(chance.choice(addresses), chance)
        except ConnectionClosed:
            """It was this client that broke the connection."""


async def settled(server: LiveServer) -> dict[str, int]:
    """The server's state when everybody has gone."""
    async with httpx.AsyncClient() as http, asyncio.timeout(PATIENCE):
        while True:
            state: dict[str, int] = (await http.get(server.http("/state"))).json()
            if not state["connections"]:
                return state
            await asyncio.sleep(0.1)


async def churn(server: LiveServer, number: int, deadline: float) -> dict[str, int]:
    """Have so many come and go; give the state afterwards."""
    addresses = [server.ws("/view"), server.ws("/events")]
    visits = iter(range(number))
    async with asyncio.TaskGroup() as group:
        for each in range(AT_ONCE):
            group.create_task(visitor(addresses, visits, random.Random(each), deadline))
    if next(visits, None) is not None:
        raise AssertionError(f"{number} connections did not come and go in time")
    return await settled(server)


def main(seconds: float) -> int:
    """Churn for a time, and through `LEAST` connections at least; 0 when nothing was left behind."""
    began = time.monotonic()
    with LiveServer.antiphon("tests.soak.app:app", "--log-level", "warning") as server:
        first = asyncio.run(churn(server, LEAST // 3, began + 600))
        number = LEAST // 3
        while number < LEAST or time.monotonic() - began < seconds:
            last = asyncio.run(churn(server, LEAST // 3 + 1, began + seconds + 600))
            number += LEAST // 3 + 1
            print(f"{number} connections: {last}", flush=True)
        output = server.output()
    grown = last["rss"] - first["rss"]
    problems = [f"memory grew by {grown} bytes"] if grown > GROWTH else []
    # Of those tasks that stand ready there are more and more, up to `MOST`, the more handlers wait at once.
    problems += [
        f"{name}: {first[name]}, then {last[name]}"
        for name in ("tasks", "files")
        if last[name] > first[name] + (MOST if name == "tasks" else 5)
    ]
    problems += [f"the server printed:\n{output}"] if output else []
    print("\n".join(problems) or "Nothing was left behind.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
