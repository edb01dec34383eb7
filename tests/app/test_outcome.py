"""What becomes of a connection when a function of the application ends, in whatever way it does."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.servers import LiveServer

PATIENCE = 10

#: Ways to fail at once.
AT_ONCE = ["fails", "cancelled", "exits", "interrupted", "several"]
#: The same, and who is cancelled while it waits.
ANY = [*AT_ONCE, "cancels itself"]
#: What an open connection cannot be told, and what a handshake cannot be answered.
UNSENDABLE = ["no JSON", "no UTF-8"]
UNANSWERABLE = [*UNSENDABLE, "no Latin-1"]

BEFORE = ["connect", "factory", "view before"]
OPEN = ["message", "error", "connect after", "view after"]
OPEN_AT_ONCE = ["message at once", "thread", "inline"]
OVER = ["close", "teardown", "view over"]


OURS = ["-m", "antiphon", "run", "--loop"]
SERVERS = {
    "uvloop": [*OURS, "auto"],
    "asyncio": [*OURS, "asyncio"],
    "theirs": ["-m", "uvicorn", "--ws", "websockets-sansio"],
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    command = [sys.executable, *SERVERS[request.param], "tests.app.outcome_app:app"]
    with LiveServer([*command, "--host", "{host}", "--port", "{port}"]) as running:
        yield running
    assert "never retrieved" not in running.output()
    assert "Fatal error" not in running.output()


async def outcome(url: str) -> int:
    """The status that refuses, or the code that closes; the client does so itself if nobody else does."""
    try:
        async with asyncio.timeout(PATIENCE), connect(url) as ws:
            with contextlib.suppress(ConnectionClosed):
                await ws.send("x")
                if "/close?" in url or "/teardown?" in url:
                    await ws.close()
                await ws.recv()
            return ws.close_code or 0
    except InvalidStatus as refused:
        return refused.response.status_code


async def nothing_left(server: LiveServer) -> None:
    """All handlers have run, and what was made for them is torn down."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as http:
        nothing = {"torn": True, "open": 0, "handlers": 0, "views": 0}
        while (await http.get(server.http("/left"))).json() != nothing:
            pass


def errors(text: str) -> list[str]:
    """The lines of a log that say that something has failed."""
    return re.findall("^ERROR.*|^a handler of.*|^the view of.*|.* was cancelled$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("place", "how", "ends"),
    [
        *((place, how, 500) for place in BEFORE for how in (*ANY, *UNANSWERABLE)),
        *((place, how, 1011) for place in OPEN for how in (*ANY, *UNSENDABLE)),
        *((place, how, 1011) for place in OPEN_AT_ONCE for how in (*AT_ONCE, *UNSENDABLE)),
        *((place, how, 1000) for place in OVER for how in ANY),
        *(("view failed", how, 1011) for how in ANY),
    ],
)
async def test_ends_one_connection(server: LiveServer, place: str, how: str, ends: int) -> None:
    """However a function of the application ends, its connection ends too, is torn down, and others go on.

    The log says so once.
    """
    lines = 2 if place == "view failed" else 1
    theirs = "uvicorn" in server.command
    if how == "cancels itself":
        in_start = place in ("connect", "connect after", "factory")
        in_call = in_start or (theirs and place.startswith("view"))
        if in_call:
            # It is the call of the application that is stopped; uvicorn tells of that, too.
            ends = {"view over": 1000, "view failed": 1011}.get(place, 1001 if place in OPEN else 503)
            lines = 1 + (theirs and in_start)
        elif place in (*OVER, "view failed"):
            # When all is over, nobody minds.
            lines -= 1
    before = len(server.output())
    async with connect(server.ws("/echo")) as other:
        got = await outcome(server.ws(quote(f"/{place}")) + f"?how={quote(how)}")
        await other.send("x")
        assert await other.recv() == "x"
    assert got == ends, server.output()[before:]
    await nothing_left(server)
    said = server.output()[before:]
    assert len(errors(said)) == lines, said


@pytest.mark.parametrize("path", ["/connect", "/view%20before"])
async def test_impatient_layer(path: str) -> None:
    """A layer that limits the time for a handshake has its time-out, and the client is refused: no error."""
    with LiveServer.antiphon("tests.app.outcome_app:impatient") as server:
        assert await outcome(server.ws(path) + "?how=waits") == 503
    assert "the layer's time is up" in server.output()
    assert len(errors(server.output())) == 1
    assert path != "/connect" or "close finds it rejected" in server.output()
    assert "Traceback" not in server.output()
