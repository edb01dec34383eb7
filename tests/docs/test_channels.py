"""docs/guide/channels.md: who gets what, from where."""

import asyncio

import pytest

from antiphon import Antiphon, WebSocket
from antiphon.channels import ChannelLimits, FeedOverflow
from antiphon.errors import AntiphonError, InvalidChannel, PublicationTooLarge
from antiphon.testing import TestClient
from tests.docs.conftest import Load, eventually
from tests.docs.test_endpoints import refusal

PAGE = "docs/guide/channels.md"


async def test_endpoint(load: Load) -> None:
    """A broadcast reaches all but whom it excludes; send_to reaches one, or says that there is none."""
    app = load(PAGE, "endpoint").app
    async with TestClient(app) as client, client.websocket("/chat") as ada:
        (ada_id,) = (await client.get("/here")).json()["connections"]
        async with client.websocket("/chat") as bob:
            (bob_id,) = set((await client.get("/here")).json()["connections"]) - {ada_id}
            assert await ada.receive() == f"{bob_id} comes"

            await bob.send("hello")
            assert await ada.receive() == "hello"
            await ada.send(f"@{bob_id} just you")
            assert await bob.receive() == "just you"
            await bob.send("@nobody hello?")
            assert await bob.receive() == "nobody has this id"
            assert ada.unread == 0


async def test_channels(load: Load) -> None:
    """Data alone, or in an envelope; unsubscribing; the other topic hears nothing."""
    app = load(PAGE, "channels").app
    async with (
        TestClient(app) as client,
        client.websocket("/news/tea") as plain,
        client.websocket("/news/coffee") as other,
        client.websocket("/detailed/tea") as detailed,
    ):
        await eventually(lambda: app.channel("news:tea").subscribers == 2)
        assert (await client.post("/news/tea", json={"id": "7", "text": "hot"})).status == 204
        assert await plain.receive_json() == {"id": "7", "text": "hot"}
        envelope = await detailed.receive_json()
        assert envelope.pop("time") > 1.6e9
        assert envelope == {
            "channel": "news:tea",
            "event": "printed",
            "data": {"id": "7", "text": "hot"},
            "id": "7",
            "offset": None,
            "epoch": None,
        }
        await detailed.send("stop")
        assert await detailed.receive() == "stopped"
        assert app.channel("news:tea").subscribers == 1
        assert other.unread == 0


async def test_define(load: Load) -> None:
    """A rule lets in or refuses with 403; positions, recovery, ids and limits are as the pattern says."""
    app = load(PAGE, "define").app
    async with TestClient(app) as client:
        assert (await refusal(client, "/teams/green?name=Eve"))[0] == 403
        assert (await refusal(client, "/teams/red?name=Ada"))[0] == 403
        async with client.websocket("/teams/green?name=Ada") as ada:
            await ada.send("hello")
            first = await ada.receive_json()
            assert (first["event"], first["data"], first["offset"]) == ("said", "hello", 1)
        since = f"{first['offset']}.{first['epoch']}"
        for _ in range(2):
            answer = await client.post("/teams/green/news", json={"text": "goal", "id": "7"})
            assert answer.json() == {"position": f"2.{first['epoch']}"}
        async with client.websocket(f"/teams/green?name=Bob&since={since}") as bob:
            assert (await bob.receive_json())["data"] == "goal"
        assert (await client.get("/teams/green/recent")).json() == ["hello", "goal"]
        with pytest.raises(PublicationTooLarge):
            await app.channel("team:green").publish("x" * 4097)
        assert await app.channel("price:tea").publish(1) is None


async def test_refused_later() -> None:
    """Who is accepted already and may not enter is closed with 4403; code may subscribe whom it likes."""
    app = Antiphon()
    app.channels.define("a:{name}", authorize=lambda ws, name: False)

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.accept()
        await ws.subscribe("a:b")

    async with TestClient(app) as client, client.websocket("/") as ws, app.channel("a:b").subscribe():
        assert (await ws.receive_close()).code == 4403


