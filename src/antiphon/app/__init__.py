"""The application, its endpoints, and the binding of their handlers."""

from antiphon.app.application import Antiphon
from antiphon.app.binding import Depends
from antiphon.app.endpoint import Endpoint
from antiphon.app.events import EventEndpoint
from antiphon.app.view import ViewEndpoint, websocket

__all__ = ["Antiphon", "Depends", "Endpoint", "EventEndpoint", "ViewEndpoint", "websocket"]
