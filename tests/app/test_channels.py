"""Channels of an application, as clients meet them: entering, coming back, presence, limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from antiphon import Antiphon, History, Limits, Position, WebSocket
from antiphon.channels import ChannelLimits, Presence
from antiphon.errors import ConfigurationError, InvalidChannel, PublicationTooLarge, SubscriptionRefused
from antiphon.subscription import Member
from antiphon.testing import HandshakeRefused, TestClient, TestWebSocket

Verdict = asyncio.Future[bool]


def undecided() -> tuple[Callable[[WebSocket], Awaitable[bool]], asyncio.Queue[Verdict]]:
    """A channel's rule, and where the verdicts that it waits for come up, for the test to give."""
    asked: asyncio.Queue[Verdict] = asyncio.Queue()

    async def rule(ws: WebSocket) -> bool:
        verdict: Verdict = asyncio.get_running_loop().create_future()
        asked.put_nowait(verdict)
        return await verdict

    return rule, asked


@pytest.fixture
def app() -> Antiphon:
    """An application whose clients say what they want to subscribe to, and how."""
    app = Antiphon()

    @app.websocket("/")
    async def view(
        ws: WebSocket,
        channel: str,
        since: str | None = None,
        envelope: bool = False,
        presence: bool = False,
        user: str | None = None,
    ) -> None:
        subscription = await ws.subscribe(
            channel,
            since=None if since is None else Position.parse(since),
            envelope=envelope,
            presence=presence,
            member=None if user is None else Member(user, {"name": user.title()}),
        )
        members = subscription.members
        await ws.send(
            {
                "recovered": subscription.recovered,
                "position": str(subscription.position),
                "members": None if members is None else [each.user for each in members],
            }
        )
        async for message in ws:
            if message == "leave":
                await ws.unsubscribe(channel)
                await ws.send("left")

    return app


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    app.channels.define("news", history=History(size=3, ttl=60))
    async with TestClient(app) as client:
        yield client


async def verdict(ws: TestWebSocket) -> dict[str, Any]:
    found: dict[str, Any] = await ws.receive_json()
    return found


class TestComingBack:
    """A client that gives a position has all since then, or is told that it has not."""

    async def test_recovers(self, app: Antiphon, client: TestClient) -> None:
        """What was missed comes first and in order, then the verdict, then what is new; nothing twice."""
        news = app.channel("news")
        first = await news.publish("1")
        await news.publish("2")
        last = await news.publish("3")
        async with client.websocket(f"/?channel=news&since={first}") as ws:
            assert [await ws.receive(), await ws.receive()] == ["2", "3"]
            assert await verdict(ws) == {"recovered": True, "position": str(last), "members": None}
            await news.publish("4")
            assert await ws.receive() == "4"

    async def test_lost(self, app: Antiphon, client: TestClient) -> None:
        """What the history does not have all of is not recovered in part."""
        news = app.channel("news")
        first = await news.publish("1")
        for number in range(4):
            last = await news.publish(str(number))
        assert first is not None
        assert last is not None
        for position in (first, Position(last.offset, "other"), Position(last.offset + 1, last.epoch)):
            async with client.websocket(f"/?channel=news&since={position}") as ws:
                assert await verdict(ws) == {"recovered": False, "position": str(last), "members": None}
                assert ws.unread == 0

    async def test_new(self, app: Antiphon, client: TestClient) -> None:
        """Who gives no position is told where the channel stands, and nothing of recovery."""
        position = await app.channel("news").publish("1")
        async with client.websocket("/?channel=news") as ws:
            assert await verdict(ws) == {"recovered": None, "position": str(position), "members": None}

    async def test_no_history(self, app: Antiphon, client: TestClient) -> None:
        """A channel without a history has no positions, whatever a client gives."""
        async with client.websocket("/?channel=live&since=3.x") as ws:
            assert await verdict(ws) == {"recovered": None, "position": "None", "members": None}
            assert await app.channel("live").publish("1") is None
            assert await ws.receive() == "1"

    async def test_envelope(self, app: Antiphon, client: TestClient) -> None:
        """An envelope has the position to come back with, of recovered publications too."""
        start = (await app.channel("news").history(limit=0)).position
        position = await app.channel("news").publish({"n": 1}, event="said", id="i")
        async with client.websocket(f"/?channel=news&envelope=true&since={start}") as ws:
            found = await ws.receive_json()
            time = found.pop("time")
            assert position is not None
            assert found == {
                "channel": "news",
                "event": "said",
                "data": {"n": 1},
                "id": "i",
                "offset": position.offset,
                "epoch": position.epoch,
            }
            assert time > 1_700_000_000


