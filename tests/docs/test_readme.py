"""README.md: what its examples do."""

from antiphon.testing import TestClient
from tests.docs.conftest import Load

PAGE = "README.md"


async def test_view(load: Load) -> None:
    """The echo returns text and binary as they came."""
    app = load(PAGE, "view").app
    async with TestClient(app) as client, client.websocket("/echo") as ws:
        await ws.send("hello")
        assert await ws.receive() == "hello"
        await ws.send(b"\x00")
        assert await ws.receive() == b"\x00"


async def test_events(load: Load) -> None:
    """A room hears who says what and who leaves; what is no message closes with 1007 and a reason."""
    app = load(PAGE, "events").app
    async with TestClient(app) as client, client.websocket("/rooms/red?name=Ada") as ada:
        async with client.websocket("/rooms/red") as other:
            await other.send_json({"text": "hello"})
            assert await ada.receive_json() == {"from": "anonymous", "text": "hello"}
            await other.send_json({"txt": "hello"})
            assert await other.receive_json() == {"from": "anonymous", "text": "hello"}
            closed = await other.receive_close()
            assert (closed.code, closed.reason) == (1007, "Object missing required field `text`")
        assert await ada.receive_json() == {"left": "anonymous"}


async def test_routes(load: Load) -> None:
    """The view counts down and closes; Starlette's route is there."""
    app = load(PAGE, "routes").app
    async with TestClient(app) as client:
        async with client.websocket("/countdown/3") as ws:
            assert [message async for message in ws] == ["3", "2", "1"]
            assert ws.close_code == 1000
        assert (await client.get("/")).text == "hello"


async def test_recovery(load: Load) -> None:
    """Who comes back is sent what it missed, then told so, then what comes; who is lost is told only that."""
    app = load(PAGE, "recovery").app
    async with TestClient(app) as client, client.websocket("/rooms/red?name=Ada") as ada:
        assert await ada.receive_json() == {"recovered": None, "here": ["Ada"]}
        await ada.send("one")
        last = await ada.receive_json()
        await ada.send("two")
        await ada.receive_json()
        since = f"{last['offset']}.{last['epoch']}"
        async with client.websocket(f"/rooms/red?name=Bob&since={since}") as bob:
            assert (await bob.receive_json())["data"] == {"from": "Ada", "text": "two"}
            assert await bob.receive_json() == {"recovered": True, "here": ["Ada", "Bob"]}
            await bob.send("three")
            assert (await bob.receive_json())["data"]["text"] == "three"
        async with client.websocket("/rooms/red?name=Cy&since=1.another-life") as cy:
            assert (await cy.receive_json())["recovered"] is False


async def test_publish(load: Load) -> None:
    """What HTTP handlers publish and broadcast reaches the WebSocket; the dict is JSON, None is 204."""
    app = load(PAGE, "publish").app
    async with TestClient(app) as client, client.websocket("/orders") as ws:
        response = await client.post("/orders/7")
        assert response.json() == {"told": 1}
        assert await ws.receive_json() == {"ordered": 7}
        assert (await client.post("/closing")).status == 204
        assert await ws.receive_text() == "the shop closes in ten minutes"
