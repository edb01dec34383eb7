"""The authorisation route: nobody may subscribe unless a rule says so."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from antiphon import Antiphon, Broadcast, Member
from antiphon.broadcast import Credentials
from antiphon.errors import BindingError, ConfigurationError
from antiphon.testing import TestClient

KEY, SECRET = "key", "secret"
credentials = Credentials(KEY, SECRET)


class User:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def app() -> Antiphon:
    app = Antiphon()

    def user(request: Request) -> User:
        return User(request.headers.get("x-user", ""))

    app.provide(User, user)
    auth = app.channel_auth(credentials=credentials)

    @auth.rule("private-orders.{order:int}")
    async def may_follow(request: Request, order: int, user: User) -> bool:
        return user.name == "Ada" and order == 7

    @auth.rule("presence-room.{room}")
    def may_enter(user: User, room: str) -> Member | None:
        return Member(user.name, {"room": room}) if user.name else None

    @auth.rule("private-any.{what}")
    async def anything(request: Request, what: str) -> Any:
        body = await request.body()
        assert b"socket_id" in body
        return {"true": True, "member": Member("1"), "one": 1, "dict": {"id": 1}, "none": None}[what]

    @auth.rule("presence-true")
    async def careless() -> bool:
        return True

    @auth.rule("private-raises.{status:int}")
    async def refuse(status: int) -> bool:
        raise HTTPException(status, "who are you?")

    @auth.rule("private-age.{age}")
    def old_enough(age: int) -> bool:
        return age > 17

    return app


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


async def ask(client: TestClient, channel: str, *, user: str = "Ada", socket: str = "12.34") -> Any:
    """The status, and the body if it is 200."""
    answer = await client.post(
        "/broadcasting/auth",
        body=f"socket_id={socket}&channel_name={channel}",
        headers={"content-type": "application/x-www-form-urlencoded", "x-user": user},
    )
    return answer.json() if answer.status == 200 else answer.status


async def test_private(client: TestClient) -> None:
    """Who may gets a signature over this socket and this channel; nobody else gets one."""
    assert await ask(client, "private-orders.7") == {"auth": credentials.sign("12.34", "private-orders.7")}
    assert await ask(client, "private-orders.8") == 403
    assert await ask(client, "private-orders.7", user="Bob") == 403


async def test_presence(client: TestClient) -> None:
    """Who enters is signed with it, as the others will see it."""
    answer = await ask(client, "presence-room.red")
    assert json.loads(answer["channel_data"]) == {"user_id": "Ada", "user_info": {"room": "red"}}
    assert answer["auth"] == credentials.sign("12.34", "presence-room.red", answer["channel_data"])
    assert await ask(client, "presence-room.red", user="") == 403


@pytest.mark.parametrize(
    "channel",
    [
        "private-unknown",
        "private-orders.x",
        "private-orders.7.8",
        "private-orders.",
        "orders.7",
        "presence-x",
    ],
)
async def test_no_rule(client: TestClient, channel: str) -> None:
    """What no rule is about is denied."""
    assert await ask(client, channel) == 403


@pytest.mark.parametrize("verdict", ["one", "dict", "none"])
async def test_verdicts_that_are_none(
    client: TestClient, verdict: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only True and a Member let somebody in; what is neither denies, and the log says why."""
    caplog.set_level(logging.ERROR)
    assert await ask(client, f"private-any.{verdict}") == 403
    assert ("to let somebody in it returns True or a Member" in caplog.text) == (verdict != "none")


@pytest.mark.parametrize("verdict", ["true", "member"])
async def test_verdicts(client: TestClient, verdict: str) -> None:
    """A private channel is not told who enters, whatever the rule says."""
    assert (await ask(client, f"private-any.{verdict}")).keys() == {"auth"}


