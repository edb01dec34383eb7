"""What runs in each worker process while things fail."""

from typing import Any

from antiphon import Antiphon, History, Limits, Overflow, Position, WebSocket
from antiphon.errors import BrokerUnavailable

HISTORY = History(size=300, ttl=60)
OUTBOX = 128 * 1024

app = Antiphon(
    # All clients have one address. The outbox is small, so that slow readers are noticed.
    limits=Limits(
        connections_per_address=None, connections_per_second=None, outbox=OUTBOX, high_water=16 * 1024
    )
)
app.channels.define("kept:{name}", history=HISTORY)
app.channels.define("oldest:{name}", history=HISTORY, overflow=Overflow.DROP_OLDEST)
app.channels.define("newest:{name}", history=HISTORY, overflow=Overflow.DROP_NEWEST)
app.channels.define("latest:{name}", history=HISTORY, overflow=Overflow.LATEST)


@app.websocket("/listen/{channel}")
async def listen(ws: WebSocket, channel: str, since: str | None = None) -> None:
    position = None if since is None else Position.parse(since)
    subscription = await ws.subscribe(channel, since=position, envelope=True)
    await ws.send({"recovered": subscription.recovered, "position": str(subscription.position)})
    async for _ in ws:
        """It only listens."""


@app.websocket("/publish/{channel}")
async def publish(ws: WebSocket, channel: str) -> None:
    """Publish what comes, with its beginning as its id; answer with the position, or null: nobody knows."""
    async for data in ws:
        try:
            position = await app.channel(channel).publish(data, id=data[:40], key=data[:1])
        except BrokerUnavailable:
            await ws.send("null")
        else:
            await ws.send(str(position))


@app.get("/where/{channel}")
async def where(channel: str) -> str:
    """Where a channel stands."""
    return str((await app.channel(channel).history(limit=0)).position)


@app.get("/subscribers/{channel}")
def subscribers(channel: str) -> dict[str, int]:
    return {"subscribers": app.channel(channel).subscribers}


@app.get("/statistics")
def statistics() -> dict[str, Any]:
    return app.channels.statistics()


@app.websocket("/hear/{channel}")
async def hear(ws: WebSocket, channel: str) -> None:
    """The data as it is, after one word."""
    await ws.subscribe(channel)
    await ws.send("ready")
    async for _ in ws:
        """It only listens."""
