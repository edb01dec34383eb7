"""examples/session.py greets on the socket whoever logged in on the page."""

import httpx
from websockets.sync.client import connect

from tests.servers import LiveServer


def test_the_socket_knows_who_logged_in() -> None:
    """The cookie of the login names the visitor to page and socket; what it names stays text."""
    with (
        LiveServer.antiphon("examples.session:app") as server,
        httpx.Client(base_url=server.http()) as browser,
    ):
        with connect(server.ws("/greeting")) as ws:
            assert ws.recv(timeout=5) == "Good to see you, stranger"
        assert browser.post("/login", params={"name": "<Ann>"}).status_code == 204
        assert "<h1>Hello &lt;Ann&gt;</h1>" in browser.get("/").text
        cookie = {"Cookie": f"session={browser.cookies['session']}"}
        with connect(server.ws("/greeting"), additional_headers=cookie) as ws:
            assert ws.recv(timeout=5) == "Good to see you, <Ann>"
