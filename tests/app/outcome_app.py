"""Functions of an application that end in every way there is, each at every place: `/place?how=…`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from antiphon import Antiphon, Depends, WebSocket, WebSocketException
from antiphon.app.endpoints import EventEndpoint

app = Antiphon()
made: list[str] = []
torn: list[str] = []


def ends(how: str) -> Any:
    """End as told, without waiting for anything."""
    match how:
        case "cancelled":
            raise asyncio.CancelledError
        case "exits":
            raise SystemExit(3)
        case "interrupted":
            raise KeyboardInterrupt
        case "several":
            raise BaseExceptionGroup("several", [SystemExit(3), ValueError()])
        case "no JSON":
            raise HTTPException(400, detail=object())  # type: ignore[arg-type]
        case "no UTF-8":
            raise WebSocketException(4001, "\ud800")
        case "no Latin-1":
            raise HTTPException(400, headers={"x-why": "€"})
    raise LookupError(how)


async def ends_later(how: str) -> None:
    """The same when it has waited; or as one whose task somebody cancels."""
    if how == "cancels itself":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
    await asyncio.sleep(0 if how != "waits" else 3600)
    ends(how)


async def resource(ws: WebSocket) -> AsyncIterator[str]:
    how = ws.query_params["how"]
    made.append(how)
    yield how
    torn.append(how)


async def failing_factory(how: str) -> None:
    await ends_later(how)


async def failing_teardown(how: str) -> AsyncIterator[None]:
    yield
    await ends_later(how)


How = Annotated[str, Depends(resource)]
Factory = Annotated[None, Depends(failing_factory)]
Teardown = Annotated[None, Depends(failing_teardown)]


def events(place: str) -> EventEndpoint:
    """An endpoint that has something to tear down."""
    endpoint = app.events(f"/{place}")
    if not place.startswith("connect"):
        endpoint.on("connect")(awaits_resource)
    return endpoint


async def awaits_resource(how: How) -> None: ...


@events("connect").on("connect")
async def connect(how: How) -> None:
    await ends_later(how)


@app.endpoints["/connect"].on("close")  # type: ignore[attr-defined, untyped-decorator]
def closed(ws: WebSocket) -> None:
    print(f"close finds it {ws.phase.value}", flush=True)


@events("connect after").on("connect")
async def connect_after(ws: WebSocket, how: How) -> None:
    await ws.accept()
    await ends_later(how)


@events("factory").on("message")
async def with_factory(how: How, nothing: Factory) -> None: ...


@events("message").on("message")
async def message(how: How) -> None:
    await ends_later(how)


@events("message at once").on("message")
async def message_at_once(how: How) -> None:
    ends(how)


@events("thread").on("message")
def thread(how: How) -> None:
    ends(how)


@events("inline").on("message", inline=True)
def inline(how: How) -> None:
    ends(how)


failing = events("error")


@failing.on("message")
async def fails(how: How) -> None:
    raise LookupError


@failing.on("error")
async def error(how: How) -> None:
    await ends_later(how)


@events("close").on("close")
async def close(how: How) -> None:
    await ends_later(how)


@events("teardown").on("message")
async def with_teardown(how: How, nothing: Teardown) -> None: ...


@app.websocket("/view before")
async def view_before(how: How) -> None:
    await ends_later(how)


@app.websocket("/view after")
async def view_after(ws: WebSocket, how: How) -> None:
    await ws.accept()
    await ws.receive()
    await ends_later(how)


@app.websocket("/view over")
async def view_over(ws: WebSocket, how: How, nothing: Teardown) -> None:
    await ws.accept()


@app.websocket("/view failed")
async def view_failed(ws: WebSocket, how: How, nothing: Teardown) -> None:
    await ws.accept()
    raise LookupError


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for each in ws:
        await ws.send(each)


async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
    """The application in a layer that does not wait for long."""
    try:
        async with asyncio.timeout(None if scope["type"] == "lifespan" else 0.05):
            await app(scope, receive, send)
    except TimeoutError:
        print("the layer's time is up", flush=True)


@app.get("/left")
async def left() -> dict[str, Any]:
    """What is left of those connections."""
    return {
        "torn": len(torn) == len(made),
        "open": sum(len(each.connections) for each in app.endpoints.values()),
        "handlers": sum(len(vars(each).get("_conversations", ())) for each in app.endpoints.values()),
        "views": sum(len(vars(each).get("_views", ())) for each in app.endpoints.values()),
    }
