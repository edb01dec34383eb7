"""Serving: `app.run` and `antiphon run`, from start to stop, as processes."""

import asyncio
import errno
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from antiphon import Antiphon
from antiphon.errors import AddressInUse, ConfigurationError, MissingExtra
from antiphon.server import Listen
from antiphon.server.run import bind, configuration
from antiphon.server.serving import drainables
from tests.servers import HOST, LiveServer

RUN = [sys.executable, "tests/live_app.py", "{port}"]


async def connect_many(server: LiveServer, path: str, count: int) -> list[ClientConnection]:
    sockets: list[ClientConnection] = []
    for _ in range(0, count, 50):
        some = range(min(50, count - len(sockets)))
        sockets += await asyncio.gather(*(connect(server.ws(path), proxy=None) for _ in some))
    return sockets


async def closes(sockets: list[ClientConnection]) -> set[tuple[int | None, str | None]]:
    await asyncio.gather(*(ws.wait_closed() for ws in sockets))
    return {(ws.close_code, ws.close_reason) for ws in sockets}


class TestStart:
    """Starting, or saying why not."""

    async def test_app_run(self) -> None:
        """`app.run(port=…)` serves WebSockets and HTTP, says where, and ends with SIGINT."""
        with LiveServer(RUN) as server:
            async with connect(server.ws("/echo"), proxy=None) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
            server.signal(signal.SIGINT)
            await asyncio.to_thread(server.wait, 5)
            assert f"Serving on http://127.0.0.1:{server.port} " in server.output()
            assert "Traceback" not in server.output()

    def test_busy_port(self) -> None:
        """A busy port is AddressInUse, which names it and is an OSError; nothing is asked."""
        with socket.socket() as other:
            other.bind((HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(AddressInUse, match=f"^127.0.0.1:{port} is taken") as caught:
                Antiphon().run(port=port)
            assert isinstance(caught.value, OSError)
            assert caught.value.errno == errno.EADDRINUSE

    @pytest.mark.parametrize("port", [-1, 65536, 99999])
    def test_impossible_port(self, port: int) -> None:
        """A port that cannot be is refused, and no other taken in its place."""
        with pytest.raises(ConfigurationError, match="ports go up to 65535"):
            bind(Listen(HOST, port))

    def test_port_that_becomes_busy(self) -> None:
        """So is a port that another program, bound to it as well, listens on first."""
        sock = bind(Listen(HOST, 0))
        port = sock.getsockname()[1]
        with socket.socket() as other, sock:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, port))
            program = f"from antiphon import Antiphon; Antiphon().run(port={port})"
            with subprocess.Popen(
                [sys.executable, "-c", "import time\nbefore = time\n" + program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                other.listen()
                output, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert (
            output.strip()
            .splitlines()[-1]
            .endswith(f"127.0.0.1:{port} is taken by another program; choose another port")
        )

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
    def test_impossible_address(self, host: str) -> None:
        """An address that is not ours is a ConfigurationError naming it."""
        with pytest.raises(ConfigurationError, match=f"cannot listen on {host}:8000"):
            Antiphon().run(host, 8000)

    def test_no_such_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An event loop that is not there is an error that names those there are, or what to install."""
        with pytest.raises(ConfigurationError, match="loop='libev': there are auto, asyncio, aiofastnet"):
            Antiphon().run(loop="libev")
        monkeypatch.setitem(sys.modules, "aiofastnet", None)
        with pytest.raises(MissingExtra, match="pip install"):
            Antiphon().run(loop="aiofastnet")

    def test_limits_reach_the_server(self) -> None:
        """The application's own limits and timeouts are those of its server."""
        from antiphon import Limits, Timeouts

        app = Antiphon(limits=Limits(message=5), timeouts=Timeouts(ping_interval=None, ping=7, drain=3))
        config = configuration(app, Listen(), log_level="info", reload=False)
        assert (config.ws_max_size, config.ws_ping_interval, config.ws_ping_timeout) == (5, None, 7)

    @pytest.mark.parametrize("proxies", ["banana", "10.0.0.1,*", "127.0.0.1,10.0.0.1/8", "::1/129"])
    def test_proxies_that_cannot_be(self, proxies: str) -> None:
        """Who would be trusted in vain is an error that names it."""
        with pytest.raises(ConfigurationError, match=f"cannot trust '{proxies.rpartition(',')[2]}'"):
            configuration(Antiphon(), Listen(proxies=proxies), log_level="info", reload=False)

    @pytest.mark.parametrize("proxies", ["*", "127.0.0.1, 10.0.0.0/8", "::1,fd00::/8", "/run/proxy.sock", ""])
    def test_proxies(self, proxies: str) -> None:
        """Addresses, networks and Unix sockets may be trusted, or nobody."""
        configuration(Antiphon(), Listen(proxies=proxies), log_level="info", reload=False)

    def test_no_application(self) -> None:
        """What cannot be called is an error before anything listens."""
        with pytest.raises(ConfigurationError, match="'sys:argv' is no application"):
            configuration("sys:argv", Listen(), log_level="info", reload=False)

    @pytest.mark.parametrize(("name", "warnings"), [("hidden", 1), ("seen", 0)])
    async def test_hidden_application(self, name: str, warnings: int, tmp_path: Path) -> None:
        """An application that the server cannot find is served, and a line says what it goes without."""
        (tmp_path / "wrapped.py").write_text(
            "from antiphon import Antiphon\n"
            "app = Antiphon()\n"
            "app.events('/')\n"
            "async def hidden(scope, receive, send):\n"
            "    await app(scope, receive, send)\n"
            "class Wrapper:\n"
            "    app = app\n"
            "    async def __call__(self, scope, receive, send):\n"
            "        await app(scope, receive, send)\n"
            "seen = Wrapper()\n"
        )
        with LiveServer.antiphon(f"wrapped:{name}", env={"PYTHONPATH": f"{tmp_path}:."}) as server:
            for ws in await connect_many(server, "/", 3):
                await ws.close()
        assert server.output().count("the server cannot see into") == warnings

    def test_applications_within(self) -> None:
        """Mounted applications, also behind middleware, are found and parted from."""
        from starlette.applications import Starlette
        from starlette.routing import Mount

        inner, other = Antiphon(), Antiphon()

        class Around:
            def __init__(self, app: Any) -> None:
                self.app = app

        outer = Starlette(routes=[Mount("/a", inner), Mount("/b", Around(other)), Mount("/c", inner)])
        assert list(drainables(Around(outer)))[:2] == [inner, other]
        assert list(drainables(None)) == []


class TestStop:
    """Stopping: all are told, handlers end or are stopped, within a deadline."""

    async def test_200_connections(self, tmp_path: Path) -> None:
        """SIGTERM closes 200 idle connections with 1001, runs each `close` once, and takes no time."""
        log = tmp_path / "log"
        with LiveServer.antiphon("tests.live_app:app", env={"LIVE_APP_LOG": str(log)}) as server:
            sockets = await connect_many(server, "/events", 100)
            sockets += await connect_many(server, "/echo", 100)
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            assert await closes(sockets) == {(1001, "the server stops")}
            await stopping
            assert time.monotonic() - began < 3
        assert "Traceback" not in server.output()
        lines = log.read_text().splitlines()
        assert lines == ["startup", *["close 1001"] * 100, "shutdown"]

    async def test_handlers_that_do_not_end(self, tmp_path: Path) -> None:
        """200 connections, among them handlers that sleep, ignore the end, or block a thread: under 5 s."""
        log = tmp_path / "log"
        with LiveServer.antiphon("tests.live_app:app", env={"LIVE_APP_LOG": str(log)}) as server:
            idle = await connect_many(server, "/events", 90)
            slow = await connect_many(server, "/slow", 20)
            stubborn = await connect_many(server, "/stubborn", 20)
            # More than there are worker threads: those are all taken, and `close` has to wait for one.
            blocked = await connect_many(server, "/events", 70)
            for ws in slow:
                await ws.send("60")
                assert await ws.recv() == "begun"
            for ws in blocked:
                await ws.send("first")
                assert await ws.recv() == "first"
            for ws in blocked:
                await ws.send("block")
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            codes = await closes(idle + slow + stubborn + blocked)
            assert await stopping < 5
        assert codes == {(1001, "the server stops")}
        assert server.returncode == -signal.SIGTERM
        lines = log.read_text().splitlines()
        assert lines.count("slow CancelledError") == 20
        assert lines.count("slow close 1001") == 20
        assert lines[-1] == "shutdown"

    async def test_handlers_that_end_soon(self, tmp_path: Path) -> None:
        """A handler that ends within the deadline is waited for."""
        log = tmp_path / "log"
        with LiveServer.antiphon("tests.live_app:app", env={"LIVE_APP_LOG": str(log)}) as server:
            async with connect(server.ws("/slow"), proxy=None) as ws:
                await ws.send("0.5")
                assert await ws.recv() == "begun"
                await asyncio.to_thread(server.stop)
        assert log.read_text().splitlines() == [
            "startup",
            "slow ConnectionClosed",
            "slow close 1001",
            "shutdown",
        ]

    async def test_client_that_does_not_answer(self) -> None:
        """A client that neither reads nor answers the close keeps the server no longer than the deadline."""
        request = (
            "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        server = LiveServer.antiphon("tests.live_app:app")
        with server, socket.create_connection((HOST, server.port)) as sock:
            sock.sendall(request.encode())
            assert sock.recv(1000).startswith(b"HTTP/1.1 101")
            assert await asyncio.to_thread(server.stop) < 5
        assert server.returncode == -signal.SIGTERM

    async def test_mounted(self, tmp_path: Path) -> None:
        """An application mounted in another one parts from its connections too."""
        (tmp_path / "outer.py").write_text(
            "from starlette.applications import Starlette\n"
            "from starlette.routing import Mount\n"
            "from tests.live_app import app as inner\n"
            "app = Starlette(routes=[Mount('/inner', inner)])\n"
        )
        log = tmp_path / "log"
        server = LiveServer.antiphon(
            "outer:app", env={"PYTHONPATH": f"{tmp_path}:.", "LIVE_APP_LOG": str(log)}
        )
        with server:
            async with connect(server.ws("/inner/events"), proxy=None) as ws:
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                await ws.wait_closed()
                assert (ws.close_code, ws.close_reason) == (1001, "the server stops")
            await stopping
        assert log.read_text().splitlines() == ["close 1001"]


class TestReload:
    """`--reload`."""

    async def test_serves_anew(self, tmp_path: Path) -> None:
        """A changed source is served anew on the same port; SIGTERM ends both processes."""
        source = tmp_path / "reloaded.py"
        text = (
            "from antiphon import Antiphon\napp = Antiphon()\n"
            "@app.websocket('/')\nasync def view(ws): await ws.send('{}')\n"
        )
        source.write_text(text.format("one"))
        server = LiveServer.antiphon("reloaded:app", "--reload", cwd=tmp_path)

        async def hello() -> object:
            async with connect(server.ws("/"), proxy=None) as ws:
                return await ws.recv()

        with server:
            assert await hello() == "one"
            deadline = time.monotonic() + 15
            answer: object = "one"
            while answer == "one" and time.monotonic() < deadline:
                # Again and again: a change before the watcher's first look is none to it.
                source.write_text(text.format("another"))
                try:
                    answer = await hello()
                except (OSError, websockets.exceptions.WebSocketException):
                    await asyncio.sleep(0.05)
            assert answer == "another"
            assert await asyncio.to_thread(server.stop) < 5
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, server.port), timeout=1)
