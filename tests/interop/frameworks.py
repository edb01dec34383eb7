"""Applications that know nothing of Antiphon, for its protocol class to serve: they all do the same.

`/echo/{name}` accepts with the subprotocol v2 when that is offered and a header of the client's, greets, and
echoes until it is told to close; `/refused` refuses; `/denied` refuses with a response of its own.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from fastapi import FastAPI
from litestar import Litestar
from litestar import WebSocket as LitestarSocket
from litestar import websocket as litestar_websocket
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

DENIAL = {"why": "nobody may"}


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
    yield {"mood": "fine"}


# --- Starlette and FastAPI -------------------------------------------------------------------------------


async def echo(ws: WebSocket) -> None:
    subprotocol = "v2" if "v2" in ws.scope["subprotocols"] else None
    await ws.accept(subprotocol, headers=[(b"x-seen", ws.headers["x-token"].encode())])
    greeting = {"name": ws.path_params["name"], "query": ws.query_params["q"], "mood": ws.state.mood}
    await ws.send_json(greeting)
    while True:
        event = await ws.receive()
        if event["type"] == "websocket.disconnect":
            return
        if event.get("text") == "close":
            await ws.close(4001, "as told")
            return
        await ws.send({**event, "type": "websocket.send"})


async def refused(ws: WebSocket) -> None:
    await ws.close()


async def denied(ws: WebSocket) -> None:
    await ws.send_denial_response(JSONResponse(DENIAL, 401, {"www-authenticate": "Token"}))


starlette_app = Starlette(
    routes=[
        WebSocketRoute("/echo/{name}", echo),
        WebSocketRoute("/refused", refused),
        WebSocketRoute("/denied", denied),
    ],
    lifespan=lifespan,
)

fastapi_app = FastAPI(lifespan=lifespan)
fastapi_app.websocket("/refused")(refused)
fastapi_app.websocket("/denied")(denied)


@fastapi_app.websocket("/echo/{name}")
async def fastapi_echo(ws: WebSocket, name: str, q: str) -> None:
    await echo(ws)


# --- Litestar ------------------------------------------------------------------------------------------


@litestar_websocket("/echo/{name:str}")
async def litestar_echo(socket: LitestarSocket[Any, Any, Any], name: str, q: str, state: State) -> None:
    subprotocol = "v2" if "v2" in socket.scope["subprotocols"] else None
    await socket.accept(subprotocols=subprotocol, headers={"x-seen": socket.headers["x-token"]})
    await socket.send_json({"name": name, "query": q, "mood": state.mood})
    while True:
        event: Any = await socket.receive()
        if event["type"] == "websocket.disconnect":
            return
        if event.get("text") == "close":
            await socket.close(4001, "as told")
            return
        await socket.send({**event, "type": "websocket.send"})  # type: ignore[arg-type]


@litestar_websocket("/refused")
async def litestar_refused(socket: LitestarSocket[Any, Any, Any]) -> None:
    await socket.close()


@litestar_websocket("/denied")
async def litestar_denied(socket: LitestarSocket[Any, Any, Any]) -> None:
    raise NotAuthorizedException


litestar_app = Litestar(
    [litestar_echo, litestar_refused, litestar_denied], state=State({"mood": "fine"}), debug=False
)


# --- Django, with a WebSocket application of plain ASGI beside it --------------------------------------


async def websocket_application(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refused":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/denied":
        headers = [(b"www-authenticate", b"Token"), (b"content-type", b"application/json")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        for part in json.dumps(DENIAL):
            await send({"type": "websocket.http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "websocket.http.response.body"})
        return
    subprotocol = "v2" if "v2" in scope["subprotocols"] else None
    headers = [(b"x-seen", dict(scope["headers"])[b"x-token"])]
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
    greeting = {
        "name": scope["path"].rpartition("/")[2],
        "query": scope["query_string"].decode().partition("=")[2],
        "mood": "fine",
    }
    await send({"type": "websocket.send", "text": json.dumps(greeting)})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "as told"})
            return
        await send({**event, "type": "websocket.send"})


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test")
django.setup()
urlpatterns: list[Any] = []
http_application = get_asgi_application()


async def django_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await websocket_application(scope, receive, send)
    elif scope["type"] == "http":
        await http_application(scope, receive, send)
    else:
        raise NotImplementedError(scope["type"])
