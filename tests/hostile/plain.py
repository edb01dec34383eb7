"""The same for plain ASGI: an echo, late on request; one that only sends, one that leaves, one that waits."""

import asyncio
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/late":
        await asyncio.sleep(0.2)
    if scope["path"] == "/deaf":
        await asyncio.Event().wait()
    await receive()
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/pours":
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(50_000)})
        except OSError:
            # What it has to tidy up takes its time.
            await asyncio.sleep(1)
            print("tidy", flush=True)
        return
    if scope["path"] == "/leaves":
        await receive()
        return
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
