"""A chat: rooms, who is in them, what was said there lately, who is typing.

    make demo          (or: antiphon run examples.chat.app:app)

Each page holds one WebSocket, to the room it shows. A room lives as long as somebody is in it.
"""

from collections import Counter, deque
from pathlib import Path
from time import time
from typing import Annotated

from msgspec import Meta, Struct, field
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from antiphon import Antiphon, Limits, WebSocket

STATIC = Path(__file__).parent / "static"

RoomName = Annotated[str, Meta(pattern=r"^[\w-]{1,32}\Z")]
Name = Annotated[str, Meta(pattern=r"^\S(.{0,22}\S)?\Z")]
Text = Annotated[str, Meta(pattern=r"\S", max_length=2000)]


class Say(Struct, tag="say"):
    """A page has something to say; by the id it knows its own words again."""

    id: Annotated[str, Meta(max_length=40)]
    text: Text


class Typing(Struct, tag="typing"):
    """A page's person is typing: said again every few seconds while that is so."""


class Said(Struct, tag="said"):
    id: str
    name: str
    text: str
    time: float


class IsTyping(Struct, tag="typing"):
    name: str


class Joined(Struct, tag="joined"):
    name: str


class Left(Struct, tag="left"):
    name: str


class Crowd(Struct, tag="crowd"):
    room: str
    people: int  # for everybody's list of rooms; 0 when the room is no more


class Welcome(Struct, tag="welcome"):
    """What a page is told first: who is here, what was said, and where else people are."""

    people: list[str]
    history: list[Said]
    rooms: dict[str, int]


class Room(Struct):
    people: Counter[str] = field(default_factory=Counter)  # names, with their connections
    history: deque[Said] = field(default_factory=lambda: deque(maxlen=100))


app = Antiphon(limits=Limits(message=16 * 1024))
app.mount("/static", StaticFiles(directory=STATIC))
chat = app.events("/rooms/{room}")
rooms: dict[str, Room] = {}


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@chat.on("connect")
async def enter(ws: WebSocket, room: RoomName, name: Name) -> Welcome:
    here = rooms.setdefault(room, Room())
    here.people[name] += 1
    await ws.subscribe("rooms")
    await ws.subscribe(f"room:{room}")
    if here.people[name] == 1:
        await app.channel(f"room:{room}").publish(Joined(name), exclude=ws)
        await app.channel("rooms").publish(Crowd(room, len(here.people)), exclude=ws)
    crowds = Counter({name: len(each.people) for name, each in rooms.items()})
    return Welcome(list(here.people), list(here.history), dict(crowds.most_common(50)))


@chat.on("message")
async def hear(ws: WebSocket, message: Say | Typing, room: RoomName, name: Name) -> None:
    match message:
        case Say(id, text):
            said = Said(id, name, text, time())
            rooms[room].history.append(said)
            await app.channel(f"room:{room}").publish(said)
        case Typing():
            await app.channel(f"room:{room}").publish(IsTyping(name), exclude=ws)


@chat.on("close")
async def leave(room: RoomName, name: Name) -> None:
    here = rooms[room]
    here.people[name] -= 1
    if here.people[name]:
        return
    del here.people[name]
    if not here.people:
        del rooms[room]
    await app.channel(f"room:{room}").publish(Left(name))
    await app.channel("rooms").publish(Crowd(room, len(here.people)))
