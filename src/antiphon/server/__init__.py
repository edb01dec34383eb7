"""Serving an application over the network."""

from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.run import Listen, run
from antiphon.server.serving import Changes
from antiphon.server.tls import Tls

__all__ = ["Changes", "Listen", "Tls", "WebSocketProtocol", "run"]
