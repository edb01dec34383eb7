"""Inline handlers, for the tests beside this on a real server."""

import asyncio

from antiphon import Antiphon, WebSocket

app = Antiphon()
echo = app.events("/echo")
leaves = app.events("/leaves")
failing = app.events("/failing")
left: list[str] = []


@echo.on("message", inline=True)
def answer(ws: WebSocket, message: str | bytes) -> str | bytes:
    return message


@leaves.on("message", inline=True)
def leave(ws: WebSocket, message: str) -> str | None:
    left.append(message)
    if message == "leave":
        ws.call_soon(ws.end, 4001, "left")
        return None
    return message


@failing.on("message", inline=True)
def fails(ws: WebSocket, message: str) -> str:
    if message == "cancelled":
        raise asyncio.CancelledError
    return str(int(message) + 1)


@failing.on("error")
async def tell(ws: WebSocket, error: Exception) -> str:
    return type(error).__name__


@app.get("/left")
def handled() -> list[str]:
    return left
