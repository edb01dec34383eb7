"""Reaching connections: broadcast, send_to, channels, from every kind of code."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse

from antiphon import Antiphon, InvalidMessage, Limits, WebSocket, WebSocketDisconnect
from antiphon.errors import AntiphonError, InvalidChannel
from antiphon.testing import TestClient


@pytest.fixture
def app() -> Antiphon:
    return Antiphon()


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


class TestOrder:
    """What one handler sends and publishes arrives in the order of the program."""

    async def test_broadcast_then_send(self, app: Antiphon, client: TestClient) -> None:
        """A broadcast reaches the sender before what it sends next, and before the close."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.endpoint.broadcast("first")
            await ws.send("second")
            ws.endpoint.broadcast_nowait("third")
            ws.send_nowait("fourth")
            await ws.endpoint.broadcast("fifth")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["first", "second", "third", "fourth", "fifth"]
            assert ws.close_code == 1000

    async def test_publish_then_send(self, app: Antiphon, client: TestClient) -> None:
        """A publication reaches its publisher before what it sends next, whatever way it is sent."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await app.channel("news").publish("1")
            await ws.send_text("2")
            app.channel("news").publish_nowait("3")
            await ws.send_event({"type": "websocket.send", "text": "4"})
            await app.channel("news").publish("5")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["1", "2", "3", "4", "5"]

    async def test_return_value_is_last(self, app: Antiphon, client: TestClient) -> None:
        """A handler's return value is sent after all that the handler sent and broadcast itself."""
        endpoint = app.events("/")

        @endpoint.on("message")
        async def answer(ws: WebSocket, message: str) -> str:
            ws.send_nowait("now")
            await endpoint.broadcast("to all")
            await ws.send("sent")
            return "returned"

        async with client.websocket("/") as ws:
            await ws.send("go")
            assert [await ws.receive() for _ in range(4)] == ["now", "to all", "sent", "returned"]

    async def test_return_value_of_a_plain_function_is_last(self, app: Antiphon, client: TestClient) -> None:
        """The same holds for a plain function in its worker thread."""
        endpoint = app.events("/")

        @endpoint.on("message")
        def answer(ws: WebSocket, message: str) -> str:
            for number in range(3):
                ws.send_nowait(str(number))
            endpoint.broadcast_nowait("to all")
            return "returned"

        async with client.websocket("/") as ws:
            await ws.send("go")
            assert [await ws.receive() for _ in range(5)] == ["0", "1", "2", "to all", "returned"]

    async def test_all_receive_in_one_order(self, app: Antiphon, client: TestClient) -> None:
        """Every subscriber sees the publications of several publishers in the same order."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.send("ready")
            async for message in ws:
                for number in range(20):
                    await app.channel("news").publish(f"{message}{number}")
                    await asyncio.sleep(0)

        async with client.websocket("/") as one, client.websocket("/") as two, client.websocket("/") as three:
            sockets = (one, two, three)
            for ws in sockets:
                assert await ws.receive() == "ready"
            for ws, name in zip(sockets, "abc", strict=True):
                await ws.send(name)
            received = [[await ws.receive() for _ in range(60)] for ws in sockets]
        assert received[0] == received[1] == received[2]
        for name in "abc":
            own = [each for each in received[0] if str(each).startswith(name)]
            assert own == [f"{name}{number}" for number in range(20)]

    async def test_newcomer(self, app: Antiphon, client: TestClient) -> None:
        """What is broadcast before a connection is accepted is not for that connection."""
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> str:
            await endpoint.broadcast("somebody comes")
            return "welcome"

        async with client.websocket("/") as one:
            assert await one.receive() == "welcome"
            async with client.websocket("/") as two:
                assert await two.receive() == "welcome"
                assert await one.receive() == "somebody comes"
                assert (one.unread, two.unread) == (0, 0)


class TestBroadcast:
    """`endpoint.broadcast` reaches all open connections of the endpoint, and nobody else."""

    @pytest.fixture
    def endpoint(self, app: Antiphon) -> Any:
        endpoint = app.events("/rooms/{room}")

        @endpoint.on("connect")
        def joined(ws: WebSocket) -> str:
            return ws.id

        return endpoint

    async def test_everybody_of_the_endpoint(self, app: Antiphon, endpoint: Any, client: TestClient) -> None:
        """All paths of the endpoint get it; another endpoint gets nothing."""
        other = app.events("/other")
        async with (
            client.websocket("/rooms/1") as one,
            client.websocket("/rooms/2") as two,
            client.websocket("/other") as three,
        ):
            assert {await one.receive(), await two.receive()} == set(endpoint.connections)
            await endpoint.broadcast({"n": 1})
            await other.broadcast(b"other")
            assert await one.receive_json() == {"n": 1}
            assert await two.receive_json() == {"n": 1}
            assert await three.receive_bytes() == b"other"
        assert not endpoint.connections
        assert not other.connections

    @pytest.mark.parametrize("form", ["socket", "id", "sockets", "ids", "set"])
    async def test_exclude(self, endpoint: Any, client: TestClient, form: str) -> None:
        """`exclude` takes a WebSocket, an id, or several, and leaves out these only."""
        async with client.websocket("/rooms/1") as one, client.websocket("/rooms/1") as two:
            excluded = await one.receive_text()
            await two.receive()
            ws = endpoint.connections[excluded]
            forms = {"socket": ws, "id": ws.id, "sockets": [ws], "ids": (ws.id,), "set": {ws.id, "unknown"}}
            await endpoint.broadcast("not for one", exclude=forms[form])
            await endpoint.broadcast("for both")
            assert [await two.receive(), await two.receive()] == ["not for one", "for both"]
            assert await one.receive() == "for both"
            assert one.unread == 0

    async def test_to_nobody(self, app: Antiphon, endpoint: Any, client: TestClient) -> None:
        """Broadcasting where nobody is connected is no error."""
        await endpoint.broadcast("hello?")
        endpoint.broadcast_nowait("hello?")

    async def test_what_cannot_be_encoded(self, endpoint: Any, client: TestClient) -> None:
        """What JSON cannot hold, or UTF-8 cannot, is the broadcaster's error and disconnects nobody."""
        async with client.websocket("/rooms/1") as ws:
            await ws.receive()
            with pytest.raises(TypeError):
                await endpoint.broadcast(object())
            with pytest.raises(ValueError, match="surrogate"):
                await endpoint.broadcast("half a character: \ud800")
            await endpoint.broadcast("fine")
            assert await ws.receive() == "fine"

    async def test_text_that_means_something_elsewhere(self, endpoint: Any, client: TestClient) -> None:
        """No text is magic: 'Connection closed' disconnects nobody."""
        async with client.websocket("/rooms/1") as ws:
            await ws.receive()
            await endpoint.broadcast("Connection closed")
            await endpoint.broadcast("more")
            assert [await ws.receive(), await ws.receive()] == ["Connection closed", "more"]

    async def test_without_an_application(self) -> None:
        """An endpoint that belongs to no application says so."""
        from antiphon import websocket

        @websocket("/")
        async def view(ws: WebSocket) -> None: ...

        with pytest.raises(AntiphonError, match=r"part of no application.*routes"):
            await view.broadcast("hello")


