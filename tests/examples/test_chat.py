"""The demo in a real browser: people meet, talk and part, whatever happens to the server."""

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.examples.visitor import Join
from tests.servers import LiveServer

PHONE = {"viewport": {"width": 375, "height": 667}, "is_mobile": True, "has_touch": True}


def try_now(page: Page) -> None:
    """Press "Try now", unless the page has just tried by itself, which takes the button away."""
    page.locator("#try-now").dispatch_event("click")


def test_two_people_talk(visitor: Join) -> None:
    """What one says, both see at once, each message once and under its author's name."""
    ann, ben = visitor("Ann").join("talk"), visitor("Ben").join("talk")
    ann.write("Hello Ben")
    ben.sees("Hello Ben")
    ben.write("Hello Ann")
    ann.sees("Hello Ann")
    for each in (ann, ben):
        expect(each.messages).to_have_text(["Hello Ben", "Hello Ann"])
        expect(each.log.locator(".name")).to_have_text(["Ann", "Ben"])
        expect(each.log.locator("time")).to_have_count(2)


def test_coming_and_going_is_seen(visitor: Join) -> None:
    """Who joins or leaves is in the list of people at once, and noted between the messages."""
    ann = visitor("Ann").join("door")
    ann.sees_people("Ann")
    ann.write("Anybody here?")
    ann.sees("Anybody here?")
    ben = visitor("Ben").join("door")
    ben.sees_people("Ben", "Ann")
    ann.sees_people("Ann", "Ben")
    ann.sees("Ben joined")
    ann.write("Welcome")
    ben.sees("Welcome")
    ben.leave()
    ann.sees_people("Ann")
    ann.sees("Ben left")


def test_two_pages_of_one_name_are_one_person(visitor: Join) -> None:
    """A second page of the same person is no news, nor is its end."""
    ann, again, ben = (visitor(name).join("twice") for name in ("Ann", "Ann", "Ben"))
    ann.sees("Ben joined")
    again.leave()
    ben.write("Only Ben came")
    ann.sees("Only Ben came")
    ann.sees_people("Ann", "Ben")
    expect(ann.log.locator(".notice")).to_have_text(["Ben joined"])


def test_markup_stays_text(visitor: Join) -> None:
    """Markup in messages, names and rooms is shown as it was written, and never runs."""
    tag = "<script>document.title = 'taken'</script>"
    name = "<img src=x onerror=a()>"
    ann, bob = visitor("Ann").join("markup"), visitor(name).join("markup")
    bob.write(f"{tag}<b>bold</b>")
    ann.sees(f"{tag}<b>bold</b>")
    ann.sees_people("Ann", name)
    expect(ann.log.locator("script, b, img")).to_have_count(0)
    expect(ann.page).to_have_title("markup · Antiphon")


def test_addresses_become_links(visitor: Join) -> None:
    """A web address in a message can be followed, without the full stop behind it."""
    ann = visitor("Ann").join("links")
    ann.write("Look: https://example.org/a?b=1#c. Not javascript:alert(1)")
    link = ann.log.get_by_role("link")
    expect(link).to_have_text(["https://example.org/a?b=1#c"])
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_newcomers_see_what_was_said(visitor: Join) -> None:
    """Who comes later finds the recent messages in order, and none of them counts as new."""
    ann = visitor("Ann").join("memory")
    for text in ("one", "two", "three"):
        ann.write(text)
    ann.sees("three")
    ben = visitor("Ben").join("memory")
    expect(ben.messages).to_have_text(["one", "two", "three"])
    expect(ben.log.get_by_text("New", exact=True)).to_have_count(0)


def test_typing_is_shown_until_the_message_is_there(visitor: Join) -> None:
    """While somebody types the others see it; the message takes its place."""
    ann, ben = visitor("Ann").join("typing"), visitor("Ben").join("typing")
    ben.composer.press_sequentially("On my w")
    expect(ann.page.get_by_text("Ben is typing…")).to_be_visible()
    expect(ben.page.locator("#typing")).to_be_empty()
    ben.composer.press_sequentially("ay")
    ben.composer.press("Enter")
    ann.sees("On my way")
    expect(ann.page.locator("#typing")).to_be_empty()


