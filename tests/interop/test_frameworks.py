"""`uvicorn --ws antiphon.server:WebSocketProtocol`: any ASGI application, as on what uvicorn itself has."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.typing import Subprotocol

from tests.interop.clients import PATIENCE
from tests.servers import LiveServer

OURS = "antiphon.server:WebSocketProtocol"
THEIRS = "websockets-sansio"
LARGE = bytes(range(256)) * 6_000


def uvicorn(app: str, *options: str) -> LiveServer:
    command = [sys.executable, "-m", "uvicorn", app, "--host", "{host}", "--port", "{port}"]
    return LiveServer([*command, "--log-level", "warning", *options])


async def refusal(url: str) -> Any:
    """The response that refuses."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url):
            pass
    return refused.value.response


# --- Frameworks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "litestar", "django"])
async def test_framework(framework: str) -> None:
    """Parameters, headers, subprotocol, state, messages, close codes and refusals of each framework."""
    options = ["--lifespan", "off"] if framework == "django" else []
    with uvicorn(f"tests.interop.frameworks:{framework}_app", "--ws", OURS, *options) as server:
        async with (
            asyncio.timeout(PATIENCE),
            connect(
                server.ws("/echo/ann?q=1"),
                additional_headers={"x-token": "t"},
                subprotocols=[Subprotocol("v1"), Subprotocol("v2")],
                max_size=len(LARGE),
            ) as ws,
        ):
            assert ws.subprotocol == "v2"
            assert ws.response is not None
            assert ws.response.headers["x-seen"] == "t"
            assert "permessage-deflate" in ws.response.headers["sec-websocket-extensions"]
            assert json.loads(await ws.recv()) == {"name": "ann", "query": "1", "mood": "fine"}
            for message in ("täglich", b"\0\1", "x" * 100_000, LARGE):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send("close")
            with pytest.raises(ConnectionClosed, match=r"4001 \(private use\) as told"):
                await ws.recv()
        assert (await refusal(server.ws("/refused"))).status_code == 403
        response = await refusal(server.ws("/denied"))
        if framework == "litestar":
            # It refuses with a close event, for which every server answers 403.
            assert response.status_code == 403
        else:
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Token"
            assert json.loads(response.body) == {"why": "nobody may"}
    assert "Traceback" not in server.output() or framework == "litestar"


# --- Plain ASGI, beside uvicorn's own ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def started() -> Iterator[Callable[[str, str], LiveServer]]:
    """The application on an implementation and an event loop, each started once."""
    with ExitStack() as stack:

        @cache
        def start(ws: str, loop: str) -> LiveServer:
            options = ("--ws", ws, "--loop", loop, "--lifespan", "off", "--ws-max-size", "100000")
            return stack.enter_context(uvicorn("tests.interop.plain:app", *options))

        yield start


@pytest.fixture(params=[(OURS, "uvloop"), (OURS, "asyncio")], ids=["uvloop", "asyncio"])
def our_server(request: pytest.FixtureRequest, started: Callable[[str, str], LiveServer]) -> LiveServer:
    """The application on our class, on either event loop."""
    return started(*request.param)


@pytest.fixture(
    params=[(OURS, "uvloop"), (OURS, "asyncio"), (THEIRS, "uvloop")], ids=["uvloop", "asyncio", "theirs"]
)
def server(request: pytest.FixtureRequest, started: Callable[[str, str], LiveServer]) -> LiveServer:
    """The same, and beside it on uvicorn's own."""
    return started(*request.param)


@pytest.fixture
def ours(server: LiveServer) -> bool:
    """Whether it is our class."""
    return OURS in server.command


async def told(server: LiveServer, key: str) -> str:
    """What the application was told in the end."""
    async with httpx.AsyncClient() as http:
        return (await http.get(server.http(f"/{key}"), timeout=PATIENCE)).text


async def end(url: str) -> tuple[int | None, str | None]:
    """How the server ends a connection."""
    async with asyncio.timeout(PATIENCE), connect(url) as ws:
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        return ws.close_code, ws.close_reason


@pytest.mark.parametrize(
    "path", ["raises_first", "cancelled_first", "cancels_itself_first", "exits_first", "returns_first"]
)
async def test_no_answer_to_the_handshake(server: LiveServer, ours: bool, path: str) -> None:
    """Who raises or returns before accepting has refused with 500; the log, and nobody else, is told why."""
    response = await refusal(server.ws(f"/{path}?{path}"))
    assert response.status_code == 500
    assert b"secret" not in response.body
    if ours and path == "returns_first":
        assert "/returns_first>: the application did not answer the handshake" in server.output()


