"""The server under test: an echo by a view and one by an event endpoint.

What the suite demands and the defaults refuse is allowed here: messages of 16 MiB, and messages in tens
of thousands of fragments (its groups 9.3 and 9.4).
"""

from antiphon import Antiphon, Deflate, Limits, Timeouts, WebSocket

LARGEST = 16 * 1024 * 1024

app = Antiphon(
    limits=Limits(message=LARGEST, frame=LARGEST, fragments=LARGEST, connections_per_second=None),
    timeouts=Timeouts(ping_interval=None, close=30),
    compression=Deflate(),
)
events = app.events("/events")


@app.websocket("/view")
async def view(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@events.on("message")
async def echo(ws: WebSocket, message: str | bytes) -> str | bytes:
    return message
