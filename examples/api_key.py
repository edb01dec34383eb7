"""An API key: who has none is refused before the connection is made.

    API_KEY=sesame antiphon run examples.api_key:app
    python -m websockets "ws://127.0.0.1:8000/private?key=sesame"

Programs send the key as the header X-API-Key; pages, whose WebSocket can set no header, in the query. With
another key, or none, the handshake is answered with 401.
"""

import os
from secrets import compare_digest

from antiphon import Antiphon, WebSocket

API_KEY = os.environ.get("API_KEY", "sesame")

app = Antiphon()


@app.websocket("/private")
async def private(ws: WebSocket, key: str = "") -> None:
    given = ws.headers.get("x-api-key", key)
    if not compare_digest(given.encode(), API_KEY.encode()):
        await ws.reject(401, body="this needs a valid API key")
        return
    await ws.send("welcome")
    async for message in ws:
        await ws.send(message)
