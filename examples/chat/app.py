"""A chat: rooms, who is in them, what was said there lately, who is typing.

    make demo          (or: antiphon run examples.chat.app:app)

Each page holds one WebSocket, to the room it shows. A room is a channel: what was said is its history, who is
there its presence. Nothing is kept here, so that several processes with a broker are one chat.
"""

from pathlib import Path
from time import time
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from antiphon import Antiphon, History, Limits, Member, Overflow, Position, WebSocket

STATIC = Path(__file__).parent / "static"
DAY = 24 * 3600

RoomName = Annotated[str, Meta(pattern=r"^[\w-]{1,32}\Z")]
Name = Annotated[str, Meta(pattern=r"^\S(.{0,22}\S)?\Z")]
Text = Annotated[str, Meta(pattern=r"\S", max_length=2000)]


class Say(Struct, tag="say"):
    """A page has something to say; by the id it knows its own words again."""

    id: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Text


class Typing(Struct, tag="typing"):
    """A page's person is typing: said again every few seconds while that is so."""


class Said(Struct):
    """What the channel of a room carries and remembers."""

    id: str
    name: str
    text: str
    time: float


class Recent(Struct):
    """What was said lately, and where in the channel that ends."""

    said: list[dict[str, Any]]
    position: Position


class Welcome(Struct, tag="welcome"):
    """What a page is told when it comes; what was published meanwhile may arrive before it."""

    people: list[str]
    everywhere: list[str]  # for the list of rooms: who is in which, as room/name
    recovered: bool | None  # whether it was sent all that it missed; None: it was not here before
    recent: Recent | None  # what was said, unless it has that already


app = Antiphon(limits=Limits(message=16 * 1024))
app.mount("/static", StaticFiles(directory=STATIC))
app.channels.define("room:{room}", history=History(size=100, ttl=DAY), presence=True)
app.channels.define("typing:{room}", overflow=Overflow.LATEST)
app.channels.define("everywhere", presence=True)
chat = app.events("/rooms/{room}")


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@chat.on("connect")
async def enter(ws: WebSocket, room: RoomName, name: Name, since: Position | None = None) -> Welcome:
    channel = app.channel(f"room:{room}")
    here = await ws.subscribe(channel.name, since=since, envelope=True, presence=True, member=Member(name))
    all_over = await ws.subscribe("everywhere", envelope=True, presence=True, member=Member(f"{room}/{name}"))
    await ws.subscribe(f"typing:{room}", envelope=True)
    recent = None
    if not here.recovered:
        past = await channel.history()
        recent = Recent([each.data for each in past], past.position)
    return Welcome(names(here.members), names(all_over.members), here.recovered, recent)


@chat.on("message")
async def hear(ws: WebSocket, message: Say | Typing, room: RoomName, name: Name) -> None:
    match message:
        case Say(id, text):
            # A page that was cut off says again what it saw no answer to: by its id that is published once.
            said = Said(id, name, text, time())
            await app.channel(f"room:{room}").publish(said, event="said", id=id)
        case Typing():
            await app.channel(f"typing:{room}").publish(name, event="typing", key=name, exclude=ws)


def names(members: tuple[Member, ...] | None) -> list[str]:
    return [member.user for member in members or ()]
