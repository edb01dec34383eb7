"""Broadcast in an application: who is given it, where local messages arrive, how it starts and stops."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from antiphon import Antiphon, Broadcast, Depends, Timeouts, WebSocket
from antiphon.broadcast import Delivery, Settings
from antiphon.broadcast.drivers import Driver, Failures, NullDriver
from antiphon.errors import BroadcastFailed, ConfigurationError
from antiphon.testing import TestClient
from tests.broadcast.services import HANG, PusherService
from tests.compat.live import said_json, serving, ws


class Special(Broadcast):
    """A facade of somebody's own."""


@pytest.fixture
def app() -> Antiphon:
    """Two handlers of each kind that broadcast, and a WebSocket that gets it."""
    app = Antiphon()

    @app.post("/plain")
    def plain(broadcast: Broadcast) -> Any:
        return {"returned": broadcast.channel("news", {"from": "plain"}, "said")}

    @app.post("/coroutine")
    async def coroutine(request: Any, broadcast: Broadcast) -> Any:
        await broadcast.publish("news", {"from": "coroutine"}, exclude=request)

    @app.post("/unawaited")
    async def unawaited(sender: Broadcast) -> Any:
        return {"returned": sender.channel("news", {"from": "unawaited"})}

    @app.post("/special")
    async def special(sender: Special) -> Any:
        return type(sender).__name__

    @app.websocket("/news")
    async def news(ws: WebSocket) -> None:
        await ws.subscribe("news", envelope=True)
        await ws.send({"id": ws.id})
        async for _ in ws:
            pass

    @app.websocket("/view")
    async def view(ws: WebSocket, broadcast: Broadcast) -> None:
        async for _ in ws:
            await broadcast.publish("news", {"from": "view"})

    events = app.events("/events")

    @events.on("message")
    def message(broadcast: Broadcast, message: str) -> None:
        broadcast.channel("news", {"from": "event"})

    @events.on("close")
    async def close(broadcast: Broadcast) -> None:
        broadcast.later("news", {"from": "close"})

    return app


async def test_handlers_of_every_kind(app: Antiphon) -> None:
    """HTTP and WebSocket handlers, plain and coroutines, are given it by its type; subscribers get it."""
    async with TestClient(app) as client, client.websocket("/news") as ws:
        await ws.receive_json()
        assert (await client.post("/plain")).json() == {"returned": {"from": "plain"}}
        assert (await client.post("/coroutine")).status == 204
        assert (await client.post("/unawaited")).json() == {"returned": {"from": "unawaited"}}
        async with client.websocket("/view") as view:
            await view.send("go")
        async with client.websocket("/events") as events:
            await events.send("go")
        heard = [await ws.receive_json() for _ in range(6)]
    assert [(each["data"]["from"], each["event"]) for each in heard] == [
        ("plain", "said"),
        ("coroutine", "base-event"),
        ("unawaited", "base-event"),
        ("view", "base-event"),
        ("event", "base-event"),
        ("close", "base-event"),
    ]


async def test_to_others(app: Antiphon) -> None:
    """The socket that a request names does not get what the request causes; the others do."""
    async with (
        TestClient(app) as client,
        client.websocket("/news") as own,
        client.websocket("/news") as other,
    ):
        id = (await own.receive_json())["id"]
        await other.receive_json()
        await client.post("/coroutine", headers={"X-Socket-ID": id})
        await client.post("/plain")
        assert (await other.receive_json())["data"] == {"from": "coroutine"}
        assert (await other.receive_json())["data"] == {"from": "plain"}
        assert (await own.receive_json())["data"] == {"from": "plain"}


async def test_over_the_network(app: Antiphon) -> None:
    """Real clients of a real server get what an HTTP handler broadcasts, in order."""
    import httpx

    async with serving(app) as address, ws(address, "/news") as one, ws(address, "/news") as two:
        for client in (one, two):
            assert "id" in await said_json(client)
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            await http.post("/plain")
            await http.post("/coroutine")
        for client in (one, two):
            assert [(await said_json(client))["data"]["from"] for _ in range(2)] == ["plain", "coroutine"]


async def test_a_class_of_ones_own(app: Antiphon) -> None:
    """A handler that asks for a class derived from Broadcast gets the same drivers in that class."""
    async with TestClient(app) as client:
        assert (await client.post("/special")).text == "Special"


async def test_dependencies() -> None:
    """A dependency may ask for it as a handler may; so may one that is made once for the application."""
    app = Antiphon()

    class Clerk:
        def __init__(self, broadcast: Broadcast) -> None:
            self.broadcast = broadcast

    async def teller(broadcast: Broadcast) -> Any:
        return broadcast.driver("null")

    app.provide(Clerk, Clerk, scope="app")

    @app.get("/")
    async def index(clerk: Clerk, teller: Annotated[Any, Depends(teller)]) -> Any:
        return [repr(clerk.broadcast), repr(teller)]

    async with TestClient(app) as client:
        assert (await client.get("/")).json() == ["<Broadcast by LocalDriver>", "<Broadcast by NullDriver>"]


