"""A score board that loses nothing: who comes back gets what it missed, or is told that it cannot.

    antiphon run examples.recovery:app
    python -m examples.recovery              (in a second terminal: follows the board)
    curl -X POST "http://127.0.0.1:8000/board?text=Goal"

Cut the client off while you post: it comes back and goes on where it was. Restart the server: it kept its
channels in memory, so the client is told that its position is lost. With ANTIPHON_BROKER=redis://localhost it
goes on.
"""

import json
import random
import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from antiphon import Antiphon, History, Position, WebSocket

app = Antiphon()
app.channels.define("board", history=History(size=1000, ttl=3600))


@app.websocket("/board")
async def board(ws: WebSocket, since: Position | None = None) -> None:
    here = await ws.subscribe("board", since=since, envelope=True)
    # Behind what was missed, so a client that sees this knows that it has all of that, or nothing.
    await ws.send({"recovered": here.recovered, "position": str(here.position)})
    async for _ in ws:
        pass


@app.post("/board")
async def report(text: str) -> dict[str, str]:
    return {"position": str(await app.channel("board").publish(text))}


def follow(address: str, since: str | None = None) -> Iterator[str]:
    """What is published, each once, as long as it is read; dashes where something is missing."""
    pause = 0.2
    while True:
        try:
            with connect(address if since is None else f"{address}?since={since}") as ws:
                for text in ws:
                    message = json.loads(text)
                    pause = 0.2
                    if "recovered" in message:
                        if message["recovered"] is False:
                            yield "---"
                        if message["recovered"] is not True:
                            since = message["position"]
                    else:
                        since = f"{message['offset']}.{message['epoch']}"
                        yield message["data"]
        except (OSError, ConnectionClosed, InvalidStatus):
            pass
        # Longer each time, and not at the same moment as all others.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(2 * pause, 15)


if __name__ == "__main__":
    for line in follow("ws://127.0.0.1:8000/board"):
        print(line)
