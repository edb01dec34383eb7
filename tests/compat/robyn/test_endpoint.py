"""Handlers of Robyn's ``WebSocket``: what they are given, in what order they run, what their end means."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import websockets
from starlette.exceptions import HTTPException
from websockets.asyncio.client import ClientConnection

from antiphon.compat.robyn import Robyn, WebSocket
from antiphon.errors import BindingError, ConfigurationError, WebSocketException
from tests.compat.live import ended, said, serving, vanish, ws


@pytest.fixture
def app() -> Robyn:
    return Robyn(__file__)


@pytest.fixture
def endpoint(app: Robyn) -> WebSocket:
    return WebSocket(app, "/ws")


async def send_anyway(client: ClientConnection) -> None:
    """Send a message to a server that may just be closing."""
    with suppress(websockets.ConnectionClosed):
        await client.send("x")


class TestParameters:
    """A handler takes what its parameters' names ask for, in any number and order."""

    @pytest.mark.parametrize(
        ("handler", "answer"),
        [
            (lambda: "nothing", "nothing"),
            (lambda ws: ws.query_params.get("n"), "1"),
            (lambda msg: msg, "hi"),
            (lambda message: message, "hi"),
            (lambda websocket_connector, message: message, "hi"),
            (lambda ws, msg: msg, "hi"),
            (lambda msg, ws: msg, "hi"),
            (lambda someone, text: text, "hi"),
            (lambda connector, data: data, "hi"),
            (lambda ws, msg, global_dependencies: global_dependencies["a"], "A"),
            (lambda ws, msg, router_dependencies, global_dependencies: router_dependencies["b"], "B"),
            (lambda a, b: a + b, "AB"),
            (lambda ws, msg, *, b: b, "B"),
        ],
    )
    async def test_message(
        self, app: Robyn, endpoint: WebSocket, handler: Callable[..., Any], answer: str
    ) -> None:
        """From no parameter to four, by name or by position."""
        endpoint.inject_global(a="A")
        endpoint.inject(b="B")
        endpoint.on("message")(handler)
        async with serving(app) as address, ws(address, "/ws?n=1") as client:
            await client.send("hi")
            assert await said(client) == answer

    async def test_connect_and_close(self, app: Robyn, endpoint: WebSocket) -> None:
        """They have no message; where they ask for one by Robyn's name, it is empty."""
        closed = asyncio.Event()

        @endpoint.on("connect")
        def connect(ws: Any, msg: str) -> str:
            return f"[{msg}]"

        @endpoint.on("close")
        async def close(msg: str) -> None:
            assert msg == ""
            closed.set()

        async with serving(app) as address:
            async with ws(address, "/ws") as client:
                assert await said(client) == "[]"
            await asyncio.wait_for(closed.wait(), 5)

    async def test_query_and_path(self, app: Robyn) -> None:
        """Path and query parameters come by name, converted."""
        endpoint = WebSocket(app, "/room/<int:room>")

        @endpoint.on("message")
        def message(room: int, number: int, flag: bool = False) -> list[Any]:
            return [room, number, flag]

        async with serving(app) as address, ws(address, "/room/7?number=3&flag=on") as client:
            await client.send("")
            assert await said(client) == "[7,3,true]"

    def test_nothing_fits(self, app: Robyn, endpoint: WebSocket) -> None:
        """What nothing fills is told when the application starts."""
        endpoint.on("message")(lambda ws, msg, nobody, knows: None)
        with pytest.raises(BindingError, match="'nobody'"):
            app.start(port=0)


class TestRegistration:
    """``on`` registers handlers, each of them optional."""

    def test_wrong_event(self, endpoint: WebSocket) -> None:
        """An event that does not exist is an error at the decorator."""
        with pytest.raises(BindingError, match="no event 'open'"):
            endpoint.on("open")

    async def test_returns_the_function(self, app: Robyn, endpoint: WebSocket) -> None:
        """The decorated name stays usable, for another event too; the last registered counts."""

        @endpoint.on("message")
        def first() -> str:
            return "first"

        @endpoint.on("connect")
        @endpoint.on("message")
        def last() -> str:
            return "last"

        assert (first(), last()) == ("first", "last")
        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send("")
            assert [await said(client), await said(client)] == ["last", "last"]

    async def test_none_at_all(self, app: Robyn, endpoint: WebSocket) -> None:
        """An endpoint without handlers accepts and ignores."""
        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send("anyone?")
            await (await client.ping())
            assert len(endpoint.connections) == 1

    def test_same_path(self, app: Robyn, endpoint: WebSocket) -> None:
        """A second endpoint of one path is an error."""
        with pytest.raises(ConfigurationError, match="already"):
            WebSocket(app, "/ws")


