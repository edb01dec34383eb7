"""Antiphon in a FastAPI application: FastAPI keeps HTTP, Antiphon has the sockets.

    antiphon run examples.fastapi_mount:app            (or: uvicorn examples.fastapi_mount:app)
    python -m websockets ws://127.0.0.1:8000/live/orders
    curl --json '{"item": "tea", "quantity": 2}' http://127.0.0.1:8000/orders

Each order that FastAPI takes appears on every socket.
"""

from fastapi import FastAPI
from pydantic import BaseModel, PositiveInt

from antiphon import Antiphon, WebSocket

live = Antiphon()
app = FastAPI()
app.mount("/live", live)


class Order(BaseModel):
    item: str
    quantity: PositiveInt


@live.websocket("/orders")
async def watch(ws: WebSocket) -> None:
    await ws.subscribe("orders")
    async for _ in ws:
        """Watchers have nothing to say."""


@app.post("/orders", status_code=201)
async def order(order: Order) -> Order:
    await live.channel("orders").publish(order)
    return order
