"""Rooms: each is a channel, and whoever is connected to it hears what is said there.

    antiphon run examples.rooms:app
    python -m websockets "ws://127.0.0.1:8000/rooms/kitchen?name=Ann"
    python -m websockets "ws://127.0.0.1:8000/rooms/kitchen?name=Ben"
    curl -X POST "http://127.0.0.1:8000/rooms/kitchen?text=Dinner+is+ready"

What Ann types reaches Ben and not herself; what comes by HTTP reaches both; other rooms hear nothing.
"""

from antiphon import Antiphon, WebSocket

app = Antiphon()
rooms = app.events("/rooms/{room}")


@rooms.on("connect")
async def enter(ws: WebSocket, room: str, name: str = "somebody") -> None:
    await ws.subscribe(f"room:{room}")
    await app.channel(f"room:{room}").publish(f"{name} is here", exclude=ws)


@rooms.on("message")
async def say(ws: WebSocket, message: str, room: str, name: str = "somebody") -> None:
    await app.channel(f"room:{room}").publish(f"{name}: {message}", exclude=ws)


@rooms.on("close")
async def leave(room: str, name: str = "somebody") -> None:
    await app.channel(f"room:{room}").publish(f"{name} is gone")


@app.post("/rooms/{room}")
async def announce(room: str, text: str) -> dict[str, int]:
    await app.channel(f"room:{room}").publish(text)
    return {"listeners": app.channel(f"room:{room}").subscribers}
