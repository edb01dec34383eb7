"""What HTTP requests attack: one handler that takes bodies, one that waits, a WebSocket beside them."""

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

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


@app.post("/works")
async def works(request: Request) -> str:
    size = len(await request.body())
    await asyncio.sleep(0.01)
    return str(size)


@app.post("/streams")
async def streams(request: Request) -> StreamingResponse:
    size = len(await request.body())

    async def parts() -> AsyncIterator[str]:
        await asyncio.sleep(0.005)
        yield str(size)

    return StreamingResponse(parts(), headers={"Content-Length": str(len(str(size)))})


@app.post("/watches")
async def watches(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    print("its client is gone", flush=True)


@app.post("/late")
async def late(request: Request) -> str:
    await asyncio.sleep(0.2)
    return str(len(await request.body()))


class Poured(Response):
    """What takes longer than a request may, and is sent without a look at what was sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        for _ in range(10):
            await send({"type": "http.response.body", "body": b".", "more_body": True})
            await asyncio.sleep(0.4)
        await send({"type": "http.response.body"})


@app.post("/pours")
async def pours() -> Poured:
    return Poured()


@app.get("/held")
async def wait() -> str:
    await held.wait()
    return "held"


@app.get("/release")
async def release() -> None:
    held.set()


@app.get("/polls")
async def polls(request: Request) -> None:
    while not await request.is_disconnected():  # noqa: ASYNC110 - as applications do that stream
        await asyncio.sleep(0.01)


async def starlette_body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


starlette = Starlette(routes=[Route("/body", starlette_body, methods=["POST"])])
