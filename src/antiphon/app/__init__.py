"""The application, its endpoints, and the binding of their handlers."""

from antiphon.app.application import Antiphon
from antiphon.app.binding import Depends
from antiphon.app.endpoints import Endpoint, EventEndpoint, ViewEndpoint, websocket

__all__ = ["Antiphon", "Depends", "Endpoint", "EventEndpoint", "ViewEndpoint", "websocket"]
