"""How an application says it is, and how its start fails."""

from typing import Any

import pytest

from antiphon import Antiphon, WebSocket
from antiphon.brokers import MemoryBroker
from antiphon.channels import Listener
from antiphon.errors import BrokerUnavailable
from antiphon.testing import TestClient


class Away(MemoryBroker):
    """A broker whose server is never there."""

    async def start(self, listener: Listener) -> None:
        raise BrokerUnavailable("redis://somewhere cannot be reached")


async def test_well() -> None:
    """It counts connections, channels and subscribers, and answers with 200; nobody keeps the answer."""
    app = Antiphon()
    app.health_check()

    @app.websocket("/news")
    async def news(ws: WebSocket) -> None:
        await ws.subscribe("news")
        await ws.send("subscribed")
        await ws.receive()

    assert app.health()["ok"] is False
    async with TestClient(app) as client, client.websocket("/news") as ws:
        await ws.receive()
        response = await client.get("/health")
        assert response.status == 200
        assert response.headers["cache-control"] == "no-store"
        said = response.json()
        assert said == app.health()
        assert said.pop("broker").startswith("<MemoryBroker")
        assert said == {
            "ok": True,
            "running": True,
            "outage": None,
            "connections": 1,
            "channels": 1,
            "subscribers": 1,
        }


async def test_an_outage() -> None:
    """While the broker is away it answers with 503, and says why; when it is back, with 200."""
    app = Antiphon()
    app.health_check("/up")
    async with TestClient(app) as client:
        hub = app.services.hub
        hub.interrupted(BrokerUnavailable("redis://somewhere is lost"))
        response = await client.get("/up")
        assert (response.status, response.json()["outage"]) == (503, "redis://somewhere is lost")
        hub.restored()
        assert (await client.get("/up")).status == 200


async def start(app: Antiphon) -> tuple[list[dict[str, Any]], BaseException | None]:
    """What a server is told of an application's start, and what it raises."""
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(dict(message))

    try:
        await app({"type": "lifespan", "state": {}}, receive, send)
    except BaseException as error:
        return told, error
    return told, None


async def test_a_broker_that_is_away_at_the_start() -> None:
    """The server is told the reason alone, as it stands in the error."""
    told, error = await start(Antiphon(broker=Away()))
    assert isinstance(error, BrokerUnavailable)
    assert told == [{"type": "lifespan.startup.failed", "message": "redis://somewhere cannot be reached"}]


@pytest.mark.parametrize("error", [LookupError("mine"), BrokerUnavailable("mine too")])
async def test_a_lifespan_that_fails(error: Exception) -> None:
    """What the application's own code raises at the start keeps its traceback."""

    def lifespan(app: Antiphon) -> Any:
        raise error

    told, raised = await start(Antiphon(lifespan=lifespan))
    assert raised is error
    assert "Traceback" in told[0]["message"]
