"""What is measured: for each workload, what the load generator does and what a server must be able to.

The unit is what server CPU time is divided by: a message echoed, a publication delivered to one
subscriber, a handshake answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["echo", "fanout", "redis", "deflate", "tls", "open"]
Unit = Literal["message", "delivery", "handshake"]


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of work.

    Attributes:
        name: As ``--only`` selects it.
        title: For people.
        kind: What a server must be able to.
        unit: What is counted.
        options: For the load generator.
        template: File of ``servers/`` whose text is published.
        quick: Options that ``--quick`` puts in the place of others.
        times: How many rounds count as one, where a single one says little.
    """

    name: str
    title: str
    kind: Kind
    unit: Unit
    options: dict[str, str]
    template: str = "plain.txt"
    quick: dict[str, str] | None = None
    times: int = 1

    def arguments(self, *, quick: bool) -> list[str]:
        """The load generator's command line."""
        options = {**self.options, **(self.quick or {})} if quick else self.options
        return [part for name, value in options.items() for part in (f"--{name}", value) if part]

    def asks(self, name: str) -> bool:
        """Whether a server is measured here when nobody chooses servers."""
        among = AMONG.get(self.name)
        return among is None or matches(name, among)


def _echo(
    name: str, title: str, size: int = 32, in_flight: int = 1, kind: Kind = "echo", times: int = 1
) -> Workload:
    options = {"mode": "echo", "connections": "100", "size": str(size), "in-flight": str(in_flight)}
    if kind == "tls":
        options["tls"] = ""
    return Workload(name, title, kind, "message", options, times=times)


def _fanout(name: str, title: str, to: int, burst: int, kind: Kind = "fanout") -> Workload:
    options = {"mode": "fanout", "connections": str(to), "burst": str(burst)}
    return Workload(name, title, kind, "delivery", options, quick={"connections": str(min(to, 1000))})


def _deflate(name: str, title: str, burst: int) -> Workload:
    options = {"mode": "fanout", "connections": "1000", "burst": str(burst), "deflate": ""}
    return Workload(name, title, "deflate", "delivery", options, template="quotes.json")


LATENCY = "latency"

_FASTAPI = ("fastapi-antiphon", "fastapi-websockets", "fastapi-websockets-sansio")
_FEW = ("antiphon", *_FASTAPI, "raw", "c", "aiohttp", "websockets", "picows", "socketify", "node")
_MANY = (*_FEW, "fastapi-granian", "sanic", "litestar", "channels", "socketio", "robyn")

#: Servers whose figure says something at a workload, by name or beginning; elsewhere all that are able.
AMONG = {
    "echo-16": _MANY,
    "echo-64k": _MANY,
    "fanout-16": _MANY,
    "fanout5k-1": (*_FEW, "robyn"),
    "fanout5k-16": (*_FEW, "robyn"),
    "deflate-1": _FEW,
    "deflate-16": _FEW,
    "tls-1": _FEW,
    "tls-16": _FEW,
    LATENCY: _FEW,
    "connects": (*_MANY, "starlette-websockets-sansio"),
    # What a connection takes is seen in "connects" as well; this is about keepalive, and takes half a minute.
    "idle": ("antiphon-event", "antiphon-view", "fastapi-websockets-sansio", "aiohttp"),
}

WORKLOADS = (
    _echo("echo-1", "Echo 32 B, 100 connections, one in flight"),
    _echo("echo-16", "Echo 32 B, 100 connections, 16 in flight", in_flight=16),
    # What copies cost depends on who else uses the caches: it differs by half from round to round.
    _echo("echo-64k", "Echo 64 KiB, 100 connections, one in flight", size=65536, times=3),
    _fanout("fanout-1", "Fan-out 128 B to 1 000, one publication at a time", 1000, 1),
    _fanout("fanout-16", "Fan-out 128 B to 1 000, bursts of 16", 1000, 16),
    _fanout("fanout5k-1", "Fan-out 128 B to 5 000, one publication at a time", 5000, 1),
    _fanout("fanout5k-16", "Fan-out 128 B to 5 000, bursts of 16", 5000, 16),
    _fanout("redis-1", "Fan-out through Redis, 128 B to 1 000, one publication at a time", 1000, 1, "redis"),
    _fanout("redis-16", "Fan-out through Redis, 128 B to 1 000, bursts of 16", 1000, 16, "redis"),
    _deflate("deflate-1", "Compressed fan-out, 1 KiB JSON to 1 000, one at a time", 1),
    _deflate("deflate-16", "Compressed fan-out, 1 KiB JSON to 1 000, bursts of 16", 16),
    _echo("tls-1", "TLS: echo 32 B, 100 connections, one in flight", kind="tls"),
    _echo("tls-16", "TLS: echo 32 B, 100 connections, 16 in flight", in_flight=16, kind="tls"),
    Workload(
        LATENCY,
        "Latency: echo 32 B, 100 connections, at a fixed rate",
        "echo",
        "message",
        {"mode": "rate", "connections": "100", "size": "32"},
        # Ten milliseconds of something else, once in a second, and the p99 is another.
        times=3,
    ),
    Workload(
        "connects",
        "Handshakes: 2 000 connections, 64 at a time",
        "open",
        "handshake",
        {"mode": "open", "connections": "2000"},
        quick={"connections": "500"},
    ),
    Workload(
        "idle",
        "Idle: 10 000 connections, held for 33 seconds",
        "open",
        "handshake",
        {"mode": "open", "connections": "10000", "hold": "33"},
        quick={"connections": "1000", "hold": "1"},
    ),
)


def matches(name: str, wanted: Sequence[str]) -> bool:
    """Whether a name is one of those wanted, or begins with one: ``echo`` is ``echo-1`` and ``echo-16``."""
    return any(name == each or name.startswith(f"{each}-") for each in wanted)