class TestAuthorize:
    """Who may enter, by a rule of any kind."""

    @pytest.mark.parametrize("kind", ["coroutine", "plain", "object", "lambda"])
    async def test_kinds(self, app: Antiphon, kind: str) -> None:
        """A coroutine function, a plain one, an object, what returns an awaitable: each is asked rightly."""

        async def may_enter(ws: WebSocket, room: str) -> bool:
            await asyncio.sleep(0)
            return room == "open"

        class Rule:
            async def __call__(self, ws: WebSocket, room: str) -> bool:
                return await may_enter(ws, room)

        rules: dict[str, Any] = {
            "coroutine": may_enter,
            "plain": lambda ws, room: room == "open",
            "object": Rule(),
            "lambda": lambda ws, room: may_enter(ws, room),
        }
        app.channels.define("room:{room}", authorize=rules[kind])
        async with TestClient(app) as client:
            async with client.websocket("/?channel=room:open") as ws:
                assert (await verdict(ws))["recovered"] is None
            with pytest.raises(HandshakeRefused) as refused:
                async with client.websocket("/?channel=room:closed"):
                    pass
        assert (refused.value.status, refused.value.body) == (
            403,
            b"channel 'room:closed' does not let you in",
        )

    @pytest.mark.parametrize("verdict", [False, None])
    async def test_after_accepting(self, verdict: bool | None) -> None:
        """Who is refused after the handshake is closed with 4403, and receives nothing of the channel."""
        app = Antiphon()
        app.channels.define("room", authorize=lambda ws: verdict)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.subscribe("room")

        async with TestClient(app) as client, client.websocket("/") as ws:
            closed = await ws.receive_close()
            assert (closed.code, closed.reason) == (4403, "channel 'room' does not let you in")
            assert app.channel("room").subscribers == 0

    async def test_refusal_is_an_exception(self) -> None:
        """A view may catch the refusal, and go on."""
        app = Antiphon()
        app.channels.define("room", authorize=lambda ws: False)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            with pytest.raises(SubscriptionRefused):
                await ws.subscribe("room")
            await ws.subscribe("other")
            await ws.send("in another")

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "in another"

    @pytest.mark.parametrize(
        ("verdict", "user", "info"),
        [(Member("ann", 1), "ann", 1), ({"role": "host"}, None, {"role": "host"}), (True, None, None)],
    )
    async def test_who(self, app: Antiphon, verdict: Any, user: str | None, info: Any) -> None:
        """A member enters as that; other information is the connection's own."""
        app.channels.define("room", presence=True, authorize=lambda ws: verdict)
        async with TestClient(app) as client, client.websocket("/?channel=room") as ws:
            await ws.receive()
            (member,) = await app.channel("room").members()
            assert member.info == info
            assert user is None or member.user == user

    def test_cannot_be_called(self, app: Antiphon) -> None:
        """A rule that cannot be called with the pattern's parameters is refused, and defines nothing."""
        with pytest.raises(ConfigurationError, match=r"called with \(ws, room\)"):
            app.channels.define("room:{room}", authorize=lambda ws: True)
        app.channels.define("room:{room}")