def test_rooms_are_apart(visitor: Join) -> None:
    """A room is opened by its name and left by a click; what is said in one is not heard in another."""
    ann, ben = visitor("Ann").join("attic"), visitor("Ben").join("attic")
    ben.page.get_by_label("Open another room").fill("The Cellar!")
    ben.page.get_by_label("Open another room").press("Enter")
    expect(ben.page.get_by_role("heading", level=1)).to_have_text("the-cellar")
    ben.sees_people("Ben")
    ann.sees_people("Ann")
    expect(ann.page.get_by_role("link", name="the-cellar")).to_be_visible()
    ben.write("Only for the cellar")
    ben.sees("Only for the cellar")
    ben.page.get_by_role("link", name="attic").click()
    ben.welcomed().sees_people("Ben", "Ann")
    ben.write("Back upstairs")
    ann.sees("Back upstairs")
    expect(ann.messages).to_have_text(["Back upstairs"])


def test_comes_back_after_the_server_restarts(visitor: Join) -> None:
    """While the server is away the page says so and keeps what is written; then it sends that, once."""
    server = LiveServer.antiphon("examples.chat.app:app")
    with server:
        ann, ben = visitor("Ann", at=server).join(), visitor("Ben", at=server).join()
        ann.write("before")
        ben.sees("before")
        server.stop()
        expect(ann.page.get_by_text("The connection is lost.")).to_be_visible()
        expect(ann.page.get_by_role("button", name="Try now")).to_be_visible()
        ann.write("first meanwhile")
        ann.write("second meanwhile")
        expect(ann.page.locator("#outbox .text")).to_have_text(["first meanwhile", "second meanwhile"])
        server.start()
        for each in (ann, ben):
            each.welcomed()
            expect(each.messages).to_have_text(["before", "first meanwhile", "second meanwhile"])
            expect(each.page.get_by_text("The connection is lost.")).to_be_hidden()
        expect(ann.page.locator("#outbox .text")).to_have_count(0)
        ann.sees_people("Ann", "Ben")


def test_a_reload_loses_nothing(visitor: Join) -> None:
    """After a reload, even of the only page there is, what was said lately is there again, in order."""
    ann = visitor("Ann").join("again")
    for text in ("one", "two"):
        ann.write(text)
    expect(ann.messages).to_have_text(["one", "two"])
    ann.page.reload()
    ann.welcomed().sees_people("Ann")
    expect(ann.messages).to_have_text(["one", "two"])


def test_a_reload_is_no_news(visitor: Join) -> None:
    """The others see neither a leave nor a join of who reloads the page."""
    ann, ben = visitor("Ann").join("steady"), visitor("Ben").join("steady")
    ann.sees("Ben joined")
    ben.write("Before")
    ann.sees("Before")
    ben.page.reload()
    ben.welcomed().write("Here again")
    ann.sees("Here again")
    ben.leave()
    ann.sees("Ben left")
    expect(ann.log.locator(".notice")).to_have_text(["Ben joined", "Ben left"])


def test_what_was_missed_comes_with_the_connection(visitor: Join) -> None:
    """Who is cut off gets what was said meanwhile when the connection is back: once, in order, as news."""
    away = False
    sockets: list[WebSocketRoute] = []

    def route(ws: WebSocketRoute) -> None:
        if away:
            ws.close()
        else:
            ws.connect_to_server()
            sockets.append(ws)

    ben = visitor("Ben")
    ben.page.route_web_socket("**/rooms/*", route)
    ann, ben = visitor("Ann").join("tunnel"), ben.join("tunnel")
    ann.write("before")
    ben.sees("before")
    away = True
    sockets[-1].close()
    expect(ben.page.get_by_text("The connection is lost.")).to_be_visible()
    for text in ("one", "two", "three"):
        ann.write(text)
    ann.sees("three")
    expect(ben.messages).to_have_text(["before"])
    away = False
    try_now(ben.page)
    expect(ben.messages).to_have_text(["before", "one", "two", "three"])
    expect(ben.log.locator(".gap")).to_have_count(0)
    ann.write("four")
    expect(ben.messages).to_have_text(["before", "one", "two", "three", "four"])


def test_who_was_away_for_too_long_is_told(visitor: Join) -> None:
    """What cannot be recovered is said where it is missing; the recent messages follow."""
    away = False
    sockets: list[WebSocketRoute] = []

    def route(ws: WebSocketRoute) -> None:
        if away:
            ws.close()
        else:
            ws.connect_to_server()
            sockets.append(ws)

    ben = visitor("Ben")
    ben.page.route_web_socket("**/rooms/*", route)
    ann, ben = visitor("Ann").join("desert"), ben.join("desert")
    ann.write("before")
    ben.sees("before")
    away = True
    sockets[-1].close()
    expect(ben.page.get_by_text("The connection is lost.")).to_be_visible()
    for number in range(102):
        ann.write(f"number {number}")
    ann.sees("number 101")
    away = False
    try_now(ben.page)
    ben.sees("Messages may be missing here")
    expect(ben.messages).to_have_text(["before", *(f"number {number}" for number in range(2, 102))])
    expect(ben.log.locator(".gap + .mark, .gap + .message, .gap + .day")).to_have_count(1)


