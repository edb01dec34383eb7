"""aiohttp on uvloop: a coroutine for each connection; fan-out: a loop over ``send_str``."""

import uvloop
from aiohttp import WSMsgType, web
from listen import DEFLATE, HOST, PORT, tls
from publications import publications

subscribers: set[web.WebSocketResponse] = set()


async def connect(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=DEFLATE)
    await ws.prepare(request)
    return ws


async def echo(request):
    ws = await connect(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


async def subscribe(request):
    ws = await connect(request)
    subscribers.add(ws)
    try:
        async for _ in ws:
            pass
    finally:
        subscribers.discard(ws)
    return ws


async def publish(request):
    ws = await connect(request)
    async for message in ws:
        for publication in publications(message.data):
            for subscriber in tuple(subscribers):
                await subscriber.send_str(publication)
    return ws


app = web.Application()
app.add_routes([web.get("/echo", echo), web.get("/subscribe", subscribe), web.get("/publish", publish)])
web.run_app(
    app,
    host=HOST,
    port=PORT,
    ssl_context=tls(),
    access_log=None,
    print=None,
    backlog=2048,
    loop=uvloop.new_event_loop(),
)
