"""Litestar on uvicorn: a coroutine for each connection; fan-out: its channels, in memory."""

from litestar import Litestar, WebSocket, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.exceptions import WebSocketDisconnect
from publications import publications

channels = ChannelsPlugin(
    MemoryChannelsBackend(),
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
