"""Reaching the connections of an endpoint in every process, over channels of the endpoint's own."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.channels import INTERNAL, Batch
from antiphon.connection import WebSocket
from antiphon.protocols.raw import bare


class Everybody:
    """Hands what is broadcast to each connection that is here.

    Args:
        path: The endpoint's path.
        connections: Its open connections here, by their ids.

    Attributes:
        channel: On which it is broadcast.
    """

    def __init__(self, path: str, connections: Mapping[str, WebSocket]) -> None:
        self.channel = f"{INTERNAL}endpoint:{path}"
        self._connections = connections

    def deliver(self, batch: Batch) -> None:
        """Send to all of them."""
        shared = batch.form(bare)
        for id, ws in tuple(self._connections.items()):
            if id in batch.excluded:
                ws.deliver(batch.without(id).form(bare))
            else:
                ws.deliver(shared, batch.alone)

    def cut_off(self) -> None:
        """Never: there is no history that could be lost."""


class Somebody:
    """Hands what another process wants to send to one connection to that, if it is here.

    Args:
        path: The endpoint's path.
        connections: Its open connections here, by their ids.

    Attributes:
        channel: On which the processes ask each other; a publication's key is the connection's id.
    """

    def __init__(self, path: str, connections: Mapping[str, WebSocket]) -> None:
        self.channel = f"{INTERNAL}connection:{path}"
        self._connections = connections

    def deliver(self, batch: Batch) -> None:
        """Send to those that are here."""
        for publication in batch.publications:
            ws = self._connections.get(publication.key or "")
            if ws is not None:
                ws.deliver(bare((publication,)))

    def cut_off(self) -> None:
        """Never: there is no history that could be lost."""
