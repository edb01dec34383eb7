"""The same for plain ASGI: an echo, late on request, and a handshake that is never answered."""

import asyncio
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/late":
        await asyncio.sleep(0.2)
    await receive()
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
