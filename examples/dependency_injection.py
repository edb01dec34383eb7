"""Dependencies: a handler names what it needs, by type, by name or by function, and is given it.

    antiphon run examples.dependency_injection:app
    python -m websockets "ws://127.0.0.1:8000/notes?user=ann"

Each line you type is noted down, for you and all your other connections. Without `?user=` the handshake
is refused with 400. When you leave, the server prints how long you stayed.
"""

from collections import defaultdict
from collections.abc import Iterator
from time import monotonic
from typing import Annotated

from antiphon import Antiphon, Depends, WebSocket


class Notebook:
    def __init__(self) -> None:
        self.notes: defaultdict[str, list[str]] = defaultdict(list)


def visit(user: str) -> Iterator[str]:
    """Made for each connection from its query; what follows `yield` runs when the connection ends."""
    began = monotonic()
    yield user
    print(f"{user} stayed for {monotonic() - began:.1f} s", flush=True)


app = Antiphon()
app.provide(Notebook, Notebook, scope="app")
app.inject_global(most=5)


@app.websocket("/notes", receive_type="text")
async def note(ws: WebSocket, book: Notebook, user: Annotated[str, Depends(visit)], most: int) -> None:
    async for text in ws:
        book.notes[user] = [*book.notes[user], text][-most:]
        await ws.send(book.notes[user])