async def test_crowded() -> None:
    """A channel with as many subscribers as it may have refuses the next one."""
    app = Antiphon()
    app.channels.define("a", limits=ChannelLimits(subscribers=1))

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("a")
        async for _ in ws:
            pass

    async with TestClient(app) as client, client.websocket("/"):
        await eventually(lambda: app.channel("a").subscribers == 1)
        async with client.websocket("/") as late:
            assert (await late.receive_close()).code == 4403


async def test_binary_in_an_envelope() -> None:
    """Binary data is base64 in an envelope."""
    app = Antiphon()

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("a", envelope=True)
        await app.channel("a").publish(b"\x00\xff")
        await ws.receive()

    async with TestClient(app) as client, client.websocket("/") as ws:
        assert (await ws.receive_json())["data"] == "AP8="


async def test_statistics() -> None:
    """The numbers that the page names are there."""
    app = Antiphon()
    async with TestClient(app), app.channel("a").subscribe():
        await app.channel("a").publish(1)
        told = app.channels.statistics()
    assert told["channels"] == told["subscribers"] == told["received"] == 1
    assert (told["repaired"], told["lost"], told["dropped"], told["outage"]) == (0, 0, 0, None)


@pytest.mark.parametrize("name", ["", "a b", "$x", "x" * 201, "a\n"])
def test_names(name: str) -> None:
    """What cannot be a channel's name."""
    with pytest.raises(InvalidChannel):
        Antiphon().channel(name)


async def test_feed(load: Load) -> None:
    """A task adds up what is published."""
    module = load(PAGE, "feed")
    async with TestClient(module.app) as client:
        await eventually(lambda: module.app.channel("orders").subscribers == 1)
        for count in (1, 2):
            await client.post("/orders", json={"item": "tea", "count": count})
        await eventually(lambda: module.totals == {"tea": 3})
        assert (await client.get("/totals")).json() == {"tea": 3}


async def test_slow_feed() -> None:
    """A reader that lags further than the limit gets FeedOverflow."""
    app = Antiphon()
    async with TestClient(app), app.channel("x").subscribe(limit=2) as feed:
        for number in range(3):
            await app.channel("x").publish(number)
        await asyncio.sleep(0.01)
        assert [(await anext(feed)).data for _ in range(2)] == [0, 1]
        with pytest.raises(FeedOverflow):
            await anext(feed)


async def test_threads(load: Load) -> None:
    """A plain function tells its progress, publishes and returns; a thread broadcasts."""
    app = load(PAGE, "threads").app
    async with (
        TestClient(app) as client,
        client.websocket("/jobs") as ws,
        app.channel("done").subscribe() as feed,
    ):
        await ws.send("job 1")
        assert [await ws.receive_json() for _ in range(3)] == [{"percent": n} for n in (0, 50, 100)]
        assert await ws.receive() == "done"
        assert (await anext(feed)).data == "job 1"
        await client.post("/alarm")
        assert await ws.receive() == "alarm!"


def test_an_application_that_does_not_run() -> None:
    """Publishing without waiting needs an application that runs."""
    with pytest.raises(AntiphonError, match="does not run"):
        Antiphon().channel("x").publish_nowait("y")


async def test_order_of_sending_and_publishing() -> None:
    """What a handler publishes and sends arrives in the order of the calls, its result last."""
    app = Antiphon()
    desk = app.events("/")

    @desk.on("message")
    async def said(ws, message):  # type: ignore[no-untyped-def]
        await ws.subscribe("x")
        await app.channel("x").publish("1")
        await ws.send("2")
        app.channel("x").publish_nowait("3")
        await desk.broadcast("4")
        await ws.send("5")
        return "6"

    async with TestClient(app) as client, client.websocket("/") as ws:
        await ws.send("go")
        assert [await ws.receive() for _ in range(6)] == list("123456")