class TestSendTo:
    """`endpoint.send_to` reaches one connection, and is harmless with any other id."""

    async def test_one(self, app: Antiphon, client: TestClient) -> None:
        """Only the one with the id gets it."""
        endpoint = app.events("/")

        @endpoint.on("connect")
        def joined(ws: WebSocket) -> str:
            return ws.id

        async with client.websocket("/") as one, client.websocket("/") as two:
            first, second = await one.receive(), await two.receive()
            assert await endpoint.send_to(first, "one")
            assert await endpoint.send_to(second, {"two": 2})
            assert endpoint.send_to_nowait(first, b"three")
            assert [await one.receive(), await one.receive()] == ["one", b"three"]
            assert await two.receive_json() == {"two": 2}
        assert not await endpoint.send_to(first, "gone")
        assert not endpoint.send_to_nowait(first, "gone")

    @pytest.mark.parametrize(
        "id", ["", "unknown", None, 7, 1.5, b"x", [], {}, set(), object(), uuid.uuid4(), SimpleNamespace()]
    )
    async def test_unknown(self, app: Antiphon, client: TestClient, id: object) -> None:
        """An id that no connection has, of whatever type, is False and no exception."""
        endpoint = app.events("/")
        async with client.websocket("/") as ws:
            assert await endpoint.send_to(id, "x") is False
            assert endpoint.send_to_nowait(id, "x") is False
            assert ws.unread == 0

    async def test_connection_that_closes(self, app: Antiphon, client: TestClient) -> None:
        """A connection that is closing counts as gone."""
        results = []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.close()
            results.append(await ws.endpoint.send_to(ws.id, "late"))
            results.append(ws.endpoint.send_to_nowait(ws.id, "late"))

        async with client.websocket("/") as ws:
            assert (await ws.receive_close()).code == 1000
        assert results == [False, False]


