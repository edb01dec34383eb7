"""docs/guide/presence.md: who is here, as whom, and for how long."""

from typing import Any

import pytest
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection

from antiphon import Antiphon, Member, WebSocket
from antiphon.channels import Presence
from antiphon.errors import ConfigurationError
from antiphon.testing import TestClient
from tests.docs.conftest import Load, eventually

PAGE = "docs/guide/presence.md"


async def test_document(load: Load) -> None:
    """The members, joins and leaves, several connections of one, parts and count."""
    app = load(PAGE, "document").app
    async with TestClient(app) as client, client.websocket("/docs/1?name=Ann&colour=red") as ann:
        assert await ann.receive_json() == {"here": {"Ann": {"colour": "red"}}}
        async with client.websocket("/docs/1?name=Ben") as ben:
            assert await ben.receive_json() == {
                "here": {"Ann": {"colour": "red"}, "Ben": {"colour": "black"}}
            }
            assert await ann.receive_json() == {"join": {"user": "Ben", "info": {"colour": "black"}}}
            async with client.websocket("/docs/1?name=Ben") as twin:
                await twin.receive_json()
                assert (await client.get("/docs/1/count")).json() == 2
            await ben.send("hello")
            assert await ann.receive_json() == {"from": "Ben", "text": "hello"}
        assert (await client.get("/docs/1/people")).json() == {
            "people": ["Ann", "Ben"],
            "count": 2,
            "next": None,
        }
        assert await ann.receive_json() == {"leave": {"user": "Ben", "info": {"colour": "black"}}}


async def test_parts(load: Load) -> None:
    """Parts follow on one another."""
    app = load(PAGE, "document").app
    async with TestClient(app) as client:
        for number in range(60):
            await app.services.hub.attending.enter("doc:1", str(number), Member(f"{number:02}"))
        first = (await client.get("/docs/1/people")).json()
        rest = (await client.get(f"/docs/1/people?cursor={first['next']}")).json()
    assert first["people"] + rest["people"] == [f"{number:02}" for number in range(60)]
    assert (first["count"], rest["next"]) == (60, None)


class Known(AuthenticationBackend):
    """Believes who says its name."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """The user of the query."""
        name = conn.query_params.get("name")
        return None if name is None else (AuthCredentials(), SimpleUser(name))


@pytest.mark.parametrize(
    ("verdict", "asked", "query", "expected"),
    [
        (True, None, "?name=Ada", Member("Ada")),
        ({"age": 9}, None, "?name=Ada", Member("Ada", {"age": 9})),
        (Member("boss", 1), None, "?name=Ada", Member("boss", 1)),
        (Member("boss", 1), Member("me"), "?name=Ada", Member("me")),
        (True, False, "?name=Ada", None),
        (True, None, "", "the connection"),
    ],
)
async def test_as_whom(verdict: Any, asked: Any, query: str, expected: Any) -> None:
    """What is asked for counts first, then the rule's verdict, then the user, then the connection."""
    app = Antiphon(middleware=[Middleware(AuthenticationMiddleware, backend=Known())])
    app.channels.define("a", presence=True, authorize=lambda ws: verdict)

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("a", member=asked)
        await ws.send(ws.id)
        await ws.receive()

    async with TestClient(app) as client, client.websocket(f"/{query}") as ws:
        connection = await ws.receive()
        members = (await app.channel("a").members()).members
    if expected == "the connection":
        expected = Member(connection)
    assert members == (() if expected is None else (expected,))


@pytest.mark.parametrize("leaves", ["unsubscribe", "close"])
async def test_grace(leaves: str) -> None:
    """A connection that ends counts for the grace; one that unsubscribes does not."""
    app = Antiphon()
    app.channels.define("a", presence=Presence(grace=3600))

    @app.websocket("/")
    async def view(ws: WebSocket) -> None:
        await ws.subscribe("a", member=Member("Ann"))
        async for message in ws:
            if message == "unsubscribe":
                await ws.unsubscribe("a")
                await ws.send("done")

    async with TestClient(app) as client, client.websocket("/") as ws:
        await eventually(lambda: app.channel("a").subscribers == 1)
        if leaves == "unsubscribe":
            await ws.send("unsubscribe")
            assert await ws.receive() == "done"
            async with client.websocket("/") as again:
                await again.send("unsubscribe")
                await again.receive()
            expected = 0
        else:
            await ws.close()
            await eventually(lambda: app.channel("a").subscribers == 0)
            expected = 1
        assert await app.channel("a").count() == expected


async def test_envelope() -> None:
    """In an envelope joins and leaves are events of the channel that they are about, without a position."""
    app = Antiphon()
    app.channels.define("a", presence=Presence(grace=0))

    @app.websocket("/{name}")
    async def view(ws: WebSocket, name: str) -> None:
        await ws.subscribe("a", presence=True, envelope=True, member=Member(name))
        await ws.send("here")
        await ws.receive()

    async with TestClient(app) as client, client.websocket("/ann") as ann:
        assert await ann.receive() == "here"
        async with client.websocket("/ben") as ben:
            assert await ben.receive() == "here"
        told = [await ann.receive_json(), await ann.receive_json()]
    assert [(each["channel"], each["event"], each["offset"]) for each in told] == [
        ("a", "join", None),
        ("a", "leave", None),
    ]
    assert told[1]["data"] == {"leave": {"user": "ben", "info": None}}


async def test_without_presence() -> None:
    """Asking a channel that keeps no presence is an error that says what to change."""
    app = Antiphon()
    async with TestClient(app):
        with pytest.raises(ConfigurationError, match="presence=True"):
            await app.channel("a").members()
