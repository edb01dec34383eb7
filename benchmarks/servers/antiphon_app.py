"""Antiphon, run by ``antiphon run``.

Handler styles: ``/event``: ``async def`` for each message; ``/view``: a coroutine for each connection;
``/thread``: a plain function, in a worker thread. Fan-out: a channel.
"""

import asyncio
import os

from publications import publications

from antiphon import Antiphon, WebSocket
from antiphon.channels import History
from antiphon.wire import Deflate

app = Antiphon(
    broker=os.environ.get("BENCH_REDIS"),
    compression=Deflate() if "BENCH_DEFLATE" in os.environ else None,
)
if "BENCH_HISTORY" in os.environ:
    app.channels.define("news", history=History(size=100, ttl=60))

event = app.events("/event")
thread = app.events("/thread")
subscribe = app.events("/subscribe")
publish = app.events("/publish")


@event.on("message")
async def echo(ws: WebSocket, message: str):
    await ws.send(message)


inline = app.events("/inline")


@inline.on("message", inline=True)
def echo_inline(ws: WebSocket, message: str):
    return message


@app.websocket("/view")
async def view(ws: WebSocket):
    async for message in ws:
        await ws.send(message)


@thread.on("message")
def echo_in_thread(ws: WebSocket, message: str):
    return message


@subscribe.on("connect")
async def subscribed(ws: WebSocket):
    await ws.subscribe("news")


@publish.on("message")
async def published(ws: WebSocket, message: str):
    # Together: each is on its way before the first has arrived.
    await asyncio.gather(*map(app.channel("news").publish, publications(message)))