class TestOrder:
    """The handlers of one connection run one at a time."""

    async def test_serial(self, app: Robyn, endpoint: WebSocket) -> None:
        """``connect`` ends before the first message; a slow message holds up the next."""
        go = asyncio.Event()

        @endpoint.on("connect")
        async def connect() -> str:
            await go.wait()
            return "connected"

        @endpoint.on("message")
        async def message(ws: Any, msg: str) -> str:
            for _ in range(5 if msg == "slow" else 0):
                await asyncio.sleep(0)
            return msg

        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send("slow")
            await client.send("fast")
            go.set()
            assert [await said(client) for _ in range(3)] == ["connected", "slow", "fast"]

    async def test_plain_function_stalls_nobody(self, app: Robyn, endpoint: WebSocket) -> None:
        """While a plain function of one client waits, another client is served."""
        go = threading.Event()

        @endpoint.on("message")
        def message(ws: Any, msg: str) -> str:
            assert threading.current_thread() is not threading.main_thread()
            if msg == "wait":
                assert go.wait(10)
            return msg

        async with serving(app) as address, ws(address, "/ws") as slow, ws(address, "/ws") as fast:
            await slow.send("wait")
            await fast.send("hi")
            assert await said(fast) == "hi"
            go.set()
            assert await said(slow) == "wait"

    async def test_ping(self, app: Robyn, endpoint: WebSocket) -> None:
        """A client's ping is answered, and is no event."""
        runs: list[str] = []
        endpoint.on("connect")(lambda: runs.append("connect"))
        async with serving(app) as address, ws(address, "/ws") as client:
            await (await client.ping())
            await (await client.ping())
        assert runs == ["connect"]


class TestReplies:
    """What a handler returns is sent, after what it sent itself."""

    @pytest.mark.parametrize(
        ("value", "sent"),
        [("x", "x"), ("", ""), (b"x", b"x"), (5, "5"), ({"a": [1]}, '{"a":[1]}'), (False, "false")],
    )
    async def test_values(self, app: Robyn, endpoint: WebSocket, value: Any, sent: Any) -> None:
        """Text as text, bytes as binary, everything else as JSON."""
        endpoint.on("message")(lambda: value)
        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send("")
            assert await said(client) == sent

    async def test_none(self, app: Robyn, endpoint: WebSocket) -> None:
        """None is not sent, whether from a plain function or a coroutine."""

        @endpoint.on("message")
        async def message(ws: Any, msg: str) -> str | None:
            return msg or None

        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send("")
            await client.send("something")
            assert await said(client) == "something"

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_last(self, app: Robyn, endpoint: WebSocket, asynchronous: bool) -> None:
        """It goes out behind broadcasts and direct messages, which keep their order."""

        def plain(ws: Any, msg: str) -> str:
            ws.sync_broadcast("1")
            ws.sync_send_to(ws.id, "2")
            ws.sync_broadcast("3")
            return "4"

        async def coroutine(ws: Any, msg: str) -> str:
            await ws.async_broadcast("1")
            ws.sync_send_to(ws.id, "2")
            ws.sync_broadcast("3")
            return "4"

        endpoint.on("message")(coroutine if asynchronous else plain)
        async with serving(app) as address, ws(address, "/ws") as client:
            for _ in range(20):
                await client.send("")
                assert [await said(client) for _ in range(4)] == ["1", "2", "3", "4"]

    async def test_binary(self, app: Robyn, endpoint: WebSocket) -> None:
        """A binary message reaches the handler, as bytes."""
        endpoint.on("message")(lambda ws, msg: msg[::-1])
        async with serving(app) as address, ws(address, "/ws") as client:
            await client.send(b"abc")
            assert await said(client) == b"cba"


