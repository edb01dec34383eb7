"""Bocadillo's API: WebSocket views, providers, and the HTTP views and templates that go with them."""

from starlette import status

from antiphon.compat.bocadillo.application import App
from antiphon.compat.bocadillo.providers import provider
from antiphon.compat.bocadillo.response import Response
from antiphon.compat.bocadillo.settings import configure
from antiphon.compat.bocadillo.templates import Templates
from antiphon.compat.bocadillo.websocket import WebSocket
from antiphon.errors import WebSocketDisconnect

__all__ = [
    "App",
    "Response",
    "Templates",
    "WebSocket",
    "WebSocketDisconnect",
    "configure",
    "provider",
    "status",
]
