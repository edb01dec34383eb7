"""Socket.IO beside our own sockets: both in one application, on one port, in one conversation.

    antiphon run examples.socketio_beside:app
    python -m websockets ws://127.0.0.1:8000/talk

Any Socket.IO client connects to http://127.0.0.1:8000 and emits `said`; it hears `said` for what comes from
the plain WebSockets, and they hear what it emits.
"""

import socketio

from antiphon import Antiphon, WebSocket

sio = socketio.AsyncServer(async_mode="asgi")
app = Antiphon()
app.mount("/socket.io", socketio.ASGIApp(sio))


@app.websocket("/talk", receive_type="text")
async def talk(ws: WebSocket) -> None:
    await ws.subscribe("talk")
    async for text in ws:
        await app.channel("talk").publish(text)
        await sio.emit("said", text)


@sio.on("said")
async def said(sid: str, text: str) -> None:
    await app.channel("talk").publish(text)
    await sio.emit("said", text)
