"""A person at the chat's page: a real browser, and what they see and do there."""

from collections.abc import Callable
from typing import Any, Self

from playwright.sync_api import Browser, Locator, Page, expect

from tests.servers import LiveServer

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
REFUSED = "ERR_CONNECTION_REFUSED"

Join = Callable[..., "Visitor"]


class Visitor:
    """One browser profile with the chat open in one page.

    Attributes:
        page: The page.
        name: What the visitor is called.
        errors: What went wrong in the page's scripts or on its console.
    """

    def __init__(self, browser: Browser, server: LiveServer, name: str, **context: Any) -> None:
        self.page: Page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(10_000)
        self.name = name
        self.errors: list[str] = []
        self._server = server
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)

    def join(self, room: str = "lobby", path: str = "/") -> Self:
        """Open the room, give the name, and wait to be welcomed."""
        self.open(room, path)
        self.page.get_by_label("Your name", exact=True).fill(self.name)
        self.page.get_by_role("button", name="Join the conversation").click()
        return self.welcomed()

    def open(self, room: str, path: str = "/") -> None:
        """Open the page of a room."""
        self.page.goto(self._server.http(f"{path}#{room}"))

    def welcomed(self) -> Self:
        """Wait until the page is connected and knows who is there."""
        expect(self.status).to_have_text("Connected")
        expect(self.log).to_have_attribute("aria-busy", "false")
        return self

    def write(self, text: str) -> None:
        """Write and send."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def leave(self) -> None:
        """Close the browser's profile with its page."""
        self.page.context.close()

    def sees(self, text: str) -> None:
        """Wait until the conversation has this text, as a message or a notice."""
        expect(self.log.get_by_text(text, exact=True)).to_be_visible()

    def sees_people(self, *names: str) -> None:
        """Wait until exactly these people are shown as being in the room."""
        expect(self.people.locator("bdi")).to_have_text(list(names))

    def colour(self, selector: str = "body") -> str:
        """The background of what a selector finds."""
        return str(self.page.eval_on_selector(selector, "each => getComputedStyle(each).backgroundColor"))

    @property
    def composer(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def log(self) -> Locator:
        """The conversation."""
        return self.page.get_by_role("log")

    @property
    def messages(self) -> Locator:
        """The words of each message."""
        return self.log.locator(".text")

    @property
    def people(self) -> Locator:
        """The list of those in the room."""
        return self.page.locator("#people")

    @property
    def status(self) -> Locator:
        """What the page says of its connection."""
        return self.page.get_by_role("status")

    def _heard(self, message: Any) -> None:
        # Only the browser itself speaks of a server that is away, and nobody can stop it.
        if message.type in ("error", "warning") and REFUSED not in message.text:
            self.errors.append(message.text)
