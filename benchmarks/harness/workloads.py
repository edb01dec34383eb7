"""What is measured: for each workload, what the load generator does and what a server must be able to.

The unit is what server CPU time is divided by: a message echoed, a publication delivered to one
subscriber, a handshake answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["echo", "fanout", "deflate", "tls", "open"]
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
        among: Servers whose figure says something here, by name or beginning; None: all that are able.
    """

    name: str
    title: str
    kind: Kind
    unit: Unit
    options: dict[str, str]
    template: str = "plain.txt"
    quick: dict[str, str] | None = None
    among: tuple[str, ...] | None = None

    def asks(self, name: str) -> bool:
        """Whether a server is measured here when nobody chooses servers."""
        return self.among is None or matches(name, self.among)

    def arguments(self, *, quick: bool) -> list[str]:
        """The load generator's command line."""
        options = {**self.options, **(self.quick or {})} if quick else self.options
        return [part for name, value in options.items() for part in (f"--{name}", value) if part]


#: Each kind of server once: what all workloads but the first of each kind compare.
_FASTAPI = ("fastapi-antiphon", "fastapi-websockets", "fastapi-websockets-sansio")
_FEW = ("antiphon", *_FASTAPI, "raw", "c", "aiohttp", "websockets", "picows", "socketify", "node")
_MANY = (*_FEW, "fastapi-granian", "sanic", "litestar", "channels", "socketio", "robyn")


def _echo(
    name: str,
    title: str,
    size: int = 32,
    in_flight: int = 1,
    kind: Kind = "echo",
    among: tuple[str, ...] | None = None,
) -> Workload:
    options = {"mode": "echo", "connections": "100", "size": str(size), "in-flight": str(in_flight)}
    if kind == "tls":
        options["tls"] = ""
    return Workload(name, title, kind, "message", options, among=among)


def _fanout(name: str, title: str, to: int, burst: int, among: tuple[str, ...] | None = None) -> Workload:
    options = {"mode": "fanout", "connections": str(to), "burst": str(burst)}
    quick = {"connections": str(min(to, 1000))}
    return Workload(name, title, "fanout", "delivery", options, quick=quick, among=among)


def _deflate(name: str, title: str, burst: int) -> Workload:
    options = {"mode": "fanout", "connections": "1000", "burst": str(burst), "deflate": ""}
    return Workload(name, title, "deflate", "delivery", options, template="quotes.json", among=_FEW)


LATENCY = "latency"

WORKLOADS = (
    _echo("echo-1", "Echo 32 B, 100 connections, one in flight"),
    _echo("echo-16", "Echo 32 B, 100 connections, 16 in flight", in_flight=16, among=_MANY),
    _echo("echo-64k", "Echo 64 KiB, 100 connections, one in flight", size=65536, among=_MANY),
    _fanout("fanout-1", "Fan-out 128 B to 1 000, one publication at a time", 1000, 1),
    _fanout("fanout-16", "Fan-out 128 B to 1 000, bursts of 16", 1000, 16, among=_MANY),
    _fanout(
        "fanout5k-1", "Fan-out 128 B to 5 000, one publication at a time", 5000, 1, among=(*_FEW, "robyn")
    ),
    _fanout("fanout5k-16", "Fan-out 128 B to 5 000, bursts of 16", 5000, 16, among=(*_FEW, "robyn")),
    _deflate("deflate-1", "Compressed fan-out, 1 KiB JSON to 1 000, one at a time", 1),
    _deflate("deflate-16", "Compressed fan-out, 1 KiB JSON to 1 000, bursts of 16", 16),
    _echo("tls-1", "TLS: echo 32 B, 100 connections, one in flight", kind="tls", among=_FEW),
    _echo("tls-16", "TLS: echo 32 B, 100 connections, 16 in flight", in_flight=16, kind="tls", among=_FEW),
    Workload(
        LATENCY,
        "Latency: echo 32 B, 100 connections, at a fixed rate",
        "echo",
        "message",
        {"mode": "rate", "connections": "100", "size": "32"},
        among=_FEW,
    ),
    Workload(
        "connects",
        "Handshakes: 2 000 connections, 64 at a time",
        "open",
        "handshake",
        {"mode": "open", "connections": "2000"},
        quick={"connections": "500"},
        among=(*_MANY, "starlette-websockets-sansio"),
    ),
    Workload(
        "idle",
        "Idle: 10 000 connections, held for 25 seconds",
        "open",
        "handshake",
        {"mode": "open", "connections": "10000", "hold": "25"},
        quick={"connections": "1000", "hold": "1"},
        # What a connection takes is seen in "connects" as well; here it is about keepalive.
        among=("antiphon", "fastapi-websockets-sansio", "aiohttp"),
    ),
)


def matches(name: str, wanted: Sequence[str]) -> bool:
    """Whether a name is one of those wanted, or begins with one: ``echo`` is ``echo-1`` and ``echo-16``."""
    return any(name == each or name.startswith(f"{each}-") for each in wanted)
