"""``websockets`` on uvloop: a coroutine for each connection; fan-out: ``websockets.broadcast``."""

import asyncio

import uvloop
from listen import DEFLATE, HOST, PORT, tls
from publications import publications
from websockets.asyncio.server import ServerConnection, broadcast, serve

subscribers: set[ServerConnection] = set()


async def echo(ws: ServerConnection):
    async for message in ws:
        await ws.send(message)


async def subscribe(ws: ServerConnection):
    subscribers.add(ws)
    try:
        await ws.wait_closed()
    finally:
        subscribers.discard(ws)


async def publish(ws: ServerConnection):
    async for message in ws:
        for publication in publications(message):
            broadcast(subscribers, publication)


HANDLERS = {"/echo": echo, "/subscribe": subscribe, "/publish": publish}


async def handle(ws: ServerConnection):
    await HANDLERS[ws.request.path](ws)


async def main():
    compression = "deflate" if DEFLATE else None
    async with serve(handle, HOST, PORT, ssl=tls(), compression=compression, backlog=2048):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