class TestPresence:
    """Who is there."""

    @pytest.fixture
    async def client(self, app: Antiphon) -> AsyncIterator[TestClient]:
        app.channels.define("room", presence=Presence(grace=60))
        app.channels.define("brief", presence=Presence(grace=0))
        async with TestClient(app) as client:
            yield client

    async def test_joins_and_leaves(self, client: TestClient) -> None:
        """Who asks is told who is there, then who comes and goes; others are not."""
        async with client.websocket("/?channel=brief&user=ann&presence=true") as ann:
            assert (await verdict(ann))["members"] == ["ann"]
            async with client.websocket("/?channel=brief&user=eve") as eve:
                assert (await verdict(eve))["members"] is None
                assert await ann.receive_json() == {"join": {"user": "eve", "info": {"name": "Eve"}}}
                async with client.websocket("/?channel=brief&user=bob&presence=true") as bob:
                    assert (await verdict(bob))["members"] == ["ann", "bob", "eve"]
                    assert "bob" in str(await ann.receive_json())
                assert await ann.receive_json() == {"leave": {"user": "bob", "info": {"name": "Bob"}}}
                assert eve.unread == 0

    async def test_several_connections_and_reload(self, app: Antiphon, client: TestClient) -> None:
        """Connections of one user are one member; a reload is neither a leave nor a join."""
        room = app.channel("room")
        async with client.websocket("/?channel=room&user=eve&presence=true") as eve:
            await eve.receive()
            async with client.websocket("/?channel=room&user=ann") as one:
                await one.receive()
                async with client.websocket("/?channel=room&user=ann") as two:
                    await two.receive()
                    assert {each.user: each.connections for each in await room.members()} == {
                        "ann": 2,
                        "eve": 1,
                    }
            assert await room.count() == 2
            async with client.websocket("/?channel=room&user=ann") as again:
                await again.receive()
                assert {each.user: each.connections for each in await room.members()} == {"ann": 1, "eve": 1}
            assert "join" in await eve.receive_json()
            assert eve.unread == 0

    async def test_unsubscribes(self, app: Antiphon, client: TestClient) -> None:
        """Who unsubscribes has left at once: that is no reload."""
        async with client.websocket("/?channel=room&user=ann") as ann:
            await ann.receive()
            await ann.send("leave")
            assert await ann.receive() == "left"
            async with asyncio.timeout(5):
                while await app.channel("room").count():  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)

    @pytest.mark.parametrize("allowed", [True, False])
    async def test_twice_at_once(self, allowed: bool) -> None:
        """Who subscribes again on the way in is told what the first is told, or tries when that fails."""
        app = Antiphon()
        rule, asked = undecided()
        app.channels.define("room", history=History(), authorize=rule)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            first, second = (asyncio.create_task(ws.subscribe("room")) for _ in range(2))
            (await asked.get()).set_result(allowed)
            if not allowed:
                with pytest.raises(SubscriptionRefused):
                    await first
                (await asked.get()).set_result(True)
            position = (await second).position
            assert position is not None
            await ws.send(position.epoch)
            if allowed:
                assert await first is await second
            assert asked.empty()
            await ws.send("done")

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive()
            assert await ws.receive() == "done"
        assert app.channel("room").subscribers == 0

    async def test_leaves_while_two_enter(self) -> None:
        """Who unsubscribes after it has subscribed twice at once is subscribed no more."""
        app = Antiphon()
        rule, asked = undecided()
        app.channels.define("room", authorize=rule)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            both = [asyncio.create_task(ws.subscribe("room")) for _ in range(2)]
            verdict = await asked.get()
            await ws.unsubscribe("room")
            verdict.set_result(True)
            await asyncio.gather(*both)
            assert asked.empty()
            await ws.send("done")
            await ws.receive()

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "done"
            assert app.channel("room").subscribers == 0

    async def test_a_rule_that_subscribes(self) -> None:
        """A rule that subscribes to the very channel does not wait for itself."""
        app = Antiphon()

        async def rule(ws: WebSocket) -> bool:
            return (await ws.subscribe("room")).channel == "room"

        app.channels.define("room", authorize=rule)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            await ws.subscribe("room")
            await ws.send("done")

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "done"

    async def test_comes_back_while_it_enters(self) -> None:
        """Who unsubscribes on the way in and comes back keeps what it has, though the first way fails."""
        app = Antiphon()
        rule, asked = undecided()
        app.channels.define("room", presence=Presence(grace=0), authorize=rule)

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            await ws.accept()
            first = asyncio.create_task(ws.subscribe("room"))
            early = await asked.get()
            await ws.unsubscribe("room")
            second = asyncio.create_task(ws.subscribe("room", member=Member("ann")))
            (await asked.get()).set_result(True)
            await second
            early.set_result(False)
            with pytest.raises(SubscriptionRefused):
                await first
            await ws.send("here")
            await ws.receive()
            await ws.unsubscribe("room")
            await ws.send("gone")

        room = app.channel("room")
        async with TestClient(app) as client, client.websocket("/") as ws:
            assert await ws.receive() == "here"
            assert ([each.user for each in await room.members()], room.subscribers) == (["ann"], 1)
            await ws.send("leave")
            assert await ws.receive() == "gone"
            assert room.subscribers == 0

    async def test_pages(self, app: Antiphon, client: TestClient) -> None:
        """Members are read in parts."""
        sockets = [client.websocket(f"/?channel=room&user=u{number}") for number in range(5)]
        for each in sockets:
            await (await each.__aenter__()).receive()
        first = await app.channel("room").members(limit=2)
        second = await app.channel("room").members(limit=3, cursor=first.cursor)
        assert [each.user for each in (*first, *second)] == ["u0", "u1", "u2", "u3", "u4"]
        assert (first.count, second.cursor) == (5, None)
        for each in sockets:
            await each.__aexit__(None, None, None)

    async def test_without(self, app: Antiphon, client: TestClient) -> None:
        """A channel that keeps no presence says how it could."""
        with pytest.raises(ConfigurationError, match="presence=True"):
            await app.channel("live").members()
        with pytest.raises(ConfigurationError, match="presence=True"):
            async with client.websocket("/?channel=live&presence=true") as ws:
                await ws.receive()


