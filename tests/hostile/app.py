"""What the hostile peers attack: an application like any user's, with small limits."""

import asyncio
import contextlib

from antiphon import Antiphon, Deflate, Limits, Timeouts, WebSocket

MESSAGE = 100_000
FRAGMENTS = 50
OUTBOX = 2_000_000
INBOUND = 1_000_000

app = Antiphon(
    limits=Limits(
        message=MESSAGE,
        frame=MESSAGE,
        fragments=FRAGMENTS,
        inbound=INBOUND,
        subscriptions=3,
        outbox=OUTBOX,
        high_water=100_000,
    ),
    # Those of the command line win: see the fixtures.
    timeouts=Timeouts(ping_interval=100, close=1),
    compression=Deflate(),
)
held = asyncio.Event()
sent = {"waits": 0}


@app.get("/")
def index() -> dict[str, int]:
    """How many are connected, by endpoint; and how often a peer that lags was waited for."""
    return {path: len(each.connections) for path, each in app.endpoints.items()} | sent


@app.get("/release")
async def release() -> None:
    """Let the lagging handlers go on."""
    held.set()


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.events("/counts").on("message", inline=True)
def count(message: str) -> str | None:
    """Answers the last only."""
    return message if message == "last" else None


@app.websocket("/lags")
async def lags(ws: WebSocket) -> None:
    """Takes one message, then none until it is let go; answers with how many there were."""
    await ws.receive()
    await held.wait()
    await ws.send(str(1 + len([message async for message in until_last(ws)])))


async def until_last(ws: WebSocket):  # type: ignore[no-untyped-def]
    while (message := await ws.receive()) != "last":
        yield message


@app.websocket("/pours")
async def pours(ws: WebSocket) -> None:
    """Sends without end, waiting as it is told to."""
    message = bytes(50_000)
    while True:
        await ws.send(message)
        sent["waits"] += 1


@app.websocket("/floods")
async def floods(ws: WebSocket) -> None:
    """Sends without end and without waiting, until the connection is gone."""
    message = bytes(50_000)
    while not ws.closed:
        ws.send_nowait(message)
        await asyncio.sleep(0)
    await ws.receive()


@app.websocket("/stubborn")
async def stubborn(ws: WebSocket) -> None:
    """Ends for nobody."""
    await ws.send("begun")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@app.websocket("/tidies")
async def tidies(ws: WebSocket) -> None:
    """Ends when it is cancelled, which takes a moment."""
    await ws.send("begun")
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.2)
        print("tidy", flush=True)


@app.websocket("/subscribes")
async def subscribes(ws: WebSocket) -> None:
    async for message in ws:
        await ws.subscribe(message)
        await ws.send(message)


holds = app.events("/holds")


@holds.on("message")
async def hold(ws: WebSocket, message: str) -> None:
    await ws.send("begun")
    await asyncio.Event().wait()


@holds.on("close")
async def let_go(ws: WebSocket) -> None:
    await asyncio.sleep(0.1)
    print(f"closed {ws.close_code}", flush=True)


@app.events("/undecided").on("connect")
async def undecided() -> None:
    await asyncio.Event().wait()


@app.websocket("/never", auto_accept=False)
async def never(ws: WebSocket) -> None:
    await asyncio.Event().wait()
