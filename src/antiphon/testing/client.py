"""A client for tests: it talks to any ASGI application in process, without a port.

Nothing here waits for ever: starting, connecting, every receive and every end has a timeout, and its
error says what was waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any

from starlette.types import ASGIApp

from antiphon.codec import encode_json
from antiphon.testing.http import Response, exchange
from antiphon.testing.lifespan import Lifespan
from antiphon.testing.link import DENIAL, Link
from antiphon.testing.scope import Address, HeaderInput, handshake_headers, header_pairs, make_scope
from antiphon.testing.websocket import TestWebSocket


class TestClient:
    """Talks to an application: ``async with TestClient(app) as client``; its lifespan is within.

    Args:
        app: Any ASGI application.
        base_url: Where it seems to be served.
        headers: Headers of every request and handshake.
        timeout: Seconds that anything awaited may take, unless a call says otherwise.
        raise_exceptions: Whether what the application raises is raised in the test: by the request, or
            on leaving the WebSocket. If not, the client sees what any client would.

    Attributes:
        cookies: Sent with every request and handshake; responses set them.

    Raises:
        ConfigurationError: ``base_url`` is no address.
    """

    __test__ = False  # It is no test case, whatever pytest makes of its name.

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "http://testserver",
        headers: HeaderInput | None = None,
        timeout: float = 5.0,
        raise_exceptions: bool = True,
    ) -> None:
        self.cookies: dict[str, str] = {}
        self._app = app
        self._address = Address(base_url)
        self._headers = header_pairs(headers)
        self._timeout = timeout
        self._raise = raise_exceptions
        self._lifespan = Lifespan(app, timeout)

    async def __aenter__(self) -> TestClient:
        await self._lifespan.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"The application failed to stop too: {failure!r}")

    async def stop(self) -> None:
        """Stop the application, as a server does that ends; leaving the block does it otherwise.

        Raises:
            TimeoutError: It does not stop in time.
            Exception: What the application raised.
        """
        await self._lifespan.stop()

    # --- WebSockets ----------------------------------------------------------------------------------

    def websocket(
        self,
        path: str,
        *,
        headers: HeaderInput | None = None,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        buffer: int | None = None,
        timeout: float | None = None,
    ) -> TestWebSocket:
        """Open a WebSocket: ``async with client.websocket("/rooms/7?name=Ada") as ws``.

        Args:
            path: The path, with its query.
            headers: Headers of the handshake.
            subprotocols: Subprotocols to offer.
            origin: The page it comes from, as a browser says; None for a client that is no browser.
            buffer: Messages that this client takes without receiving them; when more wait, it is a slow
                reader and holds the application back. None: without limit.
            timeout: Seconds for whatever is awaited on it.

        Entering the block raises:
            HandshakeRefused: The application refuses, with status, headers and body.
            TimeoutError: It neither accepts nor refuses in time.
            Exception: What the application raised.
        """
        asked = handshake_headers(subprotocols, origin)

        def connect() -> Link:
            scope = make_scope(
                "websocket", path, self._request_headers(asked, headers), self._address, self._lifespan.state
            )
            scope |= {"subprotocols": list(subprotocols), "extensions": {DENIAL: {}}}
            return Link(self._app, scope, buffer)

        return TestWebSocket(
            connect,
            path,
            timeout=self._timeout if timeout is None else timeout,
            raise_exceptions=self._raise,
        )

    # --- HTTP ----------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: HeaderInput | None = None,
        body: str | bytes = b"",
        json: Any = None,
        timeout: float | None = None,
    ) -> Response:
        """Make an HTTP request and wait for the whole response; redirects are not followed.

        Args:
            method: As ``"GET"``.
            path: The path, with its query.
            headers: Headers of the request.
            body: The body.
            json: The body, to be sent as JSON.
            timeout: Seconds to wait; the client's default if None.

        Raises:
            TimeoutError: The response is not complete in time.
            Exception: What the application raised.
        """
        standard = {}
        if json is not None:
            body = encode_json(json)
            standard["content-type"] = "application/json"
        content = body.encode() if isinstance(body, str) else body
        standard["content-length"] = str(len(content))
        scope = make_scope(
            "http", path, self._request_headers(standard, headers), self._address, self._lifespan.state
        )
        scope["method"] = method.upper()
        response = await exchange(
            self._app,
            scope,
            content,
            timeout=self._timeout if timeout is None else timeout,
            raise_exceptions=self._raise,
        )
        self._keep_cookies(response)
        return response

    async def get(self, path: str, *, headers: HeaderInput | None = None) -> Response:
        """Make a GET request. Raises as ``request``."""
        return await self.request("GET", path, headers=headers)

    async def delete(self, path: str, *, headers: HeaderInput | None = None) -> Response:
        """Make a DELETE request. Raises as ``request``."""
        return await self.request("DELETE", path, headers=headers)

    async def post(
        self, path: str, *, body: str | bytes = b"", json: Any = None, headers: HeaderInput | None = None
    ) -> Response:
        """Make a POST request. Raises as ``request``."""
        return await self.request("POST", path, body=body, json=json, headers=headers)

    async def put(
        self, path: str, *, body: str | bytes = b"", json: Any = None, headers: HeaderInput | None = None
    ) -> Response:
        """Make a PUT request. Raises as ``request``."""
        return await self.request("PUT", path, body=body, json=json, headers=headers)

    async def patch(
        self, path: str, *, body: str | bytes = b"", json: Any = None, headers: HeaderInput | None = None
    ) -> Response:
        """Make a PATCH request. Raises as ``request``."""
        return await self.request("PATCH", path, body=body, json=json, headers=headers)

    # --- Inside --------------------------------------------------------------------------------------

    def _request_headers(
        self, standard: dict[str, str], given: HeaderInput | None
    ) -> list[tuple[bytes, bytes]]:
        standard = {"host": self._address.host, "user-agent": "antiphon.testing", **standard}
        if self.cookies:
            standard["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        common = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers]
        return header_pairs(standard, common, given)

    def _keep_cookies(self, response: Response) -> None:
        for line in response.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
