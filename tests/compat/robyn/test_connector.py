"""Robyn's ``WebSocketConnector``: sending to all, to one, to nobody; closing."""

import asyncio
from typing import Any

import pytest

from antiphon.compat.robyn import Robyn, WebSocket, WebSocketConnector
from antiphon.errors import ConnectionClosed, WebSocketDisconnect
from tests.compat.live import ended, said, serving, ws


class Meeting:
    """An endpoint that keeps its connectors, for tests to use them as handlers do."""

    def __init__(self, path: str = "/ws") -> None:
        self.app = Robyn(__file__)
        self.endpoint = WebSocket(self.app, path)
        self._came: asyncio.Queue[WebSocketConnector] = asyncio.Queue()
        self._went: asyncio.Queue[WebSocketConnector] = asyncio.Queue()
        self.endpoint.on("connect")(self._connect)
        self.endpoint.on("close")(self._close)

    async def came(self) -> WebSocketConnector:
        """Who connects next."""
        return await asyncio.wait_for(self._came.get(), 5)

    async def went(self) -> WebSocketConnector:
        """Who has left next."""
        return await asyncio.wait_for(self._went.get(), 5)

    async def _connect(self, ws: WebSocketConnector) -> None:
        self._came.put_nowait(ws)

    async def _close(self, ws: WebSocketConnector) -> None:
        self._went.put_nowait(ws)


@pytest.fixture
def meeting() -> Meeting:
    return Meeting()


class TestBroadcast:
    """Everyone of the endpoint gets it, the sender included."""

    async def test_order(self, meeting: Meeting) -> None:
        """Every receiver gets everything, in order, from both kinds of call."""
        async with serving(meeting.app) as address, ws(address, "/ws") as a, ws(address, "/ws") as b:
            sender, _ = await meeting.came(), await meeting.came()
            for number in range(0, 100, 2):
                await sender.async_broadcast(str(number))
                await asyncio.to_thread(sender.sync_broadcast, str(number + 1))
            for client in (a, b):
                assert [await said(client) for _ in range(100)] == [str(n) for n in range(100)]

    async def test_exclude(self, meeting: Meeting) -> None:
        """It can leave somebody out."""
        async with serving(meeting.app) as address, ws(address, "/ws") as a:
            first = await meeting.came()
            async with ws(address, "/ws") as b:
                await meeting.came()
                await first.async_broadcast("others", exclude=first)
                first.sync_broadcast("all")
                assert [await said(b), await said(b), await said(a)] == ["others", "all", "all"]

    async def test_own_endpoint(self) -> None:
        """Clients of another endpoint do not get it."""
        meeting = Meeting()
        other = WebSocket(meeting.app, "/other")
        other.on("message")(lambda ws, msg: msg)
        async with serving(meeting.app) as address, ws(address, "/ws") as a, ws(address, "/other") as b:
            await (await meeting.came()).async_broadcast("x")
            assert await said(a) == "x"
            await b.send("only this")
            assert await said(b) == "only this"

    async def test_magic_text(self, meeting: Meeting) -> None:
        """The text that disconnects Robyn's clients is a text like any other."""
        async with serving(meeting.app) as address, ws(address, "/ws") as a, ws(address, "/ws") as b:
            sender = await meeting.came()
            await sender.async_broadcast("Connection closed")
            await sender.async_send_to(sender.id, "Connection closed")
            await sender.async_broadcast("still here")
            heard = [[await said(client) for _ in range(2)] for client in (a, b)]
            assert heard[0][0] == heard[1][0] == "Connection closed"
            assert len(meeting.endpoint.connections) == 2


