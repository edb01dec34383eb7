"""docs/guide/recovery.md: what a client that comes back is given, and told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from antiphon import Antiphon, History, Position, WebSocket
from antiphon.brokers import MemoryBroker
from antiphon.errors import PositionLost
from antiphon.testing import TestClient
from tests.docs.conftest import Load, eventually
from tests.docs.programs import programs, write_files
from tests.docs.test_endpoints import refusal
from tests.examples.visitor import ARGUMENTS
from tests.servers import LiveServer

PAGE = "docs/guide/recovery.md"


@pytest.fixture
def match(tmp_path: Path) -> Iterator[LiveServer]:
    """The page's match, served."""
    write_files(PAGE, tmp_path)
    (tmp_path / "served.py").write_text(programs(PAGE)["match"].source)
    with LiveServer.antiphon("served:app", cwd=tmp_path) as server:
        yield server


async def test_what_is_no_position(load: Load) -> None:
    """What is no position is refused with 400, and why."""
    async with TestClient(load(PAGE, "news").app) as client:
        status, text = await refusal(client, "/news?since=yesterday")
        assert (status, "offset.epoch" in str(text)) == (400, True)


async def test_history_then_live(load: Load) -> None:
    """First the past, then what comes; who returns gets what it missed, who is lost the recent ones."""
    app = load(PAGE, "match").app
    async with TestClient(app) as client:
        await client.post("/matches/7", json="kick-off")
        async with client.websocket("/matches/7") as ws:
            start = await ws.receive_json()
            assert (start["lost"], start["past"]) == (False, ["kick-off"])
            await eventually(lambda: app.channel("match:7").subscribers == 1)
            await client.post("/matches/7", json="goal")
            last = await ws.receive_json()
            assert last["data"] == "goal"
        for number in range(60):
            await client.post("/matches/7", json=number)
            if number == 10:
                early = (await app.channel("match:7").history(limit=0)).position
        async with client.websocket(f"/matches/7?since={early}") as ws:
            again = await ws.receive_json()
            assert (again["lost"], again["past"]) == (False, list(range(11, 60)))
        async with client.websocket(f"/matches/7?since={last['offset']}.{last['epoch']}") as ws:
            lost = await ws.receive_json()
            assert (lost["lost"], lost["past"]) == (True, list(range(10, 60)))


def test_page_comes_back(match: LiveServer, chromium_path: Path) -> None:
    """The page shows what was missed once, and begins anew when the server has forgotten."""

    def report(text: str) -> None:
        httpx.post(match.http("/matches/7"), json=text).raise_for_status()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        page = browser.new_page()
        sockets = []

        def route(ws):  # type: ignore[no-untyped-def]
            ws.connect_to_server()
            sockets.append(ws)

        page.route_web_socket("**/matches/7", route)
        page.route_web_socket("**/matches/7?*", route)
        items = page.locator("li")
        report("kick-off")
        page.goto(match.http("/"))
        expect(items).to_have_text(["kick-off"])
        report("goal")
        expect(items).to_have_text(["kick-off", "goal"])
        sockets[-1].close()
        report("foul")
        expect(items).to_have_text(["kick-off", "goal", "foul"])
        assert len(sockets) == 2
        match.stop()
        match.start()
        report("second half")
        expect(items).to_have_text(["second half"], timeout=20_000)
        browser.close()


async def test_feed(load: Load) -> None:
    """A worker goes on where it was; one that has missed too much is told."""
    module = load(PAGE, "feed")
    channel = module.app.channel("orders")
    async with TestClient(module.app):
        first = asyncio.create_task(module.work())
        await eventually(lambda: channel.subscribers == 1)
        for data in (1, "stop", 2):
            await channel.publish(data)
        position = await first
        again = asyncio.create_task(module.work(position))
        await channel.publish("stop")
        assert (await again).offset == 4
        assert module.done == [1, 2]
        async with channel.subscribe(since=Position(1, "gone")) as feed:
            assert feed.recovered is False


class Forgetful(MemoryBroker):
    """A broker whose server can lose its memory."""

    spans_processes = True

    def lose(self) -> None:
        """Forget every stream."""
        self._streams.clear()
        self._epoch = token_hex(4)


async def test_lost_while_connected() -> None:
    """When the broker loses its memory, WebSockets close with 4009 and feeds end with PositionLost."""
    broker = Forgetful()
    app = Antiphon(broker=broker)
    app.channels.define("news", history=History())

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("news")
        await ws.send("here")
        await ws.receive()

    async with (
        TestClient(app) as client,
        client.websocket("/") as ws,
        app.channel("news").subscribe() as feed,
    ):
        assert await ws.receive() == "here"
        await app.channel("news").publish("one")
        assert (await anext(feed)).data == "one"
        assert await ws.receive() == "one"
        broker.lose()
        await app.channel("news").publish("two")
        assert (await ws.receive_close()).code == 4009
        with pytest.raises(PositionLost):
            await anext(feed)
