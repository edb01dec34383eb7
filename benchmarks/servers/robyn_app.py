"""Robyn, one process: a coroutine for each connection; fan-out: its broadcast to an endpoint."""

import sys

port, sys.argv[1:] = int(sys.argv[1]), ["--disable-openapi", "--log-level", "WARN"]

from publications import publications  # noqa: E402
from robyn import Robyn  # noqa: E402

app = Robyn(__file__)
subscribers = {}


@app.websocket("/echo")
async def echo(ws):
    while True:
        await ws.send_text(await ws.receive_text())


@app.websocket("/subscribe")
async def subscribe(ws):
    subscribers[ws.id] = ws
    try:
        while True:
            await ws.receive_text()
    finally:
        subscribers.pop(ws.id, None)


@app.websocket("/publish")
async def publish(ws):
    while True:
        for publication in publications(await ws.receive_text()):
            # To all of the endpoint that this one belongs to.
            await next(iter(subscribers.values())).broadcast(publication)


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=port)
