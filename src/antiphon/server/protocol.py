"""The WebSocket protocol class for uvicorn's ``--ws`` option: the handshake, and who gets the connection.

uvicorn's HTTP protocol hands over the socket with the head of the upgrade request. This class validates
it and runs the ASGI application. An Antiphon endpoint finds ``EXTENSION`` in the scope and takes the
connection over as a ``DirectTransport``; for every other application an ``AsgiBridge`` speaks ASGI's
events. Either way the open connection is a ``DirectTransport``, and this object is gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast
from urllib.parse import quote, unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, is_ssl
from uvicorn.server import ServerState

from antiphon.connection import DENIAL, Headers, Terms
from antiphon.connection.transports.direct import EXTENSION, DirectTransport
from antiphon.loop import fault, local_end, remote_end, wheel_of
from antiphon.server.bridge import AsgiBridge
from antiphon.server.reception import reception_of
from antiphon.wire import (
    Agreement,
    CloseCode,
    Deflate,
    HandshakeError,
    Opening,
    Request,
    accept,
    negotiate,
    parse_request,
    read_opening,
    refuse,
)

logger = logging.getLogger("uvicorn.error")

#: What logs say of who is at the other end of something other than TCP.
UNKNOWN = ("?", 0)

# Values of every scope that nobody has a reason to change: one for all connections.
_ASGI = {version: {"version": version, "spec_version": "2.4"} for version in ("2.0", "3.0")}
_NOTHING: dict[str, Any] = {}


class WebSocketProtocol(asyncio.Protocol):
    """One handshake, for ``uvicorn --ws antiphon.server:WebSocketProtocol any_asgi:app``.

    Args:
        config: uvicorn's configuration.
        server_state: What the connections of the server share.
        app_state: What the application's lifespan left for its scopes.
    """

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._config = config
        # uvicorn's annotation names its own protocol classes; it asks for no more than ``shutdown``.
        self._connections: set[Any] = server_state.connections
        self._server = server_state
        self._app_state = app_state
        self._reception = reception_of(config, server_state)
        self._terms = self._reception.terms
        self._socket: asyncio.Transport
        self._client: tuple[str, int] | None = None
        # Whom the logs name: the client, or whom a trusted proxy speaks for.
        self._who = UNKNOWN
        self._opening: Opening | None = None
        self._path = ""
        self._early = bytearray()
        self._direct: DirectTransport | None = None
        self._lost = False
        self.slot: int | None = None

    def __repr__(self) -> str:
        return f"<WebSocketProtocol {quote(self._path)}>"

    # --- asyncio's protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get the socket from the HTTP protocol."""
        # uvloop's transports are no subclasses of asyncio's.
        socket = cast(asyncio.Transport, transport)
        self.take(socket, remote_end(socket))

    def take(self, socket: asyncio.Transport, client: tuple[str, int] | None) -> None:
        """Get the socket from whoever knows already who is at its other end."""
        self._socket = socket
        self._client = client
        self._who = client or UNKNOWN
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Get the head of the request first; then whatever the client does not wait to send."""
        if self._opening is not None:
            self._early += data
            if len(self._early) > self._terms.limits.high_water:
                self._socket.pause_reading()
            return
        try:
            request = parse_request(data, self._terms.limits.head)
        except HandshakeError as error:
            self._refuse(error)
        else:
            self.begin(request)

    def begin(self, request: Request, early: bytes = b"") -> None:
        """Run the application for a request, if it is an opening handshake; keep what came with it."""
        try:
            opening = read_opening(request)
        except HandshakeError as error:
            self._refuse(error)
        else:
            self.answer(request, opening, early)

    def answer(self, request: Request, opening: Opening, early: bytes = b"") -> None:
        """Run the application for an opening handshake, if there is room."""
        self._opening = opening
        try:
            self._enter(request)
        except HandshakeError as error:
            self._refuse(error)
            return
        if early:
            self.data_received(early)
        wheel_of(asyncio.get_running_loop()).add(self, self._terms.timeouts.handshake)
        self._run(self._scope(request, opening))

    def _refuse(self, error: HandshakeError) -> None:
        logger.info("%s:%d - handshake refused: %s", *self._who, error)
        self._connections.discard(self)
        self._socket.write(error.response())
        self._socket.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The client went away before the handshake was answered."""
        self._connections.discard(self)
        self._reception.leave(self._socket)
        self._wait_no_longer()
        self._lost = True
        if self._direct is not None:
            self._reception.bridged.discard(self._direct)
            self._direct.connection_lost(error)

    def shutdown(self) -> None:
        """The server stops: refuse what is not answered (uvicorn calls this)."""
        self.direct().reject(503, (), b"the server stops")

    def turn(self) -> None:
        """The application took too long to answer."""
        logger.warning("%r was neither accepted nor refused in time: refused", self)
        self.direct().reject(503, (), b"the handshake took too long")

    # --- The application -----------------------------------------------------------------------------

    def _enter(self, request: Request) -> None:
        """Count the connection, unless the HTTP protocol has; only now is a proxy's client known.

        Raises:
            HandshakeError: There are too many.
        """
        address = self._client[0] if self._client else None
        self._reception.enter(self._socket, address)
        forwarded = self._reception.recognise(self._socket, address, request.headers)
        if forwarded is not None:
            self._who = (forwarded, 0)

    def _wait_no_longer(self) -> None:
        if self.slot is not None:
            wheel_of(asyncio.get_running_loop()).remove(self)

    def _scope(self, request: Request, opening: Opening) -> dict[str, Any]:
        path, query = opening.path, opening.query
        root = self._config.root_path
        self._path = root + unquote(path)
        return {
            "type": "websocket",
            "asgi": _ASGI[self._config.asgi_version],
            "http_version": request.version,
            "scheme": "wss" if is_ssl(self._socket) else "ws",
            "server": local_end(self._socket),
            "client": self._client,
            "root_path": root,
            "path": self._path,
            "raw_path": (root + path).encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": request.headers,
            "subprotocols": list(opening.subprotocols),
            "state": self._app_state.copy(),
            "extensions": {DENIAL: _NOTHING, EXTENSION: self.direct},
        }

    def _run(self, scope: dict[str, Any]) -> None:
        bridge = AsgiBridge(self)
        task = asyncio.get_running_loop().create_task(self._serve(scope, bridge))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _serve(self, scope: dict[str, Any], bridge: AsgiBridge) -> None:
        code, why = CloseCode.NORMAL_CLOSURE, b"the application did not answer the handshake"
        try:
            await self._config.loaded_app(scope, bridge.receive, bridge.send)
        except BaseException as raised:
            # That its own client is gone is nothing that the application could have done about.
            if not (bridge.lost and isinstance(raised, ClientDisconnected)):
                logger.error("Exception in ASGI application", exc_info=fault(raised, stopped=self._over))
            code, why = CloseCode.INTERNAL_ERROR, b"Internal Server Error"
        # It has returned: end what only it could have gone on with.
        direct = self._direct
        if self._lost:
            return
        if direct is None or direct.connecting:
            if code is CloseCode.NORMAL_CLOSURE:
                logger.error("%r: %s", self, why.decode())
            self.direct(self._terms).reject(500, (), why)
        elif bridge.attached:
            bridge.finish(code)

    @property
    def _over(self) -> bool:
        """Whether the connection has ended; before that, no server cancels what serves it."""
        direct = self._direct
        return self._lost or (direct is not None and not direct.connecting and not direct.open)

    # --- Who answers the handshake -------------------------------------------------------------------

    def direct(self, terms: Terms | None = None) -> DirectTransport:
        """The connection, for an application that takes it over on its own terms."""
        if self._direct is None:
            self._direct = DirectTransport(self._socket, self, terms or self._terms)
            if terms is not None:
                # An endpoint of ours has deadlines of its own.
                self._wait_no_longer()
                self._reception.meet()
            elif not self._lost:
                self._reception.bridged.add(self._direct)
            if self._lost:
                self._direct.connection_lost(None)
        return self._direct

    def accept(
        self, subprotocol: str | None, headers: Headers, compression: Deflate | None
    ) -> tuple[bytes, Agreement | None]:
        """The bytes of the 101 response, and what it agrees on."""
        opening = self._opening
        assert opening is not None
        agreement = None if compression is None else negotiate(opening.extensions, compression)
        lines = self._reception.lines(self._server.default_headers)
        response = accept(opening, subprotocol=subprotocol, agreement=agreement, headers=headers, lines=lines)
        self._log("[accepted]")
        return response, agreement

    def refuse(self, status: int, headers: Headers, body: bytes) -> bytes:
        """The bytes of the response that refuses."""
        self._log(str(status))
        return refuse(status, [*self._server.default_headers, *headers], body)

    def hand_over(self, protocol: DirectTransport | None) -> bytes:
        """Let go of the socket; return what the client sent too early."""
        self._wait_no_longer()
        self._connections.discard(self)
        if protocol is not None:
            self._socket.set_protocol(protocol)
            self._connections.add(protocol)
            protocol.farewell = self._reception.farewell
            protocol.when_gone(self._reception.when_gone)
            if len(self._early) > self._terms.limits.high_water:
                self._socket.resume_reading()
        return bytes(self._early)

    def _log(self, outcome: str) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info('%s:%d - "WebSocket %s" %s', *self._who, quote(self._path), outcome)
