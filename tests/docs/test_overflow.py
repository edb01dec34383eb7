"""docs/guide/overflow.md: what becomes of a client that reads too slowly, and what it is told."""

import asyncio
import json
from typing import Any

import pytest

from antiphon import Antiphon, Limits, Overflow, WebSocket
from antiphon.channels import FeedOverflow
from antiphon.testing import TestClient
from tests.docs.conftest import Load, eventually

PAGE = "docs/guide/overflow.md"


async def test_prices(load: Load) -> None:
    """A slow reader gets the newest of each share at last, and is told how many it did not get."""
    app = load(PAGE, "prices").app
    channel = app.channel("prices")
    async with TestClient(app) as client, client.websocket("/prices", buffer=1) as slow:
        await eventually(lambda: channel.subscribers == 1)
        await client.post("/prices/tea", json="old" + "x" * 20_000)
        for number in range(500):
            for share in ("tea", "milk"):
                await channel.publish([number, "x" * 1000], event="price", key=share)
                await asyncio.sleep(0)
        got: list[dict[str, Any]] = []
        while sum(each["data"][0] == 499 for each in got) < 2:
            got.append(await slow.receive_json())
        dropped = sum(each.get("dropped", 0) for each in got)
        assert len(got) + dropped == 1001
        assert dropped == app.channels.statistics()["dropped"] > 900


def application(overflow: Overflow, envelope: bool = False) -> Antiphon:
    """A channel of one policy, with little room."""
    app = Antiphon(limits=Limits(outbox=4000, high_water=1000))
    app.channels.define("a", overflow=overflow)

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("a", envelope=envelope)
        async for _ in ws:
            pass

    return app


async def flood(app: Antiphon, name: str = "a", number: int = 100) -> None:
    """More than there is room for."""
    await eventually(lambda: app.channel(name).subscribers == 1)
    for each in range(number):
        await app.channel(name).publish([each, "x" * 300])
        # What one tick publishes is one batch, which an empty outbox takes whole.
        await asyncio.sleep(0)


async def test_close() -> None:
    """By default a slow client is disconnected with 4008."""
    app = application(Overflow.CLOSE)
    async with TestClient(app) as client, client.websocket("/", buffer=1) as slow:
        await flood(app)
        assert len([message async for message in slow]) < 100
        assert slow.close_code == 4008


@pytest.mark.parametrize(("overflow", "last"), [(Overflow.DROP_OLDEST, True), (Overflow.DROP_NEWEST, False)])
async def test_drop(overflow: Overflow, last: bool) -> None:
    """The oldest or the newest is dropped; a message before the next publication says how many."""
    app = application(overflow)
    async with TestClient(app) as client, client.websocket("/", buffer=1) as slow:
        await flood(app)
        got: list[int] = []
        told = 0
        while len(got) + app.channels.statistics()["dropped"] < 100 or not told:
            if len(got) + app.channels.statistics()["dropped"] == 100:
                # There is room again: the next publication tells what was dropped before it.
                await app.channel("a").publish([100])
            message = await slow.receive_json()
            if isinstance(message, dict):
                assert message.keys() == {"channel", "dropped"}
                told += message["dropped"]
            else:
                got.append(message[0])
        assert got == sorted(got)
        assert (99 in got) is last
        assert told == app.channels.statistics()["dropped"] > 0


async def test_observers(load: Load) -> None:
    """Observers hear of what was dropped and who was disconnected."""
    module = load(PAGE, "observe")
    module.app.limits = Limits(outbox=4000, high_water=1000)
    module.app.channels.define("a", overflow=Overflow.DROP_OLDEST)

    @module.app.websocket("/{channel}")
    async def view(ws: WebSocket, channel: str) -> None:
        await ws.subscribe(channel)
        async for _ in ws:
            pass

    async with TestClient(module.app) as client, client.websocket("/a", buffer=1) as slow:
        await flood(module.app)
        while True:
            text = await slow.receive()
            if "dropped" in text:
                break
        assert module.slow["a"] == json.loads(text)["dropped"]
        async with client.websocket("/b", buffer=1):
            await flood(module.app, "b")
            await eventually(lambda: module.slow.get("/{channel}") == 1)


@pytest.mark.parametrize("overflow", Overflow)
async def test_feeds(overflow: Overflow) -> None:
    """A feed ends after what waited, or loses some and counts them."""
    app = Antiphon()
    app.channels.define("a", overflow=overflow)
    async with TestClient(app), app.channel("a").subscribe(limit=2) as feed:
        for number in range(5):
            await app.channel("a").publish(number)
        await eventually(lambda: app.channels.statistics()["received"] == 5)
        got = [(await anext(feed)).data]
        while len(got) < 2 and overflow is not Overflow.LATEST:
            got.append((await anext(feed)).data)
        match overflow:
            case Overflow.CLOSE:
                assert got == [0, 1]
                with pytest.raises(FeedOverflow):
                    await anext(feed)
            case Overflow.DROP_OLDEST:
                assert (got, feed.lost) == ([3, 4], 3)
            case Overflow.DROP_NEWEST:
                assert (got, feed.lost) == ([0, 1], 3)
            case Overflow.LATEST:
                assert got[-1] in (0, 4)
