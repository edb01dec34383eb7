"""One peer: its state, its messages, its bounded queues, and what carries them."""

from antiphon.connection.asgi import DENIAL, AsgiTransport
from antiphon.connection.connection import Connection
from antiphon.connection.options import CaughtCloseCodes, Options, Subscriptions
from antiphon.connection.phase import Phase
from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Receiver, Transport
from antiphon.connection.websocket import WebSocket

__all__ = [
    "DENIAL",
    "AsgiTransport",
    "CaughtCloseCodes",
    "Connection",
    "Options",
    "Phase",
    "Prepared",
    "Receiver",
    "Subscriptions",
    "Transport",
    "WebSocket",
]
