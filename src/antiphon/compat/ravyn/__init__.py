"""Ravyn's WebSocket API: a decorator, a connection to accept by hand, and plain ASGI underneath."""

from antiphon.compat.ravyn.application import Ravyn
from antiphon.compat.ravyn.handler import Inject, websocket
from antiphon.compat.ravyn.websocket import WebSocket
from antiphon.errors import WebSocketDisconnect, WebSocketException

__all__ = ["Inject", "Ravyn", "WebSocket", "WebSocketDisconnect", "WebSocketException", "websocket"]