async def test_presence_without_a_member(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """A presence channel must be told who enters; True alone lets nobody in."""
    assert await ask(client, "presence-true") == 403
    assert "to let somebody in it returns a Member" in caplog.text


async def test_a_rule_that_refuses_by_itself(client: TestClient) -> None:
    """An HTTPException is answered as in any handler."""
    assert await ask(client, "private-raises.401") == 401


async def test_parameters(client: TestClient) -> None:
    """A part of the name that does not convert denies."""
    assert (await ask(client, "private-age.18")).keys() == {"auth"}
    assert await ask(client, "private-age.17") == 403
    assert await ask(client, "private-age.old") == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "socket_id=12.34",
        "channel_name=private-orders.7",
        "socket_id=12&channel_name=private-orders.7",
        "socket_id=12.34%0A&channel_name=private-orders.7",
        "socket_id=12.34:private-orders.8&channel_name=private-orders.7",
        "socket_id=12.34&channel_name=private-orders.7:x",
        "socket_id=12.34&channel_name=private-orders.7%0A",
        "socket_id=12.34&channel_name=private-orders.7&x=" + "y" * 5000,
        "\xff\xfe",
    ],
)
async def test_bad_questions(client: TestClient, body: str) -> None:
    """What asks for no possible socket and channel is 400."""
    answer = await client.post("/broadcasting/auth", body=body.encode("latin-1"), headers={"x-user": "Ada"})
    assert answer.status == 400


async def test_json(client: TestClient) -> None:
    """The question may be JSON; the answer is for no cache."""
    question = {"socket_id": "12.34", "channel_name": "private-orders.7"}
    answer = await client.post("/broadcasting/auth", json=question, headers={"x-user": "Ada"})
    assert answer.json().keys() == {"auth"}
    assert answer.headers["cache-control"] == "no-store"
    for wrong in ([], 5, {"socket_id": 12.34, "channel_name": ["private-orders.7"]}):
        answer = await client.post("/broadcasting/auth", json=wrong, headers={"x-user": "Ada"})
        assert answer.status == 400
    json_type = {"content-type": "application/json"}
    answer = await client.post("/broadcasting/auth", body=b"[" * 4000, headers=json_type)
    assert answer.status == 400


async def test_only_post(client: TestClient) -> None:
    """A link does not ask."""
    assert (await client.get("/broadcasting/auth")).status == 405


def test_patterns() -> None:
    """A rule is about private or presence channels, and its parameters must come from somewhere."""
    auth = Antiphon().channel_auth("/auth", credentials)
    with pytest.raises(ConfigurationError, match="begin with 'private-' or 'presence-', not 'orders'"):
        auth.rule("orders")
    with pytest.raises(ConfigurationError, match="is no path"):
        auth.rule("private-{order:wrong}")
    with pytest.raises(BindingError, match="thing"):

        @auth.rule("private-a")
        def rule(thing: object) -> bool:
            return True

    assert repr(auth) == "<ChannelAuth /auth 0 rules>"


def test_credentials_of_the_configuration() -> None:
    """Without credentials it takes those of the driver pusher; without those it says what is missing."""
    app = Antiphon()
    with pytest.raises(ConfigurationError, match=r"DRIVERS\['pusher'\]\['client'\]"):
        app.channel_auth()
    app.broadcast = Broadcast("local", {"pusher": {"client": "k", "secret": "s"}})
    auth = app.channel_auth()
    assert auth._credentials == Credentials("k", "s")


async def test_at_another_path() -> None:
    """The path may be that of another framework."""
    app = Antiphon()
    auth = app.channel_auth("/broadcasting/authorize", credentials)

    @auth.rule("private-{name:path}")
    def all_of_them() -> bool:
        return True

    async with TestClient(app) as client:
        answer = await client.post("/broadcasting/authorize", body="socket_id=1.2&channel_name=private-a.b,c")
        assert answer.json() == {"auth": credentials.sign("1.2", "private-a.b,c")}
        await asyncio.sleep(0)