class TestLimits:
    """What is too much is refused, and harms nobody."""

    async def test_data(self) -> None:
        """A publication with more data than the channel allows is refused to its publisher, in bytes."""
        app = Antiphon()
        app.channels.define("news", limits=ChannelLimits(data=4))
        async with TestClient(app):
            await app.channel("news").publish("1234")
            for data in ("12345", "ää1", b"12345", [1, 2, 3]):
                with pytest.raises(PublicationTooLarge, match="at most 4 bytes"):
                    await app.channel("news").publish(data)
            with pytest.raises(PublicationTooLarge):
                app.channel("news").publish_nowait("12345")

    @pytest.mark.parametrize("history", [None, History()])
    async def test_subscribers(self, app: Antiphon, history: History | None) -> None:
        """One subscriber too many is refused; when one has gone there is room again."""
        app.channels.define("news", history=history, limits=ChannelLimits(subscribers=1))
        async with TestClient(app) as client:
            async with client.websocket("/?channel=news") as ws:
                await ws.receive()
                async with client.websocket("/?channel=news") as second:
                    closed = await second.receive_close()
                assert (closed.code, closed.reason) == (4403, "channel 'news' has 1 subscribers already")
            async with client.websocket("/?channel=news") as ws:
                await ws.receive()

    async def test_subscriptions(self) -> None:
        """One subscription too many closes the connection with 1008."""
        app = Antiphon(limits=Limits(subscriptions=2))

        @app.websocket("/")
        async def view(ws: WebSocket) -> None:
            for channel in "aabc":
                await ws.subscribe(channel)

        async with TestClient(app) as client, client.websocket("/") as ws:
            assert (await ws.receive_close()).code == 1008

    async def test_names(self, app: Antiphon) -> None:
        """A name that cannot be one is refused with 400; Antiphon's own channels are nobody's."""
        with pytest.raises(InvalidChannel):
            app.channel("$presence:room")
        async with TestClient(app) as client:
            with pytest.raises(HandshakeRefused) as refused:
                async with client.websocket("/?channel=$presence:room"):
                    pass
        assert refused.value.status == 400


class TestApplication:
    """`app.channels`."""

    async def test_too_late(self, app: Antiphon) -> None:
        """Channels are defined before the application starts."""
        async with TestClient(app):
            with pytest.raises(ConfigurationError, match="before the application starts"):
                app.channels.define("late")

    async def test_undefined(self, app: Antiphon, client: TestClient) -> None:
        """A channel that is not defined is live only: server-side code may use it, and it says so."""
        with pytest.raises(ConfigurationError, match="keeps no history"):
            await app.channel("undefined").history()
        async with client.websocket("/?channel=undefined") as ws:
            await ws.receive()
            await app.channel("undefined").publish("live")
            assert await ws.receive() == "live"

    async def test_own_channels_keep_nothing(self, app: Antiphon) -> None:
        """A wide pattern does not make endpoints' broadcasts remembered, nor joins."""
        app.channels.define("{a}:{b}", history=History(), limits=ChannelLimits(data=3))
        async with TestClient(app) as client, client.websocket("/?channel=x") as ws:
            await ws.receive()
            await app.endpoints["/"].broadcast("longer than that")
            assert await ws.receive() == "longer than that"
        assert "<MemoryBroker 0 streams>" in str(app.channels.statistics())

    async def test_statistics(self, app: Antiphon, client: TestClient) -> None:
        """How channels are doing, in numbers."""
        async with client.websocket("/?channel=news") as ws:
            await ws.receive()
            await app.channel("news").publish("1")
            found = app.channels.statistics()
        assert found["broker"] == "<MemoryBroker 1 streams>"
        assert (found["received"], found["repaired"], found["lost"], found["dropped"]) == (1, 0, 0, 0)
        assert (found["interruptions"], found["outage"]) == (0, None)
        assert found["channels"] == found["subscribers"] == 2  # the channel, and the endpoint's own
