"""Serving an application over the network."""

from antiphon.server.protocol import WebSocketProtocol
from antiphon.server.run import Listen, run
from antiphon.server.serving import LOOPS, Changes
from antiphon.server.tls import Tls

__all__ = ["LOOPS", "Changes", "Listen", "Tls", "WebSocketProtocol", "run"]
