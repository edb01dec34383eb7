"""examples/orders: the page updates itself when a script changes an order, by either driver."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.broadcast.services import APP_ID, HOST, KEY, SECRET, PusherService, Service
from tests.interop.scripted import node_modules
from tests.servers import REPOSITORY, LiveServer

APP = "examples.orders.app:app"


def ship(server: LiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, "-m", "examples.orders.ship", *arguments, "--url", server.http("")],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=REPOSITORY,
        check=False,
    )


def pusher_environment(service: Service) -> dict[str, str]:
    """The one variable that chooses Pusher, its credentials, and where the service is in this test."""
    return {
        "ANTIPHON_BROADCAST_DRIVER": "pusher",
        "PUSHER_APP_ID": APP_ID,
        "PUSHER_KEY": KEY,
        "PUSHER_SECRET": SECRET,
        "ANTIPHON_BROADCAST_PUSHER_HOST": HOST,
        "ANTIPHON_BROADCAST_PUSHER_PORT": str(service.port),
        "ANTIPHON_BROADCAST_PUSHER_SSL": "false",
    }


def test_by_the_application_itself() -> None:
    """Everybody connected hears of the change; the script prints it, and what is wrong with its wishes."""
    with LiveServer.antiphon(APP) as server, connect(server.ws("/updates")) as ws:
        done = ship(server, "2")
        assert (done.stdout, done.stderr) == ("order 2 (a kettle) is shipped\n", "")
        told = json.loads(ws.recv(timeout=5))
        assert (told["event"], told["data"]) == (
            "order.changed",
            {"number": 2, "item": "a kettle", "status": "shipped"},
        )
        assert ship(server, "9").stderr == "there is no order 9\n"
        assert "Invalid enum value 'lost'" in ship(server, "2", "lost").stderr
    assert "cannot be reached" in ship(server, "2").stderr


def test_by_pusher() -> None:
    """With one variable the change goes to Pusher."""
    with PusherService() as service, LiveServer.antiphon(APP, env=pusher_environment(service)) as server:
        assert ship(server, "2").returncode == 0
        ((channel, event, data),) = service.sent
        assert (channel, event) == ("orders", "order.changed")
        assert json.loads(data)["status"] == "shipped"
        # A service that is away keeps nobody from changing an order.
        service.answers = [403]
        assert ship(server, "2", "packed").returncode == 0
    assert service.problems == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that has no errors."""
    made = browser.new_page()
    made.set_default_timeout(10_000)
    errors: list[object] = []
    made.on("pageerror", lambda error: errors.append(error))
    yield made
    made.close()
    assert errors == []


def watch(page: Page, server: LiveServer) -> None:
    """See a change on the page that the script makes."""
    page.goto(server.http("/"))
    page.get_by_text("up to date").wait_for()
    assert page.locator("#order-3").inner_text().split("\t") == ["3", "two cups", "ordered"]
    assert ship(server, "3").returncode == 0
    page.locator("#order-3[data-status=shipped]").wait_for()


def test_page_by_the_application_itself(page: Page) -> None:
    """The page shows the change, and what changed while the application was away."""
    with LiveServer.antiphon(APP) as server:
        watch(page, server)
        server.stop()
        page.get_by_text("connecting").wait_for()
        server.start()
        page.get_by_text("up to date").wait_for()
        assert page.locator("#order-3").get_attribute("data-status") == "ordered"


@contextmanager
def pusher_sockets(service: PusherService) -> Iterator[int]:
    """What Pusher has for its clients: a WebSocket that tells what its HTTP API was told. Gives the port."""
    told: queue.Queue[tuple[str, str, str]] = queue.Queue()
    reply = service.reply

    def reply_and_tell(*arguments: object) -> tuple[int, bytes, str]:
        told.put(list(service.sent)[-1])
        return reply(*arguments)  # type: ignore[arg-type]

    service.reply = reply_and_tell  # type: ignore[method-assign]

    def client(ws: ServerConnection) -> None:
        def send(event: str, data: str, **more: str) -> None:
            ws.send(json.dumps({"event": event, "data": data, **more}))

        send("pusher:connection_established", json.dumps({"socket_id": "1.2", "activity_timeout": 120}))
        assert json.loads(ws.recv())["data"]["channel"] == "orders"
        send("pusher_internal:subscription_succeeded", "{}", channel="orders")
        channel, event, data = told.get(timeout=10)
        send(event, data, channel=channel)
        for _ in ws:
            """The client leaves when its page is closed."""

    with serve(client, HOST, 0) as sockets:
        thread = threading.Thread(target=sockets.serve_forever)
        thread.start()
        yield sockets.socket.getsockname()[1]
    thread.join(10)


def test_page_by_pusher(page: Page) -> None:
    """The page takes pusher-js to hear of the change."""
    library = node_modules("pusher-js@^8.4") / "pusher-js" / "dist" / "web" / "pusher.min.js"
    page.route("https://js.pusher.com/**", lambda route: route.fulfill(path=Path(library)))
    with PusherService() as service, pusher_sockets(service) as port:
        options = {"cluster": "eu", "wsHost": HOST, "wsPort": port, "forceTLS": False}
        options |= {"enabledTransports": ["ws"], "enableStats": False}
        with LiveServer.antiphon(APP, env=pusher_environment(service)) as server:
            with connect(server.ws("/updates")):
                """Who connects to the application all the same hears nothing there, and harms nothing."""
            asked = page.request.get(server.http("/connection")).json()
            assert asked == {"driver": "pusher", "key": KEY, "options": {"cluster": "eu"}}
            page.route("**/connection", lambda route: route.fulfill(json={**asked, "options": options}))
            watch(page, server)
            page.goto("about:blank")
    assert service.problems == []
