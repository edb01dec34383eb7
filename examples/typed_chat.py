"""A chat whose messages have types: what does not fit never reaches the handler.

    antiphon run examples.typed_chat:app
    python -m websockets "ws://127.0.0.1:8000/chat?name=Ann"         (in two terminals)

Send {"type": "say", "text": "hello"} or {"type": "rename", "name": "Anna"}, then {"type": "say"}: that
closes the connection with 1007, and says what is missing.
"""

from typing import Annotated

from msgspec import Meta, Struct

from antiphon import Antiphon, WebSocket

Name = Annotated[str, Meta(min_length=1, max_length=20)]


class Say(Struct, tag="say"):
    text: str


class Rename(Struct, tag="rename"):
    name: Name


app = Antiphon()
chat = app.events("/chat")


@chat.on("connect")
async def join(ws: WebSocket, name: Name) -> None:
    ws.state.name = name


@chat.on("message")
async def receive(ws: WebSocket, message: Say | Rename) -> None:
    match message:
        case Say(text):
            await chat.broadcast({"from": ws.state.name, "text": text})
        case Rename(name):
            ws.state.name = name
