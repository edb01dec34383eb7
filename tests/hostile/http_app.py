"""What HTTP requests attack: one handler that takes bodies, one that waits, a WebSocket beside them."""

import asyncio

from starlette.requests import Request

from antiphon import Antiphon, Limits, Timeouts, WebSocket

app = Antiphon(limits=Limits(head=2000), timeouts=Timeouts(handshake=1, drain=0.5))
held = asyncio.Event()


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.post("/body")
async def body(request: Request) -> str:
    return str(len(await request.body()))


@app.get("/held")
async def wait() -> str:
    await held.wait()
    return "held"


@app.get("/release")
async def release() -> None:
    held.set()