class TestFromAnywhere:
    """Views, handlers, HTTP handlers, background tasks and threads publish alike."""

    async def test_http_handler_and_background_task(self, app: Antiphon, client: TestClient) -> None:
        """An HTTP handler, sync or async, and its background task publish to live subscribers."""
        channel = app.channel("orders")

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("orders")
            await ws.send("ready")
            await ws.receive()

        @app.post("/async")
        async def create() -> PlainTextResponse:
            await channel.publish({"from": "async"})
            return PlainTextResponse("ok", background=BackgroundTask(channel.publish, {"from": "task"}))

        @app.post("/sync")
        def create_in_thread() -> str:
            channel.publish_nowait({"from": "thread"})
            return "ok"

        async with client.websocket("/") as ws:
            await ws.receive()
            await client.post("/async")
            await client.post("/sync")
            received = [await ws.receive_json() for _ in range(3)]
            assert received == [{"from": "async"}, {"from": "task"}, {"from": "thread"}]

    async def test_worker_thread(self, app: Antiphon, client: TestClient) -> None:
        """`send_nowait`, `publish_nowait`, `broadcast_nowait` and `send_to_nowait` work from a thread."""
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket) -> None:
            await ws.subscribe("news")

        @endpoint.on("message")
        def work(ws: WebSocket, message: str) -> None:
            ws.send_nowait("sent")
            app.channel("news").publish_nowait("published")
            endpoint.broadcast_nowait("broadcast")
            assert endpoint.send_to_nowait(ws.id, "sent to")

        async with client.websocket("/") as ws:
            await ws.send("go")
            assert [await ws.receive() for _ in range(4)] == ["sent", "published", "broadcast", "sent to"]

    async def test_thread_with_its_own_event_loop(self, app: Antiphon, client: TestClient) -> None:
        """A thread that runs another event loop publishes on the application's loop all the same."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.send("ready")
            await ws.receive()

        async def elsewhere() -> None:
            app.channel("news").publish_nowait("from another loop")

        async with client.websocket("/") as ws:
            await ws.receive()
            await asyncio.to_thread(asyncio.run, elsewhere())
            assert await ws.receive() == "from another loop"

    async def test_send_nowait_in_order_from_threads(self, app: Antiphon, client: TestClient) -> None:
        """What one thread sends arrives in its order, also while others send."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()

            def send(name: str) -> None:
                for number in range(50):
                    ws.send_nowait([name, number])

            await asyncio.gather(*(asyncio.to_thread(send, name) for name in "abc"))

        async with client.websocket("/") as ws:
            received = [await ws.receive_json() for _ in range(150)]
        for name in "abc":
            assert [number for sender, number in received if sender == name] == list(range(50))

    async def test_not_running(self, app: Antiphon) -> None:
        """Publishing from a thread for an application that does not run says so."""
        with pytest.raises(AntiphonError, match="does not run"):
            await asyncio.to_thread(app.channel("news").publish_nowait, "x")

    async def test_awaited_on_another_event_loop(self, app: Antiphon, client: TestClient) -> None:
        """What has to be awaited on the application's loop says so elsewhere, and nobody else notices."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.receive()

        async with client.websocket("/") as ws:
            await app.channel("news").publish("before")
            for publish in (app.channel("news").publish, app.endpoints["/"].broadcast):
                with pytest.raises(AntiphonError, match="publish_nowait"):
                    await asyncio.to_thread(asyncio.run, publish("lost"))
            app.channel("news").publish_nowait("after")
            assert [await ws.receive(), await ws.receive()] == ["before", "after"]

    async def test_after_the_loop_has_ended(self) -> None:
        """A WebSocket kept beyond the end of its event loop is gone, not an obscure error."""
        app, kept = Antiphon(), []

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            kept.append(ws)
            await ws.accept()
            await asyncio.Event().wait()

        async def talk() -> None:
            client = TestClient(app)
            await client.websocket("/").__aenter__()

        await asyncio.to_thread(asyncio.run, talk())
        with pytest.raises(WebSocketDisconnect):
            kept[0].send_nowait("too late")


class TestChannels:
    """Subscribing a WebSocket to channels."""

    async def test_subscribe_twice_and_unsubscribe(self, app: Antiphon, client: TestClient) -> None:
        """Subscribing twice delivers once; unsubscribed, or never subscribed, delivers nothing."""
        news = app.channel("news")

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.subscribe("news")
            await news.publish("once")
            await ws.unsubscribe("news")
            await ws.unsubscribe("news")
            await ws.unsubscribe("other")
            await news.publish("not for me")
            await ws.send("end")

        async with client.websocket("/") as ws:
            assert [each async for each in ws] == ["once", "end"]
        assert news.subscribers == 0

    async def test_envelope(self, app: Antiphon, client: TestClient) -> None:
        """With an envelope, a publication is an object with its channel, event, data, id and time."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news", envelope=True)
            await app.channel("news").publish({"n": 1}, event="said", id="a")

        async with client.websocket("/") as ws:
            received = await ws.receive_json()
        assert received.pop("time") > 1_700_000_000
        assert received == {
            "channel": "news",
            "event": "said",
            "data": {"n": 1},
            "id": "a",
            "offset": None,
            "epoch": None,
        }

    async def test_publish_excluding(self, app: Antiphon, client: TestClient) -> None:
        """A publication leaves out whom it excludes, and only that publication does."""

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.send("ready")
            async for message in ws:
                await app.channel("news").publish(message, exclude=ws)
                await app.channel("news").publish("to all")

        async with client.websocket("/") as one, client.websocket("/") as two:
            assert (await one.receive(), await two.receive()) == ("ready", "ready")
            await one.send("from one")
            assert [await two.receive(), await two.receive()] == ["from one", "to all"]
            assert await one.receive() == "to all"

    async def test_subscriptions_end_with_the_connection(self, app: Antiphon, client: TestClient) -> None:
        """However a connection ends, its subscriptions end with it."""
        news = app.channel("news")

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.subscribe("news")
            await ws.send("ready")
            await ws.receive()

        async with client.websocket("/") as closed, client.websocket("/") as aborted:
            await closed.receive()
            await aborted.receive()
            assert news.subscribers == 2
            await closed.close()
            await aborted.abort()
            await closed.ended()
            await aborted.ended()
            assert news.subscribers == 0

    @pytest.mark.parametrize("name", ["", "a b", "\n", "x" * 201, "$internal", "ä" * 101])
    async def test_impossible_names(self, app: Antiphon, client: TestClient, name: str) -> None:
        """A channel name that cannot be is refused wherever it is used."""
        with pytest.raises(InvalidChannel):
            app.channel(name)

        @app.websocket("/")
        async def view(ws: WebSocket) -> str | None:
            with pytest.raises(InvalidChannel):
                await ws.subscribe(name)

        async with client.websocket("/") as ws:
            assert (await ws.receive_close()).code == 1000