async def test_ends_after_accept(server: LiveServer, ours: bool) -> None:
    """An error closes with 1011, a return with 1000; uvicorn's own breaks the connection in both cases."""
    broken = (1006, "")
    assert await end(server.ws("/raises_after_accept?a")) == ((1011, "") if ours else broken)
    assert await end(server.ws("/cancelled_after_accept?e")) == ((1011, "") if ours else broken)
    assert await end(server.ws("/cancels_itself_after_accept?f")) == ((1011, "") if ours else broken)
    assert await end(server.ws("/exits_after_accept?g")) == ((1011, "") if ours else broken)
    assert await end(server.ws("/another_is_gone?h")) == ((1011, "") if ours else broken)
    assert await end(server.ws("/returns_after_accept?b")) == ((1000, "") if ours else broken)
    assert await end(server.ws("/bad_code?c")) == ((1011, "") if ours else broken)


async def test_closes_without_a_code(server: LiveServer, ours: bool) -> None:
    """An event with no code closes normally; uvicorn's own sends a close frame without one."""
    assert await end(server.ws("/no_code?d")) == (1000 if ours else 1005, "")


async def test_wrong_subprotocol(server: LiveServer, ours: bool) -> None:
    """A subprotocol that was not offered is the application's error; uvicorn's own leaves it to clients."""
    with pytest.raises(InvalidStatus if ours else NegotiationError):
        async with connect(server.ws("/wrong_subprotocol?subprotocol")):
            pass


async def test_client_closes(server: LiveServer) -> None:
    """The application gets the client's code and reason."""
    async with asyncio.timeout(PATIENCE), connect(server.ws("/listens?closes")) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"
        await ws.close(4002, "enough")
        assert ws.close_code == 4002
    assert await told(server, "closes") == repr(("websocket.disconnect", 4002, "enough"))


async def test_client_breaks(server: LiveServer, ours: bool) -> None:
    """A connection that breaks is 1006 (RFC 6455 § 7.1.5); uvicorn's own says 1005."""
    async with asyncio.timeout(PATIENCE), connect(server.ws("/listens?breaks")) as ws:
        ws.transport.abort()
    assert f"'websocket.disconnect', {1006 if ours else 1005}" in await told(server, "breaks")


async def test_too_large(server: LiveServer) -> None:
    """--ws-max-size holds: a larger message closes with 1009, and the application is told so."""
    async with asyncio.timeout(PATIENCE), connect(server.ws("/listens?large")) as ws:
        await ws.send("x" * 100_001)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1009
    assert "('websocket.disconnect', 1009" in await told(server, "large")


async def test_sending_to_nobody(our_server: LiveServer) -> None:
    """An application that sends to a client who reads nothing waits, and is told by an OSError of its end."""
    async with asyncio.timeout(PATIENCE), connect(our_server.ws("/sends_for_ever?sends"), max_queue=1) as ws:
        assert len(await ws.recv()) == 100_000
        ws.transport.abort()
    assert await told(our_server, "sends") == "True"


async def test_reading_late(our_server: LiveServer) -> None:
    """An application that does not read has the client wait, and loses nothing."""
    async with asyncio.timeout(PATIENCE), connect(our_server.ws("/reads_late?late"), compression=None) as ws:

        async def send() -> None:
            for _ in range(400):
                await ws.send("x" * 90_000)
            await ws.send("last")

        sending = asyncio.create_task(send())
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done, "36 MB were taken that nobody reads"
        async with connect(our_server.ws("/opens_gate?gate")):
            await sending
            assert await told(our_server, "late") == "400"


def test_log_is_quiet(our_server: LiveServer) -> None:
    """Errors of the application are logged with a traceback; clients that go are not worth one."""
    output = our_server.output()
    assert output.count("LookupError: secret") == 2
    assert output.count("RuntimeError: a function of the application was cancelled") == 4
    assert output.count("RuntimeError: a function of the application raised SystemExit") == 2
    # And one each for a bad close code, a subprotocol that was not offered, somebody else's client.
    assert output.count("Traceback") == 11, output
