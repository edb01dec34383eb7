"""What the clients talk to: an echo, as a view and as an event endpoint, that does what it is told.

`close {"code": ..., "reason": ...}` has it close so. How a client closed is at `/closes/{key}`, for the key
that it connected with. The second application pings: who connects to `/silence` hears nothing for as long as
who connected to `/deaf` after it is taken for alive.
"""

import asyncio
import json
from collections import defaultdict
from typing import Any

from antiphon import Antiphon, Deflate, Limits, Timeouts, WebSocket

LARGEST = 8 * 1024 * 1024

app = Antiphon(
    allowed_origins="*",
    limits=Limits(message=LARGEST, frame=LARGEST),
    compression=Deflate(),
)
pinging = Antiphon(timeouts=Timeouts(ping_interval=1, ping=1), allowed_origins="*")
deaf_is_gone = asyncio.Event()
closes: defaultdict[str, asyncio.Future[Any]] = defaultdict(
    lambda: asyncio.get_running_loop().create_future()
)


async def answer(ws: WebSocket, message: str | bytes) -> None:
    if isinstance(message, str) and message.startswith("close "):
        await ws.close(**json.loads(message.removeprefix("close ")))
    else:
        await ws.send(message)


async def note(ws: WebSocket) -> None:
    if "key" in ws.query_params:
        closes[ws.query_params["key"]].set_result([ws.close_code, ws.close_reason])


@app.get("/closes/{key}")
async def close_of(key: str) -> Any:
    return await closes[key]


@app.websocket("/view")
async def view(ws: WebSocket) -> None:
    try:
        async for message in ws:
            await answer(ws, message)
    finally:
        await note(ws)


events = app.events("/events")
events.on("message")(answer)
events.on("close")(note)


@pinging.websocket("/silence")
async def silence(ws: WebSocket) -> None:
    await ws.send("connected")
    await deaf_is_gone.wait()
    await ws.send("alive")


@pinging.websocket("/deaf")
async def deaf(ws: WebSocket) -> None:
    async for _ in ws:
        pass
    deaf_is_gone.set()
