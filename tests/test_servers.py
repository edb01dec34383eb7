"""`LiveServer` itself: it starts, stops and reports, with servers from the standard library."""

import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.servers import LiveServer, ServerFailed, free_loopback_port

FILES = [sys.executable, "-m", "http.server", "--bind", "{host}", "--directory", "{tmp}", "{port}"]

STUBBORN = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(60)
"""


def test_serves_between_enter_and_exit() -> None:
    """The port answers inside the block; afterwards the process is gone, its output is kept."""
    with LiveServer(FILES) as server:
        assert server.running
        assert "running" in repr(server)
        with urllib.request.urlopen(server.http(), timeout=5) as response:
            assert response.status == 200
    assert server.returncode == -signal.SIGTERM
    assert '"GET / HTTP/1.1" 200' in server.output()
    assert "stopped" in repr(server)


def test_starts_again_on_the_same_port() -> None:
    """A stopped or crashed server comes back where it was."""
    server = LiveServer(FILES)
    for end in (server.stop, server.kill, server.stop):
        server.start()
        assert server.running
        end()
        assert not server.running
    server.stop()


def test_start_twice() -> None:
    """Starting a running server is an error and leaves it running."""
    with LiveServer(FILES) as server:
        with pytest.raises(RuntimeError, match="runs already"):
            server.start()
        assert server.running


def test_never_started() -> None:
    """A server without a process says so."""
    server = LiveServer(FILES)
    assert server.stop() < 1
    with pytest.raises(RuntimeError, match="was not started"):
        _ = server.pid


def test_ends_before_serving() -> None:
    """A server that fails to start shows what it printed."""
    server = LiveServer([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"])
    with pytest.raises(ServerFailed, match=r"ended with 3 before it served(.|\n)*no luck"):
        server.start()


def test_never_listens() -> None:
    """A server that opens no port is ended after `start_timeout`."""
    server = LiveServer([sys.executable, "-c", "import time; time.sleep(60)"], start_timeout=0.3)
    with pytest.raises(ServerFailed, match="does not accept connections"):
        server.start()
    assert server.returncode == -signal.SIGKILL


def test_ignores_sigterm() -> None:
    """A server that does not stop is killed after `stop_timeout`."""
    with LiveServer([sys.executable, "-c", STUBBORN, "{port}"], stop_timeout=0.2) as server:
        assert "listening" in server.output()
        with pytest.raises(ServerFailed, match="still runs"):
            server.wait(0.1)
    assert server.returncode == -signal.SIGKILL


def test_signal_and_wait() -> None:
    """A signal ends the server, and `wait` says how."""
    with LiveServer(FILES) as server:
        server.signal(signal.SIGINT)
        assert server.wait(5) == 0


def test_error_inside_carries_the_output() -> None:
    """An exception in the block gets what the server printed as a note."""
    server = LiveServer([sys.executable, "-c", STUBBORN, "{port}"], stop_timeout=0.1)
    with pytest.raises(ZeroDivisionError) as caught, server:
        _ = 1 / 0
    assert any("listening" in note for note in caught.value.__notes__)


def test_no_such_program(tmp_path: Path) -> None:
    """A missing program is the error that Python makes of it."""
    with pytest.raises(FileNotFoundError):
        LiveServer([str(tmp_path / "none")]).start()


def test_free_port(free_port: int) -> None:
    """Ports are unprivileged."""
    assert free_port > 1023
    assert free_loopback_port() > 1023


async def test_coroutines_run_on_asyncio(anyio_backend: str) -> None:
    """Coroutine tests need no marker."""
    assert anyio_backend == "asyncio"