class TestSlowPeers:
    """A peer that does not read is disconnected; nobody waits for it."""

    async def test_overflow_closes_with_4008_and_delays_nobody(self, caplog: Any) -> None:
        """The slow peer's outbox overflows and it is closed with 4008; the fast one gets everything."""
        app = Antiphon(limits=Limits(outbox=10_000, high_water=1_000))
        endpoint = app.events("/")
        overflown = []
        app.observe(lambda signal: overflown.append(signal) if "waiting_bytes" in dir(signal) else None)
        async with TestClient(app) as client, client.websocket("/") as fast:
            async with client.websocket("/", buffer=1) as slow:
                for number in range(40):
                    await endpoint.broadcast(f"{number:1000}")
                    assert int(await fast.receive_text()) == number
                assert [int(await slow.receive_text()) for _ in range(2)] == [0, 1]
                end = await slow.receive_close()
                assert (end.code, end.reason) == (4008, "too slow: the outbox is full")
            assert len(endpoint.connections) == 1
        assert [each.waiting_bytes for each in overflown] == [10_000]
        assert "reads too slowly" in caplog.text

    async def test_awaiting_send_waits_instead(self) -> None:
        """A view that awaits its sends to a slow peer is held back and loses nothing."""
        app = Antiphon(limits=Limits(outbox=4_000, high_water=1_000))

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            for number in range(30):
                await ws.send(f"{number:1000}")

        async with TestClient(app) as client, client.websocket("/", buffer=1) as ws:
            assert [int(each) async for each in ws] == list(range(30))

    async def test_message_that_fits_only_an_empty_outbox(self) -> None:
        """A message nearly as large as the outbox waits until it fits, also behind a small one."""
        app = Antiphon(limits=Limits(outbox=1_000, high_water=900))

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            for size in (10, 10, 10, 995, 2_000, 10):
                await ws.send("x" * size)

        async with TestClient(app) as client, client.websocket("/", buffer=1) as ws:
            assert [len(each) async for each in ws] == [10, 10, 10, 995, 2_000, 10]

    async def test_peer_that_never_reads_does_not_stay(self) -> None:
        """After an overflow the connection ends within `timeouts.close`, though the peer reads nothing."""
        from antiphon import Timeouts

        app = Antiphon(limits=Limits(outbox=1_000, high_water=100), timeouts=Timeouts(close=0.05, accept=100))
        endpoint = app.events("/")
        ended = asyncio.Event()

        @endpoint.on("close")
        async def left() -> None:
            ended.set()

        async with TestClient(app) as client, client.websocket("/", buffer=1):
            for _ in range(10):
                await endpoint.broadcast("x" * 500)
                await asyncio.sleep(0)
            await asyncio.wait_for(ended.wait(), 5)
            assert not endpoint.connections


async def test_invalid_message_is_a_value_error() -> None:
    """What does not fit can be caught without importing Antiphon's errors."""
    assert issubclass(InvalidMessage, ValueError)
