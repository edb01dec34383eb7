"""FastAPI: the echo and the ``ConnectionManager`` of its documentation."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from publications import publications

app = FastAPI()


class ConnectionManager:
    def __init__(self):
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket):
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket):
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str):
        for connection in self.active_connections:
            await connection.send_text(message)


manager = ConnectionManager()


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


@app.websocket("/subscribe")
async def subscribe(websocket: WebSocket):
    await manager.connect(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        manager.disconnect(websocket)


@app.websocket("/publish")
async def publish(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            for publication in publications(await websocket.receive_text()):
                await manager.broadcast(publication)
    except WebSocketDisconnect:
        pass
