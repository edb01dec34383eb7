"""python-socketio on uvicorn: an event for each message; fan-out: ``emit`` to a room."""

import socketio
from publications import publications

sio = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])
app = socketio.ASGIApp(sio)


@sio.event
async def connect(sid, environ):
    await sio.enter_room(sid, "news")


@sio.event
async def m(sid, data):
    if not data.startswith("p:"):
        await sio.emit("m", data, to=sid)
        return
    await sio.leave_room(sid, "news")
    for publication in publications(data):
        await sio.emit("m", publication, room="news")