async def test_provided_by_the_user() -> None:
    """What the user provides comes first."""
    app = Antiphon()
    own = Broadcast("null")
    app.provide(Broadcast, lambda: own)

    @app.get("/")
    def index(broadcast: Broadcast) -> Any:
        return repr(broadcast)

    async with TestClient(app) as client:
        assert (await client.get("/")).text == "<Broadcast by NullDriver>"


async def test_configured_in_the_program() -> None:
    """What is set as app.broadcast is what handlers get, with this application's channels."""
    app = Antiphon()
    assert repr(app.broadcast) == "<Broadcast by LocalDriver>"
    app.broadcast = Broadcast(["log", "local"])

    @app.get("/")
    async def index(broadcast: Broadcast) -> Any:
        await broadcast.publish("a", 1)
        return repr(broadcast)

    async with TestClient(app) as client, app.channel("a").subscribe() as feed:
        assert (await client.get("/")).text == "<Broadcast by LogDriver and LocalDriver>"
        assert (await anext(feed)).data == 1


async def test_local_before_the_start() -> None:
    """Before the application runs nobody can be reached: the failure says so."""
    with pytest.raises(BroadcastFailed, match="does not run"):
        await asyncio.to_thread(Antiphon().broadcast.channel, "a", 1)


# --- Starting and stopping -----------------------------------------------------------------------------


async def test_a_wrong_configuration_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that cannot broadcast as it is configured does not start."""
    monkeypatch.setenv("ANTIPHON_BROADCAST_DRIVER", "pusher")
    monkeypatch.setenv("ANTIPHON_BROADCAST_PUSHER_SECRET", "s3cret")
    with pytest.raises(ConfigurationError, match="app_id") as raised:
        async with TestClient(Antiphon()):
            pytest.fail("it started")
    assert "s3cret" not in str(raised.value)


async def test_a_missing_library_stops_the_start() -> None:
    """A driver whose package is missing shows at the start, not at the first message."""

    class Missing(NullDriver):
        def open(self) -> None:
            raise ConfigurationError("install it")

    app = Antiphon()
    app.broadcast = Broadcast(Missing)
    with pytest.raises(ConfigurationError, match="install it"):
        async with TestClient(app):
            pytest.fail("it started")


async def test_what_waits_is_sent_before_the_end() -> None:
    """Stopping sends what handlers, and the lifespan's own end, left to the background."""

    @asynccontextmanager
    async def lifespan(app: Antiphon) -> AsyncIterator[None]:
        yield
        app.broadcast.later("a", "the end")

    app = Antiphon(lifespan=lifespan)
    with PusherService() as service:
        app.broadcast = Broadcast("pusher", {"pusher": service.settings})
        async with TestClient(app):
            for number in range(30):
                app.broadcast.later("a", number)
        assert [data for _, _, data in service.sent] == [*map(str, range(30)), "the end"]


async def test_what_cannot_be_sent_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A silent service holds up the end no longer than the deadline, and the log says how much is lost."""
    app = Antiphon(timeouts=Timeouts(drain=0.2))
    with PusherService(answers=[HANG]) as service:
        app.broadcast = Broadcast("pusher", {"pusher": service.settings})
        async with TestClient(app):
            app.broadcast.later("a", 1)
            await asyncio.to_thread(service.wait)
            app.broadcast.later("a", 2)
    assert any(
        each.startswith("2 messages were not sent by the driver 'pusher' within") for each in caplog.messages
    )


async def test_a_slow_service_stalls_nobody() -> None:
    """While a service does not answer a handler that awaits it, the event loop serves others."""
    held = threading.Event()

    class Slow(Driver):
        needs_settings = False

        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)

        def send(self, delivery: Delivery) -> Failures:
            assert held.wait(10)
            return {}

    app = Antiphon()
    app.broadcast = Broadcast(Slow)

    @app.post("/")
    async def send(broadcast: Broadcast) -> None:
        await broadcast.publish("a", 1)

    @app.get("/")
    async def index() -> str:
        return "served"

    async with TestClient(app) as client:
        waiting = asyncio.create_task(client.post("/"))
        assert (await client.get("/")).text == "served"
        assert not waiting.done()
        held.set()
        assert (await waiting).status == 204


async def test_run_again() -> None:
    """An application that is started again broadcasts again."""
    app = Antiphon()
    for number in range(2):
        async with TestClient(app), app.channel("a").subscribe() as feed:
            await app.broadcast.publish("a", number)
            assert (await anext(feed)).data == number


async def test_fake(app: Antiphon) -> None:
    """In a test nothing needs to be set up to look at what an application broadcasts."""
    with Broadcast.fake() as sent:
        async with TestClient(app) as client:
            await client.post("/plain")
    sent.assert_sent("news", {"from": "plain"}, event="said")