class TestErrors:
    """An exception ends the connection it happened on, and nothing else."""

    @pytest.mark.parametrize(
        ("error", "end"),
        [
            (ValueError("secret"), (1011, "")),
            (WebSocketException(4001, "not you"), (4001, "not you")),
            (HTTPException(401, "who are you?"), (4401, "who are you?")),
        ],
    )
    @pytest.mark.parametrize("event", ["connect", "message"])
    async def test_isolated(
        self, app: Robyn, endpoint: WebSocket, error: Exception, end: Any, event: str, caplog: Any
    ) -> None:
        """The client is told a code; others are served on; ``close`` runs once."""
        caplog.set_level(logging.CRITICAL, "antiphon")
        closes: list[str] = []

        @endpoint.on(event)
        def handler(ws: Any) -> str:
            if "bad" in ws.query_params:
                raise error
            return "fine"

        endpoint.on("close")(lambda ws: closes.append(ws.id))
        async with serving(app) as address, ws(address, "/ws") as good, ws(address, "/ws?bad") as bad:
            await send_anyway(bad)
            assert await ended(bad) == end
            if event == "message":
                await good.send("x")
            assert await said(good) == "fine"
        assert len(closes) == len(set(closes)) == 2


class TestClose:
    """``close`` runs once for every connection, however it ends."""

    @pytest.mark.parametrize("how", ["clean", "abort", "server"])
    async def test_once(self, app: Robyn, endpoint: WebSocket, how: str) -> None:
        """By the client, by a broken connection, by the handler."""
        closes: asyncio.Queue[str] = asyncio.Queue()

        @endpoint.on("message")
        async def message(ws: Any) -> None:
            await ws.close()

        @endpoint.on("close")
        async def close(ws: Any) -> None:
            closes.put_nowait(ws.id)

        async with serving(app) as address:
            async with ws(address, "/ws") as client:
                if how == "server":
                    await client.send("")
                    assert await ended(client) == (1000, "")
                elif how == "abort":
                    vanish(client)
            await asyncio.wait_for(closes.get(), 5)
            assert not endpoint.connections
        assert closes.empty()

    async def test_shutdown(self, app: Robyn, endpoint: WebSocket) -> None:
        """When the server stops, clients are told 1001, and every close handler has run."""
        closes: list[str] = []
        endpoint.on("close")(lambda ws: closes.append(ws.id))
        async with serving(app) as address:
            clients = [await ws(address, "/ws") for _ in range(5)]
        for client in clients:
            await client.wait_closed()
            assert client.close_code == 1001
        assert len(closes) == len(set(closes)) == 5

    async def test_in_connect(self, app: Robyn, endpoint: WebSocket) -> None:
        """After ``close()`` in ``connect`` no message handler runs."""
        runs: list[str] = []
        gone = asyncio.Event()
        endpoint.on("connect")(lambda ws: ws.close(4000, "full"))
        endpoint.on("message")(lambda: runs.append("message"))

        @endpoint.on("close")
        async def close() -> None:
            runs.append("close")
            gone.set()

        async with serving(app) as address:
            async with ws(address, "/ws") as client:
                await send_anyway(client)
                assert await ended(client) == (4000, "full")
            await asyncio.wait_for(gone.wait(), 5)
        assert runs == ["close"]

    async def test_in_a_plain_message_handler(self, app: Robyn, endpoint: WebSocket) -> None:
        """After ``close()`` in a worker thread messages that wait already are not handled any more."""
        runs: list[str] = []
        go = threading.Event()

        @endpoint.on("connect")
        def connect() -> None:
            assert go.wait(10)

        @endpoint.on("message")
        def message(ws: Any, msg: str) -> None:
            runs.append(msg)
            ws.close()

        async with serving(app) as address, ws(address, "/ws") as client:
            for number in range(5):
                await client.send(str(number))
            await (await client.ping())
            go.set()
            assert await ended(client) == (1000, "")
        assert runs == ["0"]

    async def test_churn(self, app: Robyn, endpoint: WebSocket) -> None:
        """Connections that came and went leave nothing behind."""
        left = asyncio.Semaphore(0)

        @endpoint.on("close")
        async def close() -> None:
            left.release()

        async with serving(app) as address:
            for number in range(100):
                async with ws(address, "/ws") as client:
                    if number % 2:
                        vanish(client)
            for _ in range(100):
                await asyncio.wait_for(left.acquire(), 5)
            assert not endpoint.connections
