"""The demo's server by itself: what it tells, what it refuses, what it keeps and forgets."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.servers import LiveServer


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """The chat; each test takes a room of its own."""
    with LiveServer.antiphon("examples.chat.app:app") as running:
        yield running


def hear(ws: ClientConnection, kind: str, about: str = "") -> Any:
    """The next welcome, or the next publication of an event, about what a text names."""
    while True:
        text = ws.recv(timeout=10)
        message: dict[str, Any] = json.loads(text)
        if kind in (message.get("type"), message.get("event")) and about in str(text):
            return message


def say(ws: ClientConnection, text: str, id: str | None = None) -> None:
    """Say something in the room."""
    ws.send(json.dumps({"type": "say", "id": id or text, "text": text}))


def position_of(publication: dict[str, Any]) -> str:
    """Where a publication stands, as a page hands it back."""
    return f"{publication['offset']}.{publication['epoch']}"


def test_welcomes_with_what_a_newcomer_needs(server: LiveServer) -> None:
    """The welcome has the people, the recent messages and who is in which room, the own one included."""
    with connect(server.ws("/rooms/new?name=Ann")) as ann:
        say(ann, "first")
        said = hear(ann, "said")
        with connect(server.ws("/rooms/new?name=Ben")) as ben:
            welcome = hear(ben, "welcome")
    assert welcome["people"] == ["Ann", "Ben"]
    assert {"new/Ann", "new/Ben"} <= set(welcome["everywhere"])
    assert welcome["recovered"] is None
    assert welcome["recent"] == {
        "said": [said["data"]],
        "position": {"offset": said["offset"], "epoch": said["epoch"]},
    }
    assert said["data"]["name"] == "Ann"


def test_keeps_the_last_hundred_messages(server: LiveServer) -> None:
    """What is kept of a room is bounded, and is still there when everybody has left."""
    with connect(server.ws("/rooms/long?name=Ann")) as ann:
        for number in range(105):
            say(ann, str(number))
        while hear(ann, "said")["data"]["text"] != "104":
            pass
    with connect(server.ws("/rooms/long?name=Ben")) as ben:
        recent = hear(ben, "welcome")["recent"]["said"]
    assert [each["text"] for each in recent] == [str(number) for number in range(5, 105)]


def test_sends_what_was_missed(server: LiveServer) -> None:
    """Who comes back with its last position gets what was said since, once, and no history again."""
    with connect(server.ws("/rooms/back?name=Ann")) as ann:
        with connect(server.ws("/rooms/back?name=Ben")) as ben:
            say(ann, "before")
            last = hear(ben, "said")
        say(ann, "one")
        say(ann, "two")
        hear(ann, "said"), hear(ann, "said"), hear(ann, "said")
        with connect(server.ws(f"/rooms/back?name=Ben&since={position_of(last)}")) as ben:
            assert [hear(ben, "said")["data"]["text"] for _ in range(2)] == ["one", "two"]
            welcome = hear(ben, "welcome")
            assert (welcome["recovered"], welcome["recent"]) == (True, None)
            say(ann, "three")
            assert hear(ben, "said")["data"]["text"] == "three"


@pytest.mark.parametrize("since", ["1.anotherlife", "0.anotherlife"])
def test_says_that_a_position_is_lost(server: LiveServer, since: str) -> None:
    """A position of another life of the room gives nothing of what was missed, but the recent messages."""
    with connect(server.ws("/rooms/lost?name=Ann")) as ann:
        say(ann, "hello", id=since)
        hear(ann, "said")
        with connect(server.ws(f"/rooms/lost?name=Ben&since={since}")) as ben:
            welcome = json.loads(ben.recv(timeout=10))
    assert welcome["recovered"] is False
    assert welcome["recent"]["said"][-1]["text"] == "hello"


def test_says_what_a_page_repeats_once(server: LiveServer) -> None:
    """A page that does not know whether it was heard says it again by the same id; others hear it once."""
    with connect(server.ws("/rooms/again?name=Ann")) as ann:
        for text, id in (("once", "1"), ("once", "1"), ("then", "2")):
            say(ann, text, id)
        assert [hear(ann, "said")["data"]["text"] for _ in range(2)] == ["once", "then"]


def test_a_reload_is_no_news(server: LiveServer) -> None:
    """Who comes back within the grace has neither left nor joined; who stays away has left, once."""
    with connect(server.ws("/rooms/grace?name=Ann")) as ann:
        hear(ann, "welcome")
        with connect(server.ws("/rooms/grace?name=Ben")):
            assert hear(ann, "join", "room:grace")["data"] == {"join": {"user": "Ben", "info": None}}
        with connect(server.ws("/rooms/grace?name=Ben")) as ben:
            hear(ben, "welcome")
            say(ben, "back")
        heard: list[str] = []
        while "leave" not in heard:
            publication = json.loads(ann.recv(timeout=10))
            if publication.get("channel") == "room:grace":
                heard.append(publication["event"])
    assert heard == ["said", "leave"]


def test_a_room_that_is_empty_has_nobody(server: LiveServer) -> None:
    """With the last of its people a room leaves everybody's list of rooms."""
    with connect(server.ws("/rooms/lobby?name=Watcher")) as watcher:
        hear(watcher, "welcome")
        with connect(server.ws("/rooms/short?name=Ann")):
            assert hear(watcher, "join", "short/Ann")["channel"] == "everywhere"
        assert hear(watcher, "leave", "short/Ann")["channel"] == "everywhere"
        with connect(server.ws("/rooms/short?name=Ben")) as ben:
            assert hear(ben, "welcome")["people"] == ["Ben"]


