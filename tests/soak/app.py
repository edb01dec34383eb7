"""What the churn connects to."""

import asyncio
import os

from antiphon import Antiphon, Deflate, Limits, WebSocket

app = Antiphon(
    # One peer does it all here.
    limits=Limits(connections_per_address=None, connections_per_second=None),
    compression=Deflate(),
)
events = app.events("/events")


@app.websocket("/view")
async def view(ws: WebSocket) -> None:
    await ws.subscribe("all")
    async for message in ws:
        await ws.send(message)


@events.on("connect")
async def joined(ws: WebSocket) -> None:
    await ws.subscribe("all")


@events.on("message")
def echo(ws: WebSocket, message: str | bytes) -> str | bytes:
    """In a worker thread."""
    return message


@app.get("/state")
async def state() -> dict[str, int]:
    """What is left of those who came: nothing, when all have gone."""
    with open(f"/proc/{os.getpid()}/statm") as statm:  # noqa: ASYNC230 - no file, and no disk
        pages = int(statm.read().split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "connections": sum(len(each.connections) for each in app.endpoints.values()),
        "tasks": len(asyncio.all_tasks()),
        "files": len(os.listdir("/proc/self/fd")),
    }
