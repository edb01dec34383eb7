"""Updates from behind: a task and a thread publish, and every connection hears of it.

    antiphon run examples.background_updates:app
    python -m websockets ws://127.0.0.1:8000/updates

The time comes twice a second from a task that lives as long as the application. Send a number: a plain
function counts down from it in a thread, without holding up anybody.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from time import sleep

from antiphon import Antiphon, WebSocket


@asynccontextmanager
async def lifespan(app: Antiphon) -> AsyncIterator[None]:
    async def tell_the_time() -> None:
        while True:
            await app.channel("updates").publish({"time": datetime.now()})
            await asyncio.sleep(0.5)

    task = asyncio.create_task(tell_the_time())
    yield
    task.cancel()


app = Antiphon(lifespan=lifespan)
updates = app.events("/updates")


@updates.on("connect")
async def join(ws: WebSocket) -> None:
    await ws.subscribe("updates")


@updates.on("message")
def count_down(message: int) -> None:
    for left in range(message, -1, -1):
        app.channel("updates").publish_nowait({"left": left})
        sleep(0.1)