def test_typing_is_for_the_others(server: LiveServer) -> None:
    """Who types is told to the others and remembered by nobody."""
    with (
        connect(server.ws("/rooms/type?name=Ann")) as ann,
        connect(server.ws("/rooms/type?name=Ben")) as ben,
    ):
        hear(ben, "welcome")
        ann.send('{"type": "typing"}')
        assert hear(ben, "typing")["data"] == "Ann"
        say(ann, "there")
        assert hear(ann, "said", "room:type")["data"]["text"] == "there"
        with connect(server.ws("/rooms/type?name=Cy")) as cy:
            assert len(hear(cy, "welcome")["recent"]["said"]) == 1


def test_several_processes_are_one_chat(redis_url: str) -> None:
    """With a broker, people of two processes meet, and what one missed comes from the other."""
    env = {"ANTIPHON_BROKER": f"{redis_url}?prefix=chat"}
    with (
        LiveServer.antiphon("examples.chat.app:app", env=env) as one,
        LiveServer.antiphon("examples.chat.app:app", env=env) as other,
        connect(one.ws("/rooms/wide?name=Ann")) as ann,
    ):
        hear(ann, "welcome")
        with connect(other.ws("/rooms/wide?name=Ben")) as ben:
            assert hear(ben, "welcome")["people"] == ["Ann", "Ben"]
            assert hear(ann, "join", "room:wide")["data"]["join"]["user"] == "Ben"
            say(ann, "before")
            last = hear(ben, "said")
            ben.send('{"type": "typing"}')
            assert hear(ann, "typing")["data"] == "Ben"
        say(ann, "missed")
        with connect(one.ws(f"/rooms/wide?name=Ben&since={position_of(last)}")) as ben:
            assert hear(ben, "said")["data"]["text"] == "missed"
            assert hear(ben, "welcome")["recovered"] is True


@pytest.mark.parametrize(
    "address",
    [
        "/rooms/lobby",
        "/rooms/lobby?name=",
        "/rooms/lobby?name=+",
        "/rooms/lobby?name=+Ann",
        "/rooms/lobby?name=" + "a" * 25,
        "/rooms/a%20b?name=Ann",
        "/rooms/" + "a" * 33 + "?name=Ann",
        "/rooms/line%0A?name=Ann",
        "/rooms/lobby?name=Ann&since=",
        "/rooms/lobby?name=Ann&since=yesterday",
    ],
)
def test_refuses_addresses_that_cannot_be(server: LiveServer, address: str) -> None:
    """A name that is empty, too long or padded, or a position that is none, refuses with 400."""
    with pytest.raises(InvalidStatus) as refused, connect(server.ws(address)):
        pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "say", "id": "1", "text": " "}', 1007),
        ('{"type": "say", "id": "1", "text": "' + "a" * 2001 + '"}', 1007),
        ('{"type": "say", "id": "", "text": "a"}', 1007),
        ('{"type": "say", "id": "' + "1" * 41 + '", "text": "a"}', 1007),
        ('{"type": "welcome"}', 1007),
        ("a" * 20_000, 1009),
    ],
)
def test_closes_on_messages_that_cannot_be(server: LiveServer, message: str, code: int) -> None:
    """A message that is empty, too long or unknown closes its connection, and nobody else hears of it."""
    room = f"strict-{hash(message) % 10**9}"
    with connect(server.ws(f"/rooms/{room}?name=Ann")) as ann:
        hear(ann, "welcome")
        with connect(server.ws(f"/rooms/{room}?name=Ben")) as ben:
            ben.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                hear(ben, "said")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
        heard = []
        while "leave" not in heard:
            publication = json.loads(ann.recv(timeout=10))
            if publication["channel"] == f"room:{room}":
                heard.append(publication["event"])
        assert heard == ["join", "leave"]


def test_serves_the_page_and_nothing_beside_it(server: LiveServer) -> None:
    """The page takes everything from this server, and no other file of it can be had."""
    page = httpx.get(server.http("/"))
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.text
    for name in ("chat.css", "chat.js", "connection.js", "log.js", "store.js", "theme.js", "icon.svg"):
        assert httpx.get(server.http(f"/static/{name}")).status_code == 200
    assert httpx.get(server.http("/static/%2e%2e/app.py")).status_code == 404
