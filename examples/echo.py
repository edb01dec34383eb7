"""Echo: what comes in goes out again.

    antiphon run examples.echo:app
    python -m websockets ws://127.0.0.1:8000/echo

Type something. With /shout instead of /echo it comes back louder, and `?times=3` repeats it.
"""

from typing import Annotated

from msgspec import Meta

from antiphon import Antiphon, WebSocket

app = Antiphon()


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.websocket("/shout", receive_type="text")
async def shout(ws: WebSocket, times: Annotated[int, Meta(ge=1, le=9)] = 1) -> None:
    async for text in ws:
        await ws.send(" ".join([text.upper()] * times))
