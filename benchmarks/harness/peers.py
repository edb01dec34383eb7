"""Who is measured: how each server is started, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.harness.workloads import Kind, Workload

Environment = Literal["ours", "peers", "robyn", "node", "c"]
Role = Literal["ours", "limit", "peer"]

ALL: frozenset[Kind] = frozenset(("echo", "fanout", "deflate", "tls", "open"))
OUR_PROTOCOL = "antiphon.server:WebSocketProtocol"
UVICORN_TLS = ("--ssl-keyfile", "{key}", "--ssl-certfile", "{cert}")


def _kinds(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


@dataclass(frozen=True, slots=True)
class Peer:
    """One server, in one style.

    Attributes:
        name: As ``--peers`` selects it.
        label: For people.
        style: How its handler is written.
        environment: Which interpreter or compiler it needs.
        command: Program and arguments; ``{python}``, ``{bin}``, ``{build}``, ``{port}`` are replaced.
        kinds: What it is measured at.
        role: Ours, a limit to compare with, or a peer.
        echo: Path of its echo.
        subscribe: Path of its subscribers.
        raw: It speaks no WebSocket: bytes come back; frames come without a handshake.
        socketio: Messages are Socket.IO's.
        tls: What its command needs for TLS, where the environment does not say it.
        env: Environment variables.
        packages: Distributions whose versions matter.
    """

    name: str
    label: str
    style: str
    environment: Environment
    command: tuple[str, ...]
    kinds: frozenset[Kind]
    role: Role = "peer"
    echo: str = "/echo"
    subscribe: str = "/subscribe"
    raw: bool = False
    socketio: bool = False
    tls: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    def arguments(self, workload: Workload) -> list[str]:
        """What the load generator must know of it."""
        path = self.subscribe if workload.kind in ("fanout", "deflate") else self.echo
        arguments = ["--path", path]
        if self.raw:
            arguments.append("--raw")
        if self.socketio:
            arguments.append("--socketio")
        return arguments


def _antiphon(name: str, label: str, style: str, path: str, kinds: frozenset[Kind]) -> Peer:
    command = ("{bin}/antiphon", "run", "antiphon_app:app", "--port", "{port}", "--log-level", "warning")
    return Peer(
        f"antiphon-{name}",
        f"**Antiphon**, {label}",
        style,
        "ours",
        command,
        kinds,
        role="ours",
        echo=path,
        packages=("antiphon", "uvicorn", "uvloop", "httptools", "websockets", "starlette"),
    )


def _uvicorn(app: str, ws: str, kinds: frozenset[Kind], name: str = "", **env: str) -> Peer:
    """An ASGI application on uvicorn, with one of its WebSocket implementations."""
    package = app.lower()
    command = (
        "{bin}/uvicorn",
        f"{package}_app:app",
        "--port",
        "{port}",
        "--log-level",
        "warning",
        "--ws",
        ws,
    )
    implementation = "wsproto" if ws == "wsproto" else "websockets"
    return Peer(
        f"{package}-{name or ws}",
        f"{app} on uvicorn --ws {name or ws}",
        "coroutine view",
        "peers",
        command,
        kinds,
        tls=UVICORN_TLS,
        env=env,
        packages=(package, "uvicorn", "uvloop", implementation),
    )


def _script(name: str, label: str, style: str, kinds: frozenset[Kind], *packages: str) -> Peer:
    """A server that its own file starts, and that finds its certificate in the environment."""
    command = ("{python}", f"{name.replace('-', '_')}_app.py", "{port}")
    return Peer(name, label, style, "peers", command, kinds, packages=packages)


_OURS = (
    _antiphon("event", "event handler", "async def for each message", "/event", ALL),
    _antiphon(
        "view", "coroutine view", "coroutine for each connection", "/view", _kinds("echo", "open", "tls")
    ),
    _antiphon("thread", "plain def handler", "def, in a worker thread", "/thread", _kinds("echo")),
)

_LIMITS = (
    Peer(
        "c-echo",
        "C, epoll, raw TCP",
        "one write() for each read()",
        "c",
        ("{build}/c_server", "{port}", "echo", "{template}"),
        _kinds("echo"),
        role="limit",
        raw=True,
    ),
    Peer(
        "c-each",
        "C, epoll, write() each",
        "one write() for each publication",
        "c",
        ("{build}/c_server", "{port}", "each", "{template}"),
        _kinds("fanout"),
        role="limit",
        raw=True,
    ),
    Peer(
        "c-batched",
        "C, epoll, batched writes",
        "one write() for each burst",
        "c",
        ("{build}/c_server", "{port}", "batched", "{template}"),
        _kinds("fanout"),
        role="limit",
        raw=True,
    ),
    Peer(
        "raw-uvloop",
        "raw TCP on uvloop",
        "asyncio.Protocol",
        "peers",
        ("{python}", "raw_uvloop.py", "{port}"),
        _kinds("echo", "tls"),
        role="limit",
        raw=True,
        packages=("uvloop",),
    ),
    Peer(
        "raw-aiofastnet",
        "raw TCP, aiofastnet on uvloop",
        "asyncio.Protocol",
        "peers",
        ("{python}", "raw_uvloop.py", "{port}", "aiofastnet"),
        _kinds("echo", "tls"),
        role="limit",
        raw=True,
        packages=("uvloop", "aiofastnet"),
    ),
)

# Ours without a change to the application: from the source tree, in the environment of the peers.
_FASTAPI_ON_OURS = replace(
    _uvicorn("FastAPI", OUR_PROTOCOL, ALL, name="antiphon", PYTHONPATH="{source}"), role="ours"
)

_PEERS = (
    _uvicorn("FastAPI", "websockets", ALL),
    _uvicorn("FastAPI", "websockets-sansio", ALL),
    _uvicorn("FastAPI", "wsproto", _kinds("echo", "open")),
    _script("aiohttp", "aiohttp", "coroutine view", ALL, "aiohttp", "uvloop"),
    _script("websockets", "websockets (asyncio, on uvloop)", "coroutine view", ALL, "websockets", "uvloop"),
    _script("picows", "picows", "callback", _kinds("echo", "fanout", "tls", "open"), "picows", "uvloop"),
)

PEERS: tuple[Peer, ...] = (*_OURS, *_LIMITS, _FASTAPI_ON_OURS, *_PEERS)
