"""One peer: its state, its messages, its bounded queues, and what carries them."""

from antiphon.connection.connection import Connection
from antiphon.connection.inbox import Inbox
from antiphon.connection.options import Asked, CaughtCloseCodes, Options, Subscriptions
from antiphon.connection.phase import Phase
from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Farewell, Headers, Receiver, Terms, Transport
from antiphon.connection.transports.asgi import DENIAL, AsgiTransport
from antiphon.connection.transports.choice import transport_of
from antiphon.connection.transports.outbox import OutboxFull
from antiphon.connection.websocket import WebSocket

__all__ = [
    "DENIAL",
    "AsgiTransport",
    "Asked",
    "CaughtCloseCodes",
    "Connection",
    "Farewell",
    "Headers",
    "Inbox",
    "Options",
    "OutboxFull",
    "Phase",
    "Prepared",
    "Receiver",
    "Subscriptions",
    "Terms",
    "Transport",
    "WebSocket",
    "transport_of",
]
