"""docs/migration: the old code runs with its import changed, and the new code does the same."""

import pytest

from antiphon.testing import TestClient
from tests.docs.conftest import Load, eventually
from tests.docs.test_endpoints import refusal

ROBYN, BOCADILLO, RAVYN, FASTAPI = (
    f"docs/migration/from-{name}.md" for name in ("robyn", "bocadillo", "ravyn", "fastapi")
)


@pytest.mark.parametrize("program", ["old", "new"])
async def test_robyn(load: Load, program: str) -> None:
    """Who comes is announced to all, the newcomer included; the echo goes to the sender only."""
    app = load(ROBYN, program).app
    async with TestClient(app) as client, client.websocket("/ws") as ada:
        assert (await ada.receive_text()).endswith("joined the chat")
        async with client.websocket("/ws") as bob:
            assert await ada.receive() == await bob.receive()
            await bob.send("hi")
            assert await bob.receive() == "Echo: hi"
        assert (await ada.receive_text()).endswith("left the chat")
        assert ada.unread == 0
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("program", ["old", "new"])
async def test_bocadillo(load: Load, program: str) -> None:
    """The user comes from the query or a header; who has no key is refused."""
    app = load(BOCADILLO, program).app
    async with TestClient(app) as client:
        async with client.websocket("/chat/red?anonymous=1") as ws:
            await ws.send_json("hi")
            assert await ws.receive_json() == {"user": "Anonymous", "channel": "red", "message": "hi"}
        async with client.websocket("/chat/red", headers={"user": "Ada"}) as ws:
            await ws.send_json("hi")
            assert (await ws.receive_json())["user"] == "Ada"
        assert (await refusal(client, "/hello"))[0] == 403
        async with client.websocket("/hello", headers={"api-key": "s3kr3t"}) as ws:
            assert await ws.receive() == "hello"
            assert (await ws.receive_close()).code == 1000


@pytest.mark.parametrize("program", ["old", "new"])
async def test_ravyn(load: Load, program: str) -> None:
    """All hear what one says, also after another one vanished."""
    module = load(RAVYN, program)
    async with TestClient(module.app) as client, client.websocket("/chat") as ada:
        async with client.websocket("/chat") as bob:
            await bob.send("hi")
            assert await ada.receive() == await bob.receive() == "Broadcast: hi"
            await bob.abort()
        await ada.send("still here")
        assert await ada.receive() == "Broadcast: still here"
        if program == "old":
            assert len(module.manager.active_connections) == 1


@pytest.mark.parametrize("program", ["old", "new"])
async def test_fastapi(load: Load, program: str) -> None:
    """All hear what one says and who leaves."""
    app = load(FASTAPI, program).app
    async with TestClient(app) as client, client.websocket("/ws/1") as ada:
        async with client.websocket("/ws/2") as bob:
            await bob.send("hi")
            assert await ada.receive() == await bob.receive() == "Client #2 says: hi"
        assert await ada.receive() == "Client #2 left the chat"


async def test_mounted(load: Load) -> None:
    """FastAPI's handlers publish to the mounted application; threads may before the first client."""
    module = load(FASTAPI, "mounted")
    async with TestClient(module.app) as client:
        assert (await client.post("/alarm")).status == 200
        async with client.websocket("/live/prices") as ws:
            await eventually(lambda: module.live.channel("prices").subscribers == 1)
            await client.post("/prices/tea?price=2.5")
            assert await ws.receive_json() == {"item": "tea", "price": 2.5}
            await client.post("/alarm")
            assert await ws.receive() == "alarm"
