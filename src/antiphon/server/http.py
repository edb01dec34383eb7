"""uvicorn's HTTP protocol, with what it lacks against a hostile peer.

Whatever does not begin with a whole opening handshake comes here from the ``Doorway``. How large the head
of a request may be and how long it may take is decided here; what follows is uvicorn's, or
``WebSocketProtocol``'s.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, cast

from httptools import HttpParserUpgrade
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from antiphon.connection.transports.writer import end_writing
from antiphon.loop import wheel_of
from antiphon.server.protocol import UNKNOWN, WebSocketProtocol
from antiphon.server.reception import reception_of
from antiphon.wire import HandshakeError, Request
from antiphon.wire.handshake import COMMON

logger = logging.getLogger("uvicorn.error")

#: Requests that may wait for the response to the one before (RFC 9112 § 9.3.2).
PIPELINED = 100

#: Bytes of their bodies that may wait. Reading pauses long before, but goes on where an application takes
#: long and looks whether its client is there.
PIPELINED_BODIES = 1024 * 1024


class Flow(FlowControl):
    """When a connection is read on.

    Args:
        protocol: Whose connection it is.
    """

    def __init__(self, protocol: HttpProtocol) -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Read on, unless enough waits and nobody waits for more."""
        if not self._protocol.has_enough:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """One connection, until it becomes a WebSocket or ends.

    Args:
        config: uvicorn's configuration.
        server_state: What the connections of the server share.
        app_state: What the application's lifespan left for its scopes.
        refusal: What the first request is answered with, if there is no room for this connection.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        refusal: HandshakeError | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._reception = reception_of(config, server_state)
        self._limits = self._reception.terms.limits
        self._timeouts = self._reception.terms.timeouts
        self._wheel = wheel_of(self.loop)
        self._refusal = refusal
        self._refused = False
        self._abort: asyncio.TimerHandle | None = None
        # Whether the head of a request is read now; and how much came that is no body: a head, chunks' sizes
        # with their extensions, trailers.
        self._in_head = True
        self._head = 0
        # From when on the peer lets us wait, in the loop's time.
        self._waiting = 0.0
        self._chunk = b""
        # The request that the application answers now; uvicorn's `cycle` is the last that came.
        self._answered: RequestResponseCycle | None = None
        self._began = 0.0
        self.slot: int | None = None

    def __repr__(self) -> str:
        return f"<HttpProtocol {self.client}>"

    # --- asyncio's protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport, left: float | None = None) -> None:
        """Get the socket, and what is left of the time for the first head, in seconds; None: all of it."""
        # uvloop's transports are no subclasses of asyncio's.
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow = Flow(self)
        patience = self._timeouts.handshake
        left = patience if left is None else left
        self._waiting = self.loop.time() + left - patience
        self._wheel.add(self, left)

    def data_received(self, data: bytes) -> None:
        """Parse a chunk; whoever sends a head without end gets to hear that it is too large."""
        if self._refused:
            return
        if self._refusal is not None:
            # For want of room: that is told of once for many.
            self._refuse(self._refusal, told=True)
            return
        if self.slot is None:
            self._wheel.add(self, self._timeouts.handshake)
        # A head has its time in all, the first from the connection on; a body from one part to the next.
        if self._answered is not None and not (self._in_head and self._head):
            self._waiting = self.loop.time()
        self._head += len(data)
        self._chunk = data
        super().data_received(data)
        self._chunk = b""
        if self._head > self._limits.head:
            self._refuse_head()
        elif self._bodies > PIPELINED_BODIES:
            self._refuse(
                HandshakeError(413, f"more than {PIPELINED_BODIES} bytes wait for their request's turn")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._wheel.remove(self)
        self._reception.leave(self.transport)
        if self._abort is not None:
            self._abort.cancel()
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    @property
    def has_enough(self) -> bool:
        """Whether many bytes of bodies wait, and the request before them need not learn of an end yet."""
        if self._answered is None or self._bodies <= HIGH_WATER_LIMIT:
            return False
        young = self.loop.time() - self._began < self._timeouts.handshake
        return young or self._answered.message_event.is_set()

    @property
    def _bodies(self) -> int:
        """Bytes of bodies whose requests' turn has not come."""
        return sum(len(cycle.body) for cycle, _ in self.pipeline)

    # --- The parser's callbacks ----------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; what a trailer says may be dropped (RFC 9110 § 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete, and can be measured; now its body has to come."""
        self._in_head, self._head = False, 0
        self._waiting = self.loop.time()
        line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n")
        size = line + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) + 2
        if size > self._limits.head:
            self._refuse_head()
        elif len(self.pipeline) >= PIPELINED:
            self._refuse(HandshakeError(429, f"more than {PIPELINED} requests wait for their responses"))
        elif not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused."""
        self._head = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete, and the next thing to come is another head."""
        self._in_head, self._head = True, 0
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket over, unless the request was refused."""
        if self.scope["http_version"] < "1.1":
            # uvicorn hands on every head as one of HTTP/1.1.
            self._refuse(HandshakeError(400, "HTTP version below 1.1 (RFC 6455 § 4.2.1)"))
        elif self._answering:
            # What answers it would come in the middle of the response to the request before.
            self._refuse(HandshakeError(400, "upgrade before the response before it (RFC 9112 § 9.3.2)"))
        if self._refused:
            return
        self._wheel.remove(self)
        if self.ws_protocol_class is WebSocketProtocol:
            self._upgrade()
        else:
            super().handle_websocket_upgrade()
        # The parser and this object refer to one another: neither should wait for the collector.
        del self.parser

    def _get_upgrade(self) -> bytes | None:
        # uvicorn's looks at the last line of the header only, and at no list (RFC 9110 § 5.3 and § 7.8).
        lines = [value for name, value in self.headers if name == b"upgrade"]
        wanted = [each.strip().lower() for each in b",".join(lines).split(b",")]
        return b"websocket" if b"websocket" in wanted else wanted[0]

    def _upgrade(self) -> None:
        """Do as uvicorn does, but hand the request over as it is, not as bytes to be parsed again."""
        self.connections.discard(self)
        protocol = WebSocketProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        scope = self.scope
        headers = [(COMMON.get(name, name), value) for name, value in scope["headers"]]
        request = Request(scope["method"], self.url.decode("latin-1"), scope["http_version"], headers)
        # What came with the head: RFC 6455 § 4.1 forbids it, but nothing is dropped without a word.
        upgrade = sys.exception()
        early = self._chunk[upgrade.args[0] :] if isinstance(upgrade, HttpParserUpgrade) else b""
        self.transport.set_protocol(protocol)
        protocol.begin(request, early)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered, self._began = cycle, self.loop.time()

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # Only a server that waits no longer cancels requests. What has begun is cut off, which
                # uvicorn tells in one line.
                if self._reception.farewell.within > 0:
                    raise
                if not cycle.response_started:
                    # None of those that wait behind it begins now.
                    close = {"Connection": "close"}
                    await PlainTextResponse("the server stops", 503, close)(scope, receive, send)
            except ClientDisconnect:
                # That its own client is gone is nothing that the application could have done about.
                if not cycle.disconnected:
                    raise

        super()._start_asgi_task(cycle, cast(Any, answer))

    # --- Refusing ------------------------------------------------------------------------------------

    def turn(self) -> float | None:
        """See whether what has to come took too long."""
        now, patience = self.loop.time(), self._timeouts.handshake
        if self._peer_waits:
            if self._answered is not None and not self._answered.message_event.is_set():
                # The application may wait for its client's end, which nobody sees while reading pauses.
                self.flow.resume_reading()
            # It may do so until the next turn, and then has all of its time.
            self._waiting = now + patience
            return patience
        if self.timeout_keep_alive_task is not None:
            # Between two requests uvicorn has a time-out.
            return None
        # Who was asked for its body since the last turn has not had its time yet.
        asked = self.expect_100_continue and not self._in_head
        left = self._waiting + patience * (1 + asked) - now
        if left > 0:
            return left
        if self._answering or (self._in_head and self._head):
            self._refuse(HandshakeError(408, "the request took too long"))
        else:
            self.transport.close()
        return None

    @property
    def _answering(self) -> bool:
        # There is none before the first request, whatever its annotation says.
        return bool(self.cycle) and not self.cycle.response_complete

    def _is_for(self, cycle: RequestResponseCycle) -> bool:
        """Whether a refusal now would be the response to this request: both its body and that are to come."""
        return cycle is self._answered and cycle.more_body and not cycle.response_started

    @property
    def _peer_waits(self) -> bool:
        """Whether it is the application's turn: to answer, or to ask for the body."""
        if not self._answering:
            return False
        # Who expects to be asked need not send a body that was answered first (RFC 9110 § 10.1.1).
        unasked = self.expect_100_continue and self.cycle.response_started
        return self._in_head or self.flow.read_paused or self.cycle.waiting_for_100_continue or unasked

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, which uvicorn has told of."""
        self._refuse(HandshakeError(400, msg), told=True)

    def _refuse_head(self) -> None:
        self._refuse(
            HandshakeError(431, f"request head of more than {self._limits.head} bytes (RFC 6585 § 5)")
        )

    def _refuse(self, error: HandshakeError, *, told: bool = False) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._wheel.remove(self)
        if not told:
            logger.info("%s:%d - request refused: %s", *(self.client or UNKNOWN), error)
        if self._answering and not self._is_for(self.cycle):
            # What is written now would become a part of the response to another request.
            self.transport.close()
        else:
            if self._answering:
                # For the application its client is gone, and nothing is asked of it.
                self.cycle.disconnected = True
                self.cycle.waiting_for_100_continue = False
                self.cycle.message_event.set()
            self.transport.write(error.response())
            end_writing(self.transport)
        self._abort = self.loop.call_later(self._timeouts.close, self.transport.abort)
