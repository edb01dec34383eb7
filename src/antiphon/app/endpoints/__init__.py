"""Paths that accept WebSockets: views, event endpoints, and what both have."""

from antiphon.app.endpoints.endpoint import Endpoint
from antiphon.app.endpoints.events import EventEndpoint
from antiphon.app.endpoints.outcome import leave
from antiphon.app.endpoints.view import EndpointOptions, ViewEndpoint, options_of, websocket

__all__ = ["Endpoint", "EndpointOptions", "EventEndpoint", "ViewEndpoint", "leave", "options_of", "websocket"]
