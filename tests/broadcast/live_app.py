"""An application that broadcasts on its own channels; several processes of it share a broker."""

from antiphon import Antiphon, Broadcast, WebSocket

app = Antiphon()


@app.websocket("/orders")
async def orders(ws: WebSocket) -> None:
    await ws.subscribe("orders", envelope=True)
    await ws.send({"id": ws.id})
    async for _ in ws:
        pass


@app.post("/orders/{number:int}")
def create(number: int, broadcast: Broadcast) -> None:
    broadcast.channel("orders", {"id": number}, "created")
