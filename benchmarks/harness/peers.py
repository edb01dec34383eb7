"""Who is measured: how each server is started, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.harness.workloads import Kind, Workload

Environment = Literal["ours", "peers", "robyn", "node", "c"]
Role = Literal["ours", "limit", "peer"]

ALL: frozenset[Kind] = frozenset(("echo", "fanout", "deflate", "tls", "open"))
OUR_PROTOCOL = "antiphon.server:WebSocketProtocol"
UNLIMITED = tuple(
    word
    for limit in ("connections", "connections_per_address", "connections_per_second")
    for word in ("--limit", f"{limit}=none")
)
UVICORN_TLS = ("--ssl-keyfile", "{key}", "--ssl-certfile", "{cert}")


def kinds(*names: Kind) -> frozenset[Kind]:
    """What a server can do."""
    return frozenset(names)


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
        publish: Path of the publisher.
        raw: It speaks no WebSocket: bytes come back; frames come without a handshake.
        socketio: Messages are Socket.IO's.
        tls_command: Its command with TLS, where the environment does not say it.
        env: Environment variables.
        packages: Distributions whose versions matter.
        skips: Workloads that it is not measured at, and why.
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
    publish: str = "/publish"
    raw: bool = False
    socketio: bool = False
    tls_command: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    skips: dict[str, str] = field(default_factory=dict)

    def arguments(self, workload: Workload) -> list[str]:
        """What the load generator must know of it."""
        path = self.subscribe if workload.kind in ("fanout", "redis", "deflate") else self.echo
        arguments = ["--path", path, "--publish-path", self.publish]
        if self.raw:
            arguments.append("--raw")
        if self.socketio:
            arguments.append("--socketio")
        return arguments


def _antiphon(
    name: str,
    label: str,
    style: str,
    path: str,
    able: frozenset[Kind],
    *,
    app: str = "antiphon_app:app",
    loop: str = "auto",
) -> Peer:
    # No other server here limits how many may come from one address: the load generator's are few.
    options = ("--port", "{port}", "--log-level", "warning", "--loop", loop, *UNLIMITED)
    command = ("{bin}/antiphon", "run", app, *options)
    return Peer(
        f"antiphon-{name}",
        f"**Antiphon**, {label}",
        style,
        "ours",
        command,
        able,
        role="ours",
        echo=path,
        tls_command=(*command, *UVICORN_TLS),
        packages=("antiphon", "uvicorn", "uvloop", "httptools", "websockets", "starlette"),
    )


def uvicorn(app: str, ws: str, able: frozenset[Kind], name: str = "", **env: str) -> Peer:
    """An ASGI application on uvicorn, with one of its WebSocket implementations."""
    package = app.lower()
    options = ("--port", "{port}", "--log-level", "warning", "--ws", ws)
    command = ("{bin}/uvicorn", f"{package}_app:app", *options)
    implementation = "wsproto" if ws == "wsproto" else "websockets"
    return Peer(
        f"{package}-{name or ws}",
        f"{app} on uvicorn --ws {name or ws}",
        "coroutine view",
        "peers",
        command,
        able,
        tls_command=(*command, *UVICORN_TLS),
        env=env,
        packages=(package, "uvicorn", "uvloop", implementation),
    )


_OURS = (
    _antiphon("event", "event handler", "async def for each message", "/event", ALL | kinds("redis")),
    replace(
        _antiphon(
            "history",
            "channel with history",
            "async def for each message",
            "/event",
            kinds("fanout", "redis"),
        ),
        env={"BENCH_HISTORY": "1"},
    ),
    _antiphon(
        "view", "coroutine view", "coroutine for each connection", "/view", kinds("echo", "open", "tls")
    ),
    _antiphon("thread", "plain def handler", "def, in a worker thread", "/thread", kinds("echo")),
    _antiphon(
        "inline",
        "inline handler",
        "def, on the event loop",
        "/echo",
        kinds("echo"),
        app="antiphon_inline:app",
    ),
    _antiphon(
        "fastnet",
        "event handler, --loop aiofastnet",
        "async def for each message",
        "/event",
        kinds("echo", "fanout", "tls", "open"),
        loop="aiofastnet",
    ),
)

_LIMITS = (
    Peer(
        "c-echo",
        "C, epoll, raw TCP",
        "one write() for each read()",
        "c",
        ("{build}/c_server", "{port}", "echo", "{template}"),
        kinds("echo"),
        role="limit",
        raw=True,
    ),
    Peer(
        "c-each",
        "C, epoll, write() each",
        "one write() for each publication",
        "c",
        ("{build}/c_server", "{port}", "each", "{template}"),
        kinds("fanout"),
        role="limit",
        raw=True,
    ),
    Peer(
        "c-batched",
        "C, epoll, batched writes",
        "one write() for each burst",
        "c",
        ("{build}/c_server", "{port}", "batched", "{template}"),
        kinds("fanout"),
        role="limit",
        raw=True,
    ),
    Peer(
        "raw-uvloop",
        "raw TCP on uvloop",
        "asyncio.Protocol",
        "ours",
        ("{python}", "raw_uvloop.py", "{port}"),
        kinds("echo", "tls"),
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
        kinds("echo", "tls"),
        role="limit",
        raw=True,
        packages=("uvloop", "aiofastnet"),
    ),
)

# Ours without a change to the application: from the source tree, in the environment of the peers.
_FASTAPI_ON_OURS = replace(
    uvicorn("FastAPI", OUR_PROTOCOL, ALL, name="antiphon", PYTHONPATH="{source}"),
    label="FastAPI on **Antiphon**'s server",
    role="ours",
    # uvicorn's own command has no option for our limits.
    command=(
        *("{python}", "-m", "antiphon", "run", "fastapi_app:app"),
        *("--port", "{port}", "--log-level", "warning", *UNLIMITED),
    ),
)

#: Ours, and what to compare with that speaks no WebSocket; `rivals` has the others.
OURS_AND_LIMITS: tuple[Peer, ...] = (*_OURS, _FASTAPI_ON_OURS, *_LIMITS)
