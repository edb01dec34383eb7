"""Serving an application over the network."""

from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.run import Changes, Listen, run

__all__ = ["Changes", "Listen", "WebSocketProtocol", "run"]
