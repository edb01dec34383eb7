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


def hear(ws: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message: dict[str, Any] = json.loads(ws.recv(timeout=5))
        if message["type"] == kind:
            return message


def say(ws: ClientConnection, text: str) -> None:
    """Say something in the room."""
    ws.send(json.dumps({"type": "say", "id": "12345678", "text": text}))


def test_welcomes_with_what_a_newcomer_needs(server: LiveServer) -> None:
    """The welcome has the people, the messages and the rooms, the own one included."""
    with connect(server.ws("/rooms/new?name=Ann")) as ann:
        say(ann, "first")
        said = hear(ann, "said")
        with connect(server.ws("/rooms/new?name=Ben")) as ben:
            welcome = hear(ben, "welcome")
    assert welcome["people"] == ["Ann", "Ben"]
    assert welcome["history"] == [said]
    assert welcome["rooms"]["new"] == 2
    assert said["name"] == "Ann"


def test_keeps_the_last_hundred_messages(server: LiveServer) -> None:
    """What is kept of a room is bounded."""
    with connect(server.ws("/rooms/long?name=Ann")) as ann:
        for number in range(105):
            say(ann, str(number))
        while hear(ann, "said")["text"] != "104":
            pass
        with connect(server.ws("/rooms/long?name=Ben")) as ben:
            history = hear(ben, "welcome")["history"]
    assert [each["text"] for each in history] == [str(number) for number in range(5, 105)]


def test_forgets_a_room_that_is_empty(server: LiveServer) -> None:
    """With the last of its people a room is gone, with all that was said there."""
    with connect(server.ws("/rooms/lobby?name=Watcher")) as watcher:
        with connect(server.ws("/rooms/short?name=Ann")) as ann:
            say(ann, "not for ever")
            hear(ann, "said")
        while hear(watcher, "crowd") != {"type": "crowd", "room": "short", "people": 0}:
            pass
        with connect(server.ws("/rooms/short?name=Ben")) as ben:
            welcome = hear(ben, "welcome")
    assert welcome["people"] == ["Ben"]
    assert welcome["history"] == []


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
    ],
)
def test_refuses_names_that_cannot_be(server: LiveServer, address: str) -> None:
    """A name of a person or room that is empty, too long or padded refuses the handshake with 400."""
    with pytest.raises(InvalidStatus) as refused, connect(server.ws(address)):
        pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "say", "id": "1", "text": " "}', 1007),
        ('{"type": "say", "id": "1", "text": "' + "a" * 2001 + '"}', 1007),
        ('{"type": "say", "id": "' + "1" * 41 + '", "text": "a"}', 1007),
        ('{"type": "welcome"}', 1007),
        ("a" * 20_000, 1009),
    ],
)
def test_closes_on_messages_that_cannot_be(server: LiveServer, message: str, code: int) -> None:
    """A message that is empty, too long or unknown closes its connection, and nobody else hears of it."""
    with connect(server.ws("/rooms/strict?name=Ann")) as ann:
        hear(ann, "welcome")
        with connect(server.ws("/rooms/strict?name=Ben")) as ben:
            ben.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                hear(ben, "said")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
        assert hear(ann, "joined")["name"] == "Ben"
        assert json.loads(ann.recv(timeout=5))["type"] == "crowd"
        assert json.loads(ann.recv(timeout=5)) == {"type": "left", "name": "Ben"}


def test_serves_the_page_and_nothing_beside_it(server: LiveServer) -> None:
    """The page takes everything from this server, and no other file of it can be had."""
    page = httpx.get(server.http("/"))
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.text
    for name in ("chat.css", "chat.js", "connection.js", "log.js", "store.js", "theme.js", "icon.svg"):
        assert httpx.get(server.http(f"/static/{name}")).status_code == 200
    assert httpx.get(server.http("/static/%2e%2e/app.py")).status_code == 404
