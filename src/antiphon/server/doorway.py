"""The first protocol of every connection: what its first bytes say decides which is the next.

Most connections of a real-time server begin with one small read: the whole head of an opening handshake.
Such a one goes straight to ``WebSocketProtocol``. Everything else, a head in several pieces or one with
any fault included, goes to ``HttpProtocol``, which finds out slowly and answers in detail.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from antiphon.loop import begin, remote_end, wheel_of
from antiphon.server.http import HttpProtocol
from antiphon.server.protocol import UNKNOWN, WebSocketProtocol
from antiphon.server.reception import reception_of
from antiphon.wire import HandshakeError, Opening, Request, parse_request, read_opening

logger = logging.getLogger("uvicorn.error")


class Doorway(asyncio.Protocol):
    """One connection, from its socket to its first bytes; what uvicorn makes for each.

    Args:
        config: uvicorn's configuration.
        server_state: What the connections of the server share.
        app_state: What the application's lifespan left for its scopes.
    """

    __slots__ = (
        "_app_state",
        "_client",
        "_config",
        "_due",
        "_early",
        "_loop",
        "_reception",
        "_securing",
        "_server",
        "_socket",
        "_tls",
        "slot",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server: Any = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._reception = reception_of(config, server_state)
        self._socket: asyncio.Transport
        self._client: tuple[str, int] | None = None
        self._due = 0.0
        self._tls: ssl.SSLContext | None = getattr(config, "tls", None)
        self._securing: asyncio.Task[None] | None = None
        self._early = b""
        self.slot: int | None = None

    def __repr__(self) -> str:
        return f"<Doorway {self._client}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; one too many is told so when its request comes."""
        # uvloop's transports are no subclasses of asyncio's.
        socket = self._socket = cast(asyncio.Transport, transport)
        self._server.connections.add(self)
        if self._reception.overrun:
            socket.abort()
            return
        client = self._client = remote_end(socket)
        refusal = None
        try:
            self._reception.enter(socket, client[0] if client else None)
        except HandshakeError as full:
            refusal = full
        wheel, patience = wheel_of(self._loop), self._reception.terms.timeouts.handshake
        wheel.add(self, patience)
        self._due = wheel.now + patience
        if self._tls is None:
            if refusal is not None:
                self._hand_over(refusal)
        else:
            # At once, before there is anything to read.
            begun = begin(
                self._loop.start_tls(
                    socket, self, self._tls, server_side=True, ssl_handshake_timeout=patience
                )
            )
            self._securing = self._loop.create_task(self._secure(begun, refusal))
            self._loop.call_soon(_see_that_it_is_read, socket)

    async def _secure(
        self, begun: Awaitable[asyncio.Transport | None], refusal: HandshakeError | None
    ) -> None:
        """See a TLS handshake through; it has the time of any handshake, and its connection is counted."""
        below, above = self._socket, None
        try:
            above = await begun
        except ConnectionResetError:
            """The client left, as others do later: no failure of the handshake."""
        except OSError as error:
            logger.info("%s:%d - TLS handshake failed: %s", *(self._client or UNKNOWN), error)
        self._securing = None
        # Where the client has gone meanwhile, loops differ in what they return.
        if above is None or below.is_closing():
            # Loops differ in whether they call it, too; twice is as good as once.
            self.connection_lost(None)
            return
        self._socket = above
        self._reception.exchange(below, above)
        if refusal is not None:
            self._hand_over(refusal)
        if self._early:
            cast(asyncio.Protocol, above.get_protocol()).data_received(self._early)

    def data_received(self, data: bytes) -> None:
        """See what the connection is for, and hand it over."""
        if self._securing is not None:
            # It came right behind the last of the TLS handshake.
            self._early += data
            return
        found = self._opening(data)
        if found is None:
            self._hand_over().data_received(data)
            return
        self._leave()
        protocol = WebSocketProtocol(self._config, self._server, self._app_state)
        protocol.take(self._socket, self._client)
        self._socket.set_protocol(protocol)
        protocol.answer(*found)

    def connection_lost(self, error: Exception | None) -> None:
        """The peer left without a word."""
        self._leave()
        self._reception.leave(self._socket)

    def turn(self) -> None:
        """The peer has said nothing for too long."""
        self._socket.abort()

    def shutdown(self) -> None:
        """The server stops (uvicorn calls this)."""
        self._socket.abort()

    def _opening(self, data: bytes) -> tuple[Request, Opening] | None:
        """What a read asks for that is one whole opening handshake, and nothing else."""
        if self._config.ws_protocol_class is not WebSocketProtocol or not data.endswith(b"\r\n\r\n"):
            return None
        if b"websocket" not in data:
            return None
        try:
            request = parse_request(data, self._reception.terms.limits.head)
            # uvicorn's parser knows some versions that were never made, and others not.
            return (request, read_opening(request)) if request.version == "1.1" else None
        except HandshakeError:
            return None

    def _hand_over(self, refusal: HandshakeError | None = None) -> HttpProtocol:
        # The time for the first head began with the connection.
        left = None if self.slot is None else max(0.0, self._due - wheel_of(self._loop).now)
        self._leave()
        protocol = HttpProtocol(self._config, self._server, self._app_state, self._loop, refusal)
        self._socket.set_protocol(protocol)
        protocol.connection_made(self._socket, left)
        return protocol

    def _leave(self) -> None:
        self._server.connections.discard(self)
        wheel_of(self._loop).remove(self)


def _see_that_it_is_read(socket: asyncio.Transport) -> None:
    """End a connection that was reset before TLS began; aiofastnet does not read it, so nobody would hear."""
    if not (socket.is_reading() or socket.is_closing()):
        socket.abort()
