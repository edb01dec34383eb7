"""Antiphon: real-time for Python."""

from antiphon.app import Antiphon, Depends, websocket
from antiphon.broadcast import Broadcast
from antiphon.brokers import Publisher
from antiphon.channels import History, Member, Overflow, Position
from antiphon.connection import WebSocket
from antiphon.errors import (
    AntiphonError,
    InvalidMessage,
    WebSocketDisconnect,
    WebSocketException,
)
from antiphon.limits import Limits, Timeouts
from antiphon.server import Tls
from antiphon.wire import Deflate

__version__ = "0.1.0"

__all__ = [
    "Antiphon",
    "AntiphonError",
    "Broadcast",
    "Deflate",
    "Depends",
    "History",
    "InvalidMessage",
    "Limits",
    "Member",
    "Overflow",
    "Position",
    "Publisher",
    "Timeouts",
    "Tls",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketException",
    "__version__",
    "websocket",
]
