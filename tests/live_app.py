"""The application of the tests that need a real server; it is an application like any user's."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from antiphon import Antiphon, Limits, Timeouts, WebSocket

LOG = os.environ.get("LIVE_APP_LOG", "")


def note(line: str) -> None:
    """Write down what happened, for a test that outlives this process."""
    if LOG:
        with Path(LOG).open("a") as log:
            log.write(line + "\n")


@asynccontextmanager
async def lifespan(app: Antiphon) -> AsyncIterator[None]:
    note("startup")
    yield
    note("shutdown")


app = Antiphon(
    lifespan=lifespan,
    allowed_origins=["https://good.example"],
    limits=Limits(message=1000, outbox=1_000_000, high_water=10_000),
    timeouts=Timeouts(accept=0.5, handshake=1.5, close=1.0),
)


@app.get("/")
def index() -> dict[str, int]:
    """How many are connected, by endpoint."""
    return {path: len(each.connections) for path, each in app.endpoints.items()}


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.websocket("/text", receive_type="text")
async def text(ws: WebSocket, times: int = 1) -> None:
    async for message in ws:
        await ws.send(message * times)


@app.websocket("/fails")
async def fails(ws: WebSocket, accept: bool = True) -> None:
    if accept:
        await ws.accept("v1" if "v1" in ws.scope["subprotocols"] else None, headers={"x-seen": "yes"})
    raise LookupError("secret")


@app.websocket("/forgotten")
async def forgotten(ws: WebSocket) -> None:
    await asyncio.Event().wait()


@app.websocket("/never", auto_accept=False)
async def never(ws: WebSocket) -> None:
    await asyncio.Event().wait()


@app.websocket("/stubborn")
async def stubborn(ws: WebSocket) -> None:
    """Takes no notice of its connection's end."""
    await ws.accept()
    await asyncio.Event().wait()


events = app.events("/events")


@events.on("connect")
async def joined(ws: WebSocket) -> None:
    await ws.subscribe("news")


@events.on("message")
def said(ws: WebSocket, message: str) -> str:
    if message == "block":
        threading.Event().wait()
    if message == "all":
        app.channel("news").publish_nowait("to all")
    return message


@events.on("close")
def left(ws: WebSocket) -> None:
    note(f"close {ws.close_code}")


flood = app.events("/flood")


@flood.on("message")
async def flooded(ws: WebSocket, message: int) -> None:
    """Sends everybody so many messages of 10 kB."""
    for _ in range(message):
        await flood.broadcast("x" * 10_000)


slow = app.events("/slow")


@slow.on("message")
async def handle(ws: WebSocket, message: str) -> None:
    """Handles for as long as the message says, and tells how it ended."""
    await ws.send("begun")
    try:
        await asyncio.sleep(float(message))
        await ws.send("done")
    except BaseException as error:
        note(f"slow {type(error).__name__}")
        raise


@slow.on("close")
async def slow_left(ws: WebSocket) -> None:
    note(f"slow close {ws.close_code}")


if __name__ == "__main__":
    import sys

    app.run(port=int(sys.argv[1]))
