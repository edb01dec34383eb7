"""Orders, on a page that updates itself when a script elsewhere changes one.

    antiphon run examples.orders.app:app
    python -m examples.orders.ship 2        (elsewhere: in another terminal, on another machine)

The page's connection is to this application. One variable makes it one to Pusher, with the app that
PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET and PUSHER_CLUSTER are about:

    ANTIPHON_BROADCAST_DRIVER=pusher antiphon run examples.orders.app:app
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from antiphon import Antiphon, Broadcast, WebSocket
from antiphon.broadcast import BroadcastEvent
from antiphon.broadcast.drivers import PusherDriver

STATIC = Path(__file__).parent / "static"
PUSHER = {
    "app_id": os.getenv("PUSHER_APP_ID"),
    "key": os.getenv("PUSHER_KEY"),
    "secret": os.getenv("PUSHER_SECRET"),
    "cluster": os.getenv("PUSHER_CLUSTER", "eu"),
}

Status = Literal["ordered", "packed", "shipped"]


@dataclass
class Order:
    number: int
    item: str
    status: Status = "ordered"


class Change(msgspec.Struct):
    """What a script wants of an order."""

    status: Status


@dataclass
class OrderChanged(BroadcastEvent):
    order: Order

    def broadcast_on(self) -> str:
        return "orders"

    def broadcast_as(self) -> str:
        return "order.changed"

    def broadcast_with(self) -> dict[str, Any]:
        return asdict(self.order)


app = Antiphon()
app.broadcast = Broadcast(drivers={"pusher": PUSHER})
app.mount("/static", StaticFiles(directory=STATIC))
orders = {number: Order(number, item) for number, item in enumerate(("tea", "a kettle", "two cups"), 1)}


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@app.get("/orders")
async def listed() -> list[Order]:
    return list(orders.values())


@app.put("/orders/{number:int}")
async def change(request: Request, number: int, broadcast: Broadcast) -> Order:
    order = orders.get(number)
    if order is None:
        raise HTTPException(404, f"there is no order {number}")
    try:
        order.status = msgspec.json.decode(await request.body(), type=Change).status
    except msgspec.DecodeError as error:
        raise HTTPException(400, str(error)) from error
    await broadcast.publish(OrderChanged(order), rescue=True)
    return order


@app.get("/connection")
async def connection(broadcast: Broadcast) -> dict[str, Any]:
    """Where the page gets its updates."""
    if PusherDriver in broadcast.drivers:
        return {"driver": "pusher", "key": PUSHER["key"], "options": {"cluster": PUSHER["cluster"]}}
    return {"driver": "local"}


@app.websocket("/updates")
async def updates(ws: WebSocket) -> None:
    await ws.subscribe("orders", envelope=True)
    async for _ in ws:
        pass  # nothing is expected from the page
