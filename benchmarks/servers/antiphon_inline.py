"""Antiphon, run by ``antiphon run``: a plain function for each message, on the event loop itself."""

from antiphon import Antiphon, WebSocket

app = Antiphon()
echo = app.events("/echo")


@echo.on("message", inline=True)
def answer(ws: WebSocket, message: str):
    return message
