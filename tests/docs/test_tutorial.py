"""docs/tutorial.md: the chat of its last step, in a browser. (Its clients and tests: test_pages.py.)"""

from pathlib import Path

from playwright.sync_api import sync_playwright

from antiphon.testing import TestClient
from tests.docs.conftest import Load
from tests.docs.programs import write_files
from tests.docs.test_endpoints import refusal
from tests.servers import LiveServer

PAGE = "docs/tutorial.md"


async def test_names(load: Load) -> None:
    """Step 3: the name is required, and the refusal says so in the words of the page."""
    app = load(PAGE, "names").app
    async with TestClient(app) as client:
        assert await refusal(client, "/rooms/red") == (400, b"name: this query parameter is required")
        async with client.websocket("/rooms/red?name=Ada") as ws:
            await ws.send_json({"text": "hello"})
            assert await ws.receive_json() == {"type": "said", "name": "Ada", "text": "hello"}
            await ws.send("hello")
            assert (await ws.receive_close()).code == 1007


async def test_constraints(load: Load) -> None:
    """Step 4: rooms and names have constraints."""
    app = load(PAGE, "here").app
    async with TestClient(app) as client:
        for path in ("/rooms/a%20b?name=Ada", "/rooms/red?name=", f"/rooms/red?name={'x' * 31}"):
            assert (await refusal(client, path))[0] == 400


def test_two_windows(chromium_path: Path, tmp_path: Path) -> None:
    """Step 5: two pages talk, see who is here, and a script stays text."""
    write_files(PAGE, tmp_path)
    with LiveServer.antiphon("chat:app", cwd=tmp_path) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        ada, bob = browser.new_page(), browser.new_page()
        ada.set_default_timeout(10_000)
        dialogs: list[object] = []
        ada.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
        ada.goto(server.http("/?name=Ada"))
        bob.goto(server.http("/?name=Bob"))
        ada.locator("#here", has_text="Ada, Bob").wait_for()
        bob.locator("#text").fill("<script>alert(1)</script>")
        bob.locator("#text").press("Enter")
        ada.locator("li", has_text="Bob: <script>alert(1)</script>").wait_for()
        bob.close()
        ada.wait_for_function("document.getElementById('here').textContent === 'Ada'")
        assert dialogs == []
        browser.close()
