"""Sanic, one process: a coroutine for each connection; fan-out: a loop over ``send``."""

from listen import HOST, PORT
from publications import publications
from sanic import Sanic

app = Sanic("bench", configure_logging=False)
app.config.ACCESS_LOG = False
subscribers = set()


@app.websocket("/echo")
async def echo(request, ws):
    async for message in ws:
        await ws.send(message)


@app.websocket("/subscribe")
async def subscribe(request, ws):
    subscribers.add(ws)
    try:
        async for _ in ws:
            pass
    finally:
        subscribers.discard(ws)


@app.websocket("/publish")
async def publish(request, ws):
    async for message in ws:
        for publication in publications(message):
            for subscriber in tuple(subscribers):
                await subscriber.send(publication)


if __name__ == "__main__":
    app.run(HOST, PORT, single_process=True, access_log=False, motd=False, backlog=2048)
