"""Talking to an ASGI application in process, without a port."""

from antiphon.testing.client import TestClient
from antiphon.testing.http import Response
from antiphon.testing.link import HandshakeRefused
from antiphon.testing.websocket import TestWebSocket

__all__ = ["HandshakeRefused", "Response", "TestClient", "TestWebSocket"]
