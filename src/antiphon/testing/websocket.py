"""The client's end of a WebSocket to an application in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

from starlette.datastructures import Headers

from antiphon.codec import decoder, encode, encode_json
from antiphon.errors import ConnectionClosed, WebSocketDisconnect
from antiphon.testing.link import HandshakeRefused, Link

_text = decoder("text")
_bytes = decoder("bytes")
_json = decoder("json")


class TestWebSocket:
    """A WebSocket to the application; made by ``TestClient.websocket``, used with ``async with``.

    Leaving the block closes it with 1000 if it is open, waits until the application has ended its work on
    it, and raises what the application raised.

    Args:
        connect: Begins the connection.
        path: What is asked for; errors name it.
        timeout: Seconds that connecting, each receive, and the application's end may take.
        raise_exceptions: Whether the application's exceptions are raised here.

    Attributes:
        subprotocol: The accepted subprotocol, if any.
        headers: The headers of the accepting response; a mapping that ignores case.
    """

    __test__ = False  # It is no test case, whatever pytest makes of its name.

    def __init__(
        self, connect: Callable[[], Link], path: str, *, timeout: float, raise_exceptions: bool
    ) -> None:
        self.subprotocol: str | None = None
        self.headers = Headers()
        self._connect = connect
        self._path = path
        self._timeout = timeout
        self._raise = raise_exceptions
        self._connected: Link | None = None
        self._received = 0
        self._over = False
        self._told = False

    def __repr__(self) -> str:
        link = self._connected
        state = "not connected" if link is None else link.state.value
        if link is not None and link.code is not None:
            state += f" {link.code} {link.reason!r}"
        return f"<TestWebSocket {self._path} {state}, {self._received} received>"

    @property
    def closed(self) -> bool:
        """Whether the connection is closed, by whichever side; what came before may still be received."""
        return self._link.code is not None

    @property
    def close_code(self) -> int | None:
        """The close code, once the connection is closed."""
        return self._link.code

    @property
    def close_reason(self) -> str:
        """The close reason, empty when there is none."""
        return self._link.reason

    @property
    def unread(self) -> int:
        """Messages that have come from the application and are not received yet."""
        return self._link.unread

    @property
    def untaken(self) -> int:
        """Messages that the application has not taken yet."""
        return self._link.untaken

    async def __aenter__(self) -> TestWebSocket:
        link = self._connected = self._connect()
        try:
            await self._handshake(link)
        except HandshakeRefused:
            # What the application raised, if it did, says more than the status.
            await self._end(link)
            raise
        except BaseException:
            link.leave(1006)
            link.task.cancel()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        link = self._link
        link.leave(1000)
        try:
            await self._end(link)
        except Exception as failure:
            # The application's failure explains a disconnect; it only accompanies any other error.
            if error is None or isinstance(error, WebSocketDisconnect):
                raise
            error.add_note(f"The application failed too: {failure!r}")

    # --- Receiving -----------------------------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Receive the next message: text as ``str``, binary as ``bytes``.

        Args:
            timeout: Seconds to wait; the client's default if None.

        Raises:
            WebSocketDisconnect: The connection is closed; it has the code and the reason.
            TimeoutError: Nothing comes in time.
        """
        return await self._message("a message", timeout)

    async def receive_text(self, timeout: float | None = None) -> str:
        """Receive the next message, which must be text.

        Raises:
            InvalidMessage: It is binary; otherwise as ``receive``.
        """
        text: str = _text(await self._message("a text message", timeout))
        return text

    async def receive_bytes(self, timeout: float | None = None) -> bytes:
        """Receive the next message, which must be binary.

        Raises:
            InvalidMessage: It is text; otherwise as ``receive``.
        """
        data: bytes = _bytes(await self._message("a binary message", timeout))
        return data

    async def receive_json(self, timeout: float | None = None) -> Any:
        """Receive the next message, which must be JSON.

        Raises:
            InvalidMessage: It is no JSON; otherwise as ``receive``.
        """
        return _json(await self._message("a JSON message", timeout))

    async def receive_close(self, timeout: float | None = None) -> WebSocketDisconnect:
        """Wait for the application to close the connection.

        Returns:
            The close code and reason.

        Raises:
            AssertionError: A message comes instead.
            TimeoutError: Neither comes in time.
        """
        try:
            message = await self._message("the close", timeout)
        except WebSocketDisconnect as closed:
            return closed
        raise AssertionError(f"a close was due, and a message came: {message!r}")

    def __aiter__(self) -> TestWebSocket:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except WebSocketDisconnect:
            raise StopAsyncIteration from None

    # --- Sending -------------------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        """Send text (``str``), binary (bytes), or anything else as JSON text.

        Raises:
            WebSocketDisconnect: The connection is closed.
        """
        encoded = encode(message)
        if self.closed:
            raise self._gone(self._link)
        self._link.put(encoded)

    async def send_text(self, message: str) -> None:
        """Send a text message. Raises as ``send``."""
        await self.send(str(message))

    async def send_bytes(self, message: bytes) -> None:
        """Send a binary message. Raises as ``send``."""
        await self.send(bytes(message))

    async def send_json(self, message: Any) -> None:
        """Send a message as JSON text. Raises as ``send``."""
        await self.send(encode_json(message))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, as a well-behaved client does; once closed, nothing happens."""
        self._link.leave(code, reason)

    async def abort(self) -> None:
        """Vanish without a close frame: for the application that is 1006."""
        self._link.leave(1006)

    async def ended(self, timeout: float | None = None) -> None:
        """Wait until the application has ended its work on this connection.

        Raises:
            TimeoutError: It does not in time.
            Exception: What the application raised, if that is wanted; leaving the block does not raise it
                again.
        """
        await self._end(self._link, timeout)

    # --- Inside --------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link:
        if self._connected is None:
            raise RuntimeError("not connected: async with client.websocket(...) as ws")
        return self._connected

    async def _handshake(self, link: Link) -> None:
        event = await self._event(link, "the handshake's answer", self._timeout)
        match event:
            case {"type": "websocket.accept"}:
                self.subprotocol = event.get("subprotocol")
                self.headers = Headers(raw=list(event.get("headers") or ()))
            case {"type": "websocket.close"}:
                raise HandshakeRefused(403, Headers(), b"")
            case {"type": "websocket.http.response.start", "status": status}:
                headers = Headers(raw=list(event.get("headers") or ()))
                raise HandshakeRefused(status, headers, await self._body(link))
            case _:
                raise HandshakeRefused(500, Headers(), b"")

    async def _body(self, link: Link) -> bytes:
        body = b""
        while event := await self._event(link, "the rest of the refusal", self._timeout):
            body += event.get("body", b"")
            if not event.get("more_body", False):
                break
        return body

    async def _message(self, awaited: str, timeout: float | None) -> str | bytes:
        link = self._link
        if self._over:
            raise self._gone(link)
        event = await self._event(link, awaited, self._timeout if timeout is None else timeout)
        if event is None or event["type"] == "websocket.close":
            self._over = True
            raise self._gone(link)
        self._received += 1
        text = event.get("text")
        message: str | bytes = event["bytes"] if text is None else text
        return message

    async def _event(self, link: Link, awaited: str, timeout: float) -> Any:
        try:
            async with asyncio.timeout(timeout):
                return await link.get()
        except TimeoutError:
            raise TimeoutError(f"waited {timeout:g} s for {awaited} on {self!r}") from None

    def _gone(self, link: Link) -> WebSocketDisconnect:
        kind = ConnectionClosed if link.left else WebSocketDisconnect
        return kind(link.code or 1006, link.reason)

    async def _end(self, link: Link, timeout: float | None = None) -> None:
        wait = self._timeout if timeout is None else timeout
        done, _ = await asyncio.wait([link.task], timeout=wait)
        if not done:
            link.task.cancel()
            raise TimeoutError(f"waited {wait:g} s for the application to end its work on {self!r}")
        failure = None if link.task.cancelled() else link.task.exception()
        if failure is not None and self._raise and not self._told:
            self._told = True
            raise failure
