"""Peers that have time: each is given up at its deadline, which the command line sets here.

Waiting is what takes time, so all of them wait at once; each test then looks at one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.hostile.conftest import APP
from tests.hostile.peer import CUT, Peer, bystander, request
from tests.servers import LiveServer
from tests.wire.helpers import client_frame, text

TIMEOUTS = {"handshake": 1, "message": 1, "ping_interval": 1, "ping": 1, "idle": 3, "close": 1}
OPTIONS = [part for name, value in TIMEOUTS.items() for part in ("--timeout", f"{name}={value}")]

Attack = Callable[[LiveServer], Awaitable[Any]]
attacks: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    attacks[function.__name__] = function
    return function


async def trickle(peer: Peer, data: bytes) -> None:
    """Send byte after byte, slowly, until the server has had enough."""
    for at in range(len(data)):
        if peer.writer.is_closing() or peer.reader.at_eof():
            return
        await peer.send(data[at : at + 1])
        await asyncio.sleep(0.1)


async def while_trickling(peer: Peer, data: bytes, outcome: Awaitable[Any]) -> Any:
    sending = asyncio.create_task(trickle(peer, data))
    try:
        return await outcome
    finally:
        sending.cancel()


@attack
async def slow_handshake(server: LiveServer) -> Any:
    """A handshake byte by byte."""
    async with Peer.raw(server) as peer:
        return await while_trickling(peer, request(), peer.status()), await peer.gone()


@attack
async def empty_lines(server: LiveServer) -> Any:
    """Empty lines, which may come before a request."""
    async with Peer.raw(server) as peer:
        return await while_trickling(peer, b"\r\n" * 100, peer.status()), await peer.gone()


@attack
async def slow_second_request(server: LiveServer) -> Any:
    """A first request at once, a second byte by byte on the same connection."""
    async with Peer.raw(server) as peer:
        await peer.send(b"GET /release HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = await peer.status()
        return first, await while_trickling(peer, request(), peer.status())


@attack
async def says_nothing(server: LiveServer) -> Any:
    """A socket, and nothing else."""
    async with Peer.raw(server) as peer:
        return await peer.status(), await peer.gone()


@attack
async def never_accepted(server: LiveServer) -> Any:
    """A handshake that the view never answers."""
    async with Peer.raw(server) as peer:
        await peer.send(request("/never"))
        return await peer.status(), await peer.gone()


@attack
async def no_pong(server: LiveServer) -> Any:
    """A peer that reads, and never answers a ping; the connection may be half open."""
    async with Peer.open(server) as peer:
        pinged = await peer.frame()
        return pinged, await peer.closed(), await peer.gone()


@attack
async def pongs_only(server: LiveServer) -> Any:
    """A peer that answers every ping and never says a word is idle, but not gone."""
    async with Peer.open(server) as peer:
        pings = 0
        while (frame := await peer.frame())[0] == 9:
            pings += 1
            await peer.send(client_frame(10))
        return pings, int.from_bytes(frame[1][:2], "big")


@attack
async def talks(server: LiveServer) -> Any:
    """A peer that talks is neither idle nor gone, whether it answers pings or not."""
    async with Peer.open(server) as peer:
        answers = 0
        for _ in range(40):
            await peer.send(text("x"))
            while (await peer.frame())[0] == 9:
                pass
            answers += 1
            await asyncio.sleep(0.1)
        return answers


@attack
async def endless_message(server: LiveServer) -> Any:
    """A message in fragments that are few and small, and never end."""
    async with Peer.open(server) as peer:
        fragments = text("", fin=False) + client_frame(0, b"x", fin=False) * 40
        return await while_trickling(peer, fragments, peer.closed()), await peer.gone()


@attack
async def endless_frame(server: LiveServer) -> Any:
    """A frame whose payload comes byte by byte."""
    async with Peer.open(server) as peer:
        return await while_trickling(peer, text("x" * 10_000), peer.closed()), await peer.gone()


@attack
async def never_closes(server: LiveServer) -> Any:
    """Who broke a rule and does not leave is cut off."""
    async with Peer.open(server) as peer:
        await peer.send(text("x", mask=None))
        code = await peer.closed()
        chatter = asyncio.create_task(trickle(peer, bytes(1000)))
        await chatter
        return code, peer.writer.is_closing() or peer.reader.at_eof()


async def run_all() -> tuple[dict[str, Any], str]:
    with LiveServer.antiphon(APP, *OPTIONS) as server:
        async with bystander(server) as honest:
            results = await asyncio.gather(*(each(server) for each in attacks.values()))
            await honest.gets(3)
        return dict(zip(attacks, results, strict=True)), server.output()


@pytest.fixture(scope="module")
def outcome() -> tuple[dict[str, Any], str]:
    """What came of each attack, and what the server printed."""
    return asyncio.run(run_all())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slow_handshake", (408, True)),
        ("empty_lines", (408, True)),
        ("slow_second_request", (204, 408)),
        ("says_nothing", (0, True)),
        ("never_accepted", (503, True)),
        ("no_pong", ((9, b""), 1011, True)),
        ("talks", 40),
        ("endless_message", (1008, True)),
        ("endless_frame", (1008, True)),
        ("never_closes", (1002, True)),
    ],
)
def test_deadline(outcome: tuple[dict[str, Any], str], name: str, expected: Any) -> None:
    """Each gets what it deserves, in words of the protocol where there are any."""
    assert outcome[0][name] == expected


def test_idle(outcome: tuple[dict[str, Any], str]) -> None:
    """Answering pings keeps a connection, as long as silence is allowed."""
    pings, code = outcome[0]["pongs_only"]
    assert pings
    assert code == 1001


async def test_slow_reader() -> None:
    """Who reads on is there, though what waits for it leaves no room for a ping."""
    with LiveServer.antiphon(APP, "--timeout", "ping_interval=1", "--timeout", "ping=1") as server:
        async with Peer.open(server, "/pours", window=4096) as peer:
            for _ in range(50):
                assert await peer.frame() == (2, bytes(50_000))
                await asyncio.sleep(0.1)


def test_every_attack_is_looked_at(outcome: tuple[dict[str, Any], str]) -> None:
    """One line each at most, no traceback."""
    results, output = outcome
    told = [line for line in output.splitlines() if '"WebSocket ' not in line and '"GET ' not in line]
    assert "Traceback" not in output
    assert len(told) < len(results) + 12, output
    assert CUT not in results.values()
