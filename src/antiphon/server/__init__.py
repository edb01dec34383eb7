"""Serving an application over the network."""

from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.run import Listen, run

__all__ = ["Listen", "WebSocketProtocol", "run"]
