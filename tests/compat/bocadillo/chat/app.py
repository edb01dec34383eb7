"""A chat room: everyone sees what everyone says, newcomers also what was said lately."""

from collections import deque
from pathlib import Path

from antiphon.compat.bocadillo import App, Templates, configure, provider

app = App()
configure(app)
templates = Templates(app, directory=Path(__file__).parent / "templates")


@provider(scope="app")
async def history():
    return deque(maxlen=100)


@provider(scope="app")
async def clients():
    return set()


@app.websocket_route("/chat", value_type="json")
async def chat(ws, history, clients):
    clients.add(ws)
    try:
        for message in tuple(history):
            await ws.send(message)
        async for message in ws:
            if message["type"] == "message":
                history.append(message)
                for client in tuple(clients):
                    await client.send(message)
    finally:
        clients.remove(ws)


@app.route("/")
async def index(req, res):
    res.html = await templates.render("index.html", title="Chat room")


@app.route("/clients")
async def count(req, res, clients):
    res.json = {"count": len(clients)}
