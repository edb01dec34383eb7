"""Robyn's WebSocket API: event handlers with a connector, registered on a ``WebSocket(app, path)``."""

from antiphon.compat.robyn.application import Robyn
from antiphon.compat.robyn.config import Config
from antiphon.compat.robyn.connector import WebSocketConnector
from antiphon.compat.robyn.dependencies import DependencyMap
from antiphon.compat.robyn.endpoint import WebSocket
from antiphon.compat.robyn.query_params import QueryParams

__all__ = ["Config", "DependencyMap", "QueryParams", "Robyn", "WebSocket", "WebSocketConnector"]
