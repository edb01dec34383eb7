"""Litestar on uvicorn: a coroutine for each connection; fan-out: its channels, in memory or through Redis."""

import os

from litestar import Litestar, WebSocket, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.channels.backends.redis import RedisChannelsPubSubBackend
from litestar.exceptions import WebSocketDisconnect
from publications import publications
from redis.asyncio import Redis

if "BENCH_REDIS" in os.environ:
    backend = RedisChannelsPubSubBackend(redis=Redis.from_url(os.environ["BENCH_REDIS"]))
else:
    backend = MemoryChannelsBackend()

channels = ChannelsPlugin(
    backend,
    channels=["news"],
    create_ws_route_handlers=True,
    ws_handler_base_path="/subscribe",
)


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


@websocket("/publish")
async def publish(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            for publication in publications(await socket.receive_text()):
                channels.publish(publication, "news")
    except WebSocketDisconnect:
        pass


app = Litestar([echo, publish], plugins=[channels])
