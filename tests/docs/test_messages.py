"""docs/guide/messages.md: what messages become, and what happens to those that do not fit."""

import pytest

from antiphon.testing import TestClient
from tests.docs.conftest import Load
from tests.docs.markdown import ROOT

PAGE = "docs/guide/messages.md"


async def test_views(load: Load) -> None:
    """Points are mirrored, JSON is JSON, and the patient view tells what is wrong."""
    app = load(PAGE, "views").app
    async with TestClient(app) as client:
        async with client.websocket("/mirror") as ws:
            await ws.send_json({"x": 1, "y": 2})
            assert await ws.receive_json() == {"x": 2, "y": 1}
            await ws.send_json({"x": 1})
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (1007, "Object missing required field `y`")
            assert closed.reason in (ROOT / PAGE).read_text()
        async with client.websocket("/json") as ws:
            await ws.send("[1]")
            assert await ws.receive_json() == {"you sent": [1]}
            await ws.send("no")
            assert (await ws.receive_close()).code == 1007
        async with client.websocket("/patient") as ws:
            await ws.send("no")
            assert (await ws.receive_json()).keys() == {"error"}
            await ws.send_json({"x": 1, "y": 2})
            assert await ws.receive_json() == {"sum": 3}


async def test_events(load: Load) -> None:
    """A union by tag; the error handler answers what fits neither."""
    app = load(PAGE, "events").app
    async with TestClient(app) as client, client.websocket("/board") as ws:
        await ws.send_json({"type": "draw", "x": 1, "y": 2})
        assert await ws.receive_json() == {"pixels": 1}
        await ws.send_json({"type": "erase"})
        assert "erase" in (await ws.receive_json())["error"]
        await ws.send_json({"type": "clear"})
        assert await ws.receive_json() == {"pixels": 0}


async def test_pydantic(load: Load) -> None:
    """A pydantic model, its constraints, and the first problem as the reason."""
    pytest.importorskip("pydantic")
    app = load(PAGE, "pydantic").app
    async with TestClient(app) as client, client.websocket("/orders") as ws:
        await ws.send_json({"item": "tea", "count": 1})
        assert await ws.receive_json() == {"item": "tea", "count": 2}
        await ws.send_json({"item": "", "count": 0})
        closed = await ws.receive_close()
        assert closed.code == 1007
        assert closed.reason == "String should have at least 1 character - at `item`"
