"""One live client connection, as its handler holds it.

A WebSocket is the request it came from (Starlette's ``HTTPConnection``) and a ``Connection``, with the
methods a handler wants on top. It accepts itself on first use, raises one exception for every way of being
gone, and knows nothing of endpoints, channels or servers: what it needs of them is handed to it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import Scope

from antiphon.codec import decoder, encode_json, encoder
from antiphon.connection.asgi_events import receive_event, send_event
from antiphon.connection.connection import Connection
from antiphon.connection.options import Asked, Options, Subscriptions
from antiphon.connection.phase import Phase
from antiphon.connection.prepared import Prepared
from antiphon.connection.transport import Headers, Transport
from antiphon.errors import ConfigurationError, WebSocketDisconnect
from antiphon.limits import Limits
from antiphon.subscription import Member, Position, Subscription

HeaderInput = Mapping[str, str] | Iterable[tuple[bytes, bytes]]

_decode_text = decoder("text")
_decode_bytes = decoder("bytes")
_decode_json = decoder("json")
_encode_text = encoder("text")
_encode_bytes = encoder("bytes")


class WebSocket(HTTPConnection, Connection):
    """A live client connection.

    Besides what is below it has what every request has: ``url``, ``headers``, ``query_params``,
    ``path_params``, ``cookies``, ``client``, ``session``, ``user``, ``state``, ``app``.
    """

    __slots__ = ("_subscriptions",)

    def __init__(self, scope: Scope, transport: Transport, options: Options, limits: Limits) -> None:
        HTTPConnection.__init__(self, scope)
        Connection.__init__(self, transport, options, limits)
        self._subscriptions: Subscriptions | None = None

    def __repr__(self) -> str:
        path = quote(self.scope.get("path", ""), "/ ")  # goes into logs: on one line
        return f"<{type(self).__name__} {path} {self._phase.value} {self.id}>"

    @property
    def endpoint(self) -> Any:
        """The endpoint it came to: its ``broadcast``, ``send_to`` and ``connections``."""
        return self.scope["endpoint"]

    # --- Handshake and close -------------------------------------------------------------------------

    async def accept(self, subprotocol: str | None = None, headers: HeaderInput | None = None) -> None:
        """Accept the handshake, which the first use would do by itself.

        Args:
            subprotocol: One of those the client offers in ``Sec-WebSocket-Protocol``.
            headers: Additional response headers, as a mapping or as pairs of bytes.

        Raises:
            RuntimeError: It was accepted before.
            WebSocketDisconnect: It was refused before, or the client is gone.
            ConfigurationError: The client does not offer that subprotocol (RFC 6455 § 4.2.2).
        """
        offered = self.scope.get("subprotocols") or []
        if subprotocol is not None and subprotocol not in offered:
            raise ConfigurationError(
                f"the client does not offer the subprotocol {subprotocol!r}, only {offered}"
                " (RFC 6455 § 4.2.2)"
            )
        self.open(subprotocol, _header_pairs(headers))

    async def reject(
        self, status: int = 403, headers: HeaderInput | None = None, body: str | bytes = b""
    ) -> None:
        """Refuse the handshake with an HTTP response.

        What the view does with the WebSocket afterwards ends the view quietly.

        Args:
            status: The HTTP status; servers that can't send one answer 403.
            headers: Response headers.
            body: The response's body; the client sees it.

        Raises:
            RuntimeError: It was accepted before; ``close`` it instead.
        """
        content = body.encode() if isinstance(body, str) else body
        self.refuse(status, _header_pairs(headers), content)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; before it is accepted, refuse the handshake.

        Args:
            code: 1000-1003, 1007-1014 or 3000-4999 (RFC 6455 § 7.4).
            reason: At most 123 bytes of UTF-8 (RFC 6455 § 5.5).

        Raises:
            RuntimeError: It was closed before; see ``ensure_closed``.
            ValueError: The code may not be sent, or the reason is too long.
            WebSocketDisconnect: The client is gone already.
        """
        if self._phase is Phase.CONNECTING:
            self.refuse()
        else:
            self.end(code, reason)

    async def ensure_closed(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection unless it is closed already; never an error."""
        if not self.closed:
            await self.close(code, reason)

    async def __aenter__(self) -> WebSocket:
        if self.closed:
            raise self.gone()
        if self._phase is not Phase.OPEN:
            self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # Another connection's disconnect is not this one's end.
        if isinstance(error, WebSocketDisconnect) and self.closed:
            return self.catches(error.code)
        await self.ensure_closed(1000 if error is None else 1011)
        return False

    # --- Receiving -----------------------------------------------------------------------------------

    async def receive(self) -> Any:
        """Receive the next message, as the endpoint's ``receive_type`` says.

        Raises:
            WebSocketDisconnect: The connection is gone.
            InvalidMessage: The message does not fit the type.
        """
        return self._options.decode(await self.next_message())

    async def receive_text(self) -> str:
        """Receive the next message, which must be text. Raises as ``receive``."""
        message: str = _decode_text(await self.next_message())
        return message

    async def receive_bytes(self) -> bytes:
        """Receive the next message, which must be binary. Raises as ``receive``."""
        message: bytes = _decode_bytes(await self.next_message())
        return message

    async def receive_json(self) -> Any:
        """Receive the next message, which must be JSON. Raises as ``receive``."""
        return _decode_json(await self.next_message())

    async def receive_event(self) -> dict[str, Any]:
        """Receive the next message or the end, as a raw ASGI event; never a disconnect."""
        return await receive_event(self)

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> Any:
        inbox = self.inbox
        try:
            while not inbox.waiting:
                self.use()
                await inbox.wait()
        except WebSocketDisconnect as gone:
            if self.catches(gone.code):
                raise StopAsyncIteration from None
            raise
        # What ``inbox.pop`` does, without a call for each message.
        message = inbox.waiting.pop(0)
        if inbox.paused:
            inbox.relax()
        return self._options.decode(message)

    # --- Sending -------------------------------------------------------------------------------------

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Send a message, as the endpoint's ``send_type`` says.

        Waits while the outbox is above its high-water mark.

        Raises:
            WebSocketDisconnect: The connection is gone.
            TypeError: The message does not fit the type, or JSON.
        """
        # No coroutine of its own: it would be paid for with each message.
        return self.write(self._options.encode(message))

    async def send_text(self, message: str) -> None:
        """Send a text message. Raises as ``send``."""
        await self.write(_encode_text(message))

    async def send_bytes(self, message: bytes) -> None:
        """Send a binary message. Raises as ``send``."""
        await self.write(_encode_bytes(message))

    async def send_json(self, message: Any) -> None:
        """Send a message as JSON text. Raises as ``send``."""
        await self.write(encode_json(message))

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Do what a raw ASGI event says: accept, send or close. Raises as those do."""
        await send_event(self, event)

    def send_nowait(self, message: Any) -> None:
        """Send a message without waiting, from any thread.

        A client that reads too slowly to have room for it is disconnected with 4008.

        Raises:
            WebSocketDisconnect: The connection is gone.
            RuntimeError: It is not accepted, and the endpoint does not accept by itself.
            TypeError: The message does not fit the type, or JSON.
        """
        prepared = Prepared((self._options.encode(message),))
        self.check_usable()
        self.call_soon(self.write_nowait, prepared)

    # --- Channels ------------------------------------------------------------------------------------

    async def subscribe(
        self,
        channel: str,
        *,
        since: Position | None = None,
        envelope: bool = False,
        presence: bool = False,
        member: Member | Literal[False] | None = None,
    ) -> Subscription:
        """Receive a channel's publications on this connection until it ends.

        Args:
            channel: The channel's name.
            since: Send first what came after this position, if the channel's history has all of it; the
                result's ``recovered`` says so.
            envelope: Send each publication as an object with its channel, event, data, id, offset,
                epoch and time, rather than its data alone.
            presence: Send the channel's joins and leaves as well, and say who is present.
            member: As whom this connection is present where the channel keeps presence; None: as the
                request's user if it is authenticated, otherwise as itself. False: not at all.

        Raises:
            WebSocketDisconnect: The connection is gone.
            InvalidChannel: No channel can have that name.
            SubscriptionRefused: The channel does not let it in.
            BrokerUnavailable: What carries channels between processes cannot be reached.
            ConfigurationError: The channel keeps no presence, and it is asked for.
        """
        self.check_usable()
        return await self._channels().add(channel, Asked(since, envelope, presence, member))

    async def unsubscribe(self, channel: str) -> None:
        """Receive a channel's publications no more."""
        await self._channels().remove(channel)

    def _channels(self) -> Subscriptions:
        if self._subscriptions is None:
            if self.keeper is None:
                raise ConfigurationError("this WebSocket belongs to no application with channels")
            self._subscriptions = self.keeper.subscriptions(self)
        return self._subscriptions


def _header_pairs(headers: HeaderInput | None) -> Headers:
    if headers is None:
        return ()
    if isinstance(headers, Mapping):
        return tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        )
    return tuple(headers)
