"""The peers: other servers, each as its documentation would have it run, with its own defaults."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.harness.peers import ALL, Peer, kinds, uvicorn
from benchmarks.harness.workloads import Kind

IMPLEMENTATIONS = ("websockets", "websockets-sansio", "wsproto")
SANSIO = "websockets-sansio"


def _script(name: str, label: str, style: str, able: frozenset[Kind], *packages: str) -> Peer:
    """A server that its own file starts, and that finds its certificate in the environment."""
    command = ("{python}", f"{name.replace('-', '_')}_app.py", "{port}")
    return Peer(name, label, style, "peers", command, able, packages=packages)


def _granian(app: str) -> Peer:
    name = app.lower()
    # Otherwise it would serve no more than its backlog, 1 024 connections.
    many = ("--backlog", "16384", "--backpressure", "16384")
    command = ("{bin}/granian", "--interface", "asgi", "--port", "{port}", "--log-level", "warning", *many)
    able = ("echo", "fanout", "open") if name == "fastapi" else ("echo", "open")
    return Peer(
        f"{name}-granian",
        f"{app} on Granian",
        "coroutine view",
        "peers",
        (*command, f"{name}_app:app"),
        kinds(*able),
        packages=(name, "granian", "uvloop"),
    )


def _channels(server: str, command: tuple[str, ...], *packages: str) -> Peer:
    return Peer(
        f"channels-{server}",
        f"Django Channels, in-memory layer, on {server}",
        "consumer",
        "peers",
        command,
        kinds("echo", "fanout", "open"),
        packages=("django", "channels", *packages),
        skips=dict.fromkeys(("fanout5k-1", "fanout5k-16", "idle"), "left out: one measurement takes minutes"),
    )


def _channels_redis(layer: str, label: str) -> Peer:
    """Django Channels on uvicorn, its quicker server here, with one of its layers for Redis."""
    command = ("{bin}/uvicorn", "django_app:application", *_UVICORN)
    return replace(
        _channels("uvicorn", command, "uvicorn", "websockets", "channels-redis", "redis"),
        name=f"channels-redis-{layer.rsplit('.', 1)[0].rsplit('.', 1)[-1]}",
        label=f"Django Channels, {label}",
        kinds=kinds("redis"),
        env={"BENCH_LAYER": layer},
    )


_UVICORN = ("--port", "{port}", "--log-level", "warning", "--ws", SANSIO)

RIVALS: tuple[Peer, ...] = (
    uvicorn("FastAPI", "websockets", ALL),
    uvicorn("FastAPI", SANSIO, ALL),
    uvicorn("FastAPI", "wsproto", ALL),
    _granian("FastAPI"),
    *(uvicorn("Starlette", each, kinds("echo", "open")) for each in IMPLEMENTATIONS),
    _granian("Starlette"),
    _script("aiohttp", "aiohttp", "coroutine view", ALL, "aiohttp", "uvloop"),
    _script("websockets", "websockets, asyncio API on uvloop", "coroutine view", ALL, "websockets", "uvloop"),
    _script("picows", "picows", "callback", ALL - kinds("deflate"), "picows", "uvloop"),
    _script("socketify", "socketify (uWebSockets)", "callback", kinds("echo", "fanout", "open"), "socketify"),
    _script("sanic", "Sanic", "coroutine view", kinds("echo", "fanout", "open"), "sanic", "websockets"),
    replace(
        uvicorn("Litestar", SANSIO, kinds("echo", "fanout", "redis", "open")),
        name="litestar",
        subscribe="/subscribe/news",
    ),
    _channels(
        "daphne", ("{bin}/daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0", "django_app:application")
    ),
    _channels("uvicorn", ("{bin}/uvicorn", "django_app:application", *_UVICORN), "uvicorn", "websockets"),
    _channels_redis("channels_redis.core.RedisChannelLayer", "channels_redis"),
    _channels_redis("channels_redis.pubsub.RedisPubSubChannelLayer", "channels_redis with pub/sub"),
    replace(
        uvicorn("socketio", SANSIO, kinds("echo", "fanout", "open")),
        name="socketio",
        label="python-socketio on uvicorn",
        style="event handler",
        echo="/socket.io/?EIO=4&transport=websocket",
        subscribe="/socket.io/?EIO=4&transport=websocket",
        publish="/socket.io/?EIO=4&transport=websocket",
        socketio=True,
        packages=("python-socketio", "uvicorn", "websockets"),
    ),
    Peer(
        "robyn",
        "Robyn",
        "coroutine view",
        "robyn",
        ("{python}", "robyn_app.py", "{port}"),
        kinds("echo", "fanout", "open"),
        packages=("robyn",),
    ),
    Peer(
        "node-ws", "Node ws", "callback", "node", ("{bin}/node", "ws_app.js", "{port}"), ALL, packages=("ws",)
    ),
)