def test_reload_keeps_what_waits(visitor: Join) -> None:
    """What could not be sent yet survives a reload of the page, and goes out when it can."""
    away = False
    ann = visitor("Ann")
    ann.page.route_web_socket("**/rooms/*", lambda ws: ws.close() if away else ws.connect_to_server())
    ann.join("reload")
    waiting = ann.page.locator("#outbox .text")
    away = True
    ann.page.reload()
    ann.write("for later")
    expect(waiting).to_have_text("for later")
    ann.page.reload()
    expect(waiting).to_have_text("for later")
    away = False
    try_now(ann.page)
    ann.sees("for later")
    expect(waiting).to_have_count(0)


def test_unread_messages_are_counted_and_marked(visitor: Join) -> None:
    """Who reads further up sees in title and button how much is new, and where it begins."""
    ann, ben = visitor("Ann").join("unread"), visitor("Ben").join("unread")
    ann.write("\n".join("a long message" for _ in range(60)))
    ann.page.locator("#scroller").hover()
    ann.page.mouse.wheel(0, -5000)
    expect(ann.page.get_by_role("button", name="Latest")).to_be_visible()
    ben.write("news")
    expect(ann.page).to_have_title("(1) unread · Antiphon")
    ann.page.get_by_role("button", name="1 new").click()
    expect(ann.page).to_have_title("unread · Antiphon")
    ann.sees("news")
    ann.sees("New")


def test_name_can_be_changed(visitor: Join) -> None:
    """The name is remembered for the next visit, and may be changed there."""
    ann, ben = visitor("Ann").join("names"), visitor("Ben").join("names")
    ann.page.reload()
    ann.welcomed().sees_people("Ann", "Ben")
    ann.page.get_by_role("button", name="Change your name").click()
    ann.page.get_by_label("Your name", exact=True).fill("Anna")
    ann.page.keyboard.press("Enter")
    ann.sees_people("Anna", "Ben")
    ben.sees_people("Ben", "Anna")


def test_works_by_keyboard_alone(visitor: Join) -> None:
    """From the first visit to the first message no mouse is needed; Shift+Enter makes a new line."""
    ann = visitor("Ann")
    ann.open("keys")
    expect(ann.page.get_by_label("Your name", exact=True)).to_be_focused()
    ann.page.keyboard.type("Ann")
    ann.page.keyboard.press("Enter")
    ann.welcomed()
    expect(ann.composer).to_be_focused()
    ann.page.keyboard.type("two")
    ann.page.keyboard.press("Shift+Enter")
    ann.page.keyboard.type("lines")
    ann.page.keyboard.press("Enter")
    expect(ann.messages).to_have_text(["two\nlines"])
    expect(ann.composer).to_be_empty()


def test_light_and_dark(visitor: Join) -> None:
    """The page is dark where the system is; the button changes that, and the choice outlives a reload."""
    ann = visitor("Ann", color_scheme="dark").join("theme")
    dark = ann.colour()
    toggle = ann.page.get_by_role("button", name="Dark appearance")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.click()
    light = ann.colour()
    assert light != dark
    ann.page.reload()
    ann.welcomed()
    assert ann.colour() == light
    toggle.click()
    assert ann.colour() == dark


def test_fits_a_phone(visitor: Join) -> None:
    """On a narrow screen nothing sticks out, and rooms and people are in a drawer."""
    ann = visitor("Ann", **PHONE).join("phone")
    ann.write("https://example.org/" + "a-very-long-address/" * 10)
    expect(ann.messages).to_have_count(1)
    assert ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(ann.people).to_be_hidden()
    ann.page.get_by_role("button", name="Rooms and people").click()
    expect(ann.people).to_be_visible()
    ann.page.keyboard.press("Escape")
    expect(ann.people).to_be_hidden()
    expect(ann.page.get_by_role("button", name="Rooms and people")).to_be_focused()


def test_runs_below_a_path_prefix(visitor: Join) -> None:
    """Mounted in another application, page, files and sockets are found below its path."""
    with LiveServer.antiphon("tests.examples.prefixed:app") as server:
        ann = visitor("Ann", at=server).join(path="/some/where/")
        ann.write("found")
        ann.sees("found")