class TestSendTo:
    """One connection gets it, by its id."""

    async def test_one(self, meeting: Meeting) -> None:
        """By position, or by either name of the parameter."""
        async with serving(meeting.app) as address, ws(address, "/ws") as a:
            first = await meeting.came()
            async with ws(address, "/ws"):
                second = await meeting.came()
                assert await second.async_send_to(first.id, "1")
                assert await second.async_send_to(sender_id=first.id, message="2")
                assert await second.async_send_to(recipient_id=first.id, message="3")
                assert second.sync_send_to(recipient_id=first.id, message="4")
                assert await asyncio.to_thread(second.sync_send_to, sender_id=first.id, message=b"5")
                assert [await said(a) for _ in range(5)] == ["1", "2", "3", "4", b"5"]

    @pytest.mark.parametrize("id", ["nope", "00000000-0000-4000-8000-000000000000", "", 5, None, [1], {}])
    async def test_unknown(self, meeting: Meeting, id: Any) -> None:
        """An id that nobody has harms nobody."""
        async with serving(meeting.app) as address, ws(address, "/ws") as client:
            sender = await meeting.came()
            assert await sender.async_send_to(id, "x") is False
            assert await asyncio.to_thread(sender.sync_send_to, id, "x") is False
            await sender.async_send_to(sender.id, "fine")
            assert await said(client) == "fine"

    async def test_gone(self, meeting: Meeting) -> None:
        """The id of somebody who has left is one that nobody has."""
        async with serving(meeting.app) as address, ws(address, "/ws"):
            sender = await meeting.came()
            async with ws(address, "/ws"):
                other = await meeting.came()
            assert await meeting.went() is other
            assert await sender.async_send_to(other.id, "x") is False
            assert sender.sync_send_to(other.id, "x") is False

    async def test_own_connection_gone(self, meeting: Meeting) -> None:
        """Sending to oneself says that the connection is over, so that a loop can end."""
        async with serving(meeting.app) as address:
            async with ws(address, "/ws"):
                connector = await meeting.came()
            await meeting.went()
            with pytest.raises(ConnectionClosed):
                await connector.async_send_to(connector.id, "x")
            with pytest.raises(WebSocketDisconnect):
                connector.sync_send_to(connector.id, "x")
            connector.sync_broadcast("nobody hears this, and that is fine")

    async def test_without_message(self, meeting: Meeting) -> None:
        """A forgotten message is a mistake."""
        async with serving(meeting.app) as address, ws(address, "/ws"):
            connector = await meeting.came()
            with pytest.raises(TypeError, match="no message"):
                connector.sync_send_to(connector.id)


class TestClose:
    """A real close frame, from anywhere, as often as one likes."""

    async def test_defaults(self, meeting: Meeting) -> None:
        """1000 without a reason; what was sent before arrives before."""
        async with serving(meeting.app) as address, ws(address, "/ws") as client:
            connector = await meeting.came()
            connector.sync_broadcast("bye")
            connector.close()
            connector.close()
            assert await said(client) == "bye"
            assert await ended(client) == (1000, "")

    async def test_from_a_thread(self, meeting: Meeting) -> None:
        """With a code and a reason; the connection counts as closed at once."""

        def leave(connector: WebSocketConnector) -> None:
            connector.sync_send_to(connector.id, "bye")
            connector.close(4000, "enough")
            with pytest.raises(ConnectionClosed):
                connector.sync_send_to(connector.id, "x")

        async with serving(meeting.app) as address, ws(address, "/ws") as client:
            await asyncio.to_thread(leave, await meeting.came())
            assert await said(client) == "bye"
            assert await ended(client) == (4000, "enough")

    async def test_after_the_client(self, meeting: Meeting) -> None:
        """Closing what has gone is no error, awaited or not."""
        async with serving(meeting.app) as address:
            async with ws(address, "/ws"):
                connector = await meeting.came()
            await meeting.went()
            await connector.close()
            await connector.ensure_closed()

    @pytest.mark.parametrize(("code", "reason"), [(1005, ""), (99, ""), (1000, "x" * 124)])
    async def test_impossible(self, meeting: Meeting, code: int, reason: str) -> None:
        """What no close frame can hold is refused, and closes nothing."""
        async with serving(meeting.app) as address, ws(address, "/ws") as client:
            connector = await meeting.came()
            with pytest.raises(ValueError, match="RFC 6455"):
                connector.close(code, reason)
            await connector.async_broadcast("still here")
            assert await said(client) == "still here"


class TestRequest:
    """What a connector knows of the request it came from."""

    async def test_query_params(self) -> None:
        """URL-decoded, several values for a name; a path parameter cannot be forged by the query."""
        meeting = Meeting("/room/:room_id")
        path = "/room/red?name=Jos%C3%A9+X&room_id=blue&a=1&a=2"
        async with serving(meeting.app) as address, ws(address, path):
            params = (await meeting.came()).query_params
            assert params.get("name", "nobody") == "José X"
            assert params.get("room_id", "none") == "red"
            assert params.get_all("room_id") == ["red"]
            assert params.get_all("a") == ["1", "2"]
            assert params.get("missing", "default") == "default"

    async def test_the_rest(self) -> None:
        """Headers, path and client address are there as well."""
        meeting = Meeting("/room/<room_id>")
        key = {"x-key": "s3kr3t"}
        async with serving(meeting.app) as address, ws(address, "/room/red", additional_headers=key):
            connector = await meeting.came()
            assert connector.headers["X-Key"] == "s3kr3t"
            assert connector.path_params == {"room_id": "red"}
            assert connector.client is not None
            assert len(connector.id) == 36
