"""Servers as subprocesses, for tests that need a real port, a real signal, a real crash.

A `LiveServer` runs any command on a free loopback port; entering it returns when the port accepts
connections, leaving it stops the process. What the server prints goes to a file; `output()` and the
text of every error here show it.

    with LiveServer.antiphon("examples.echo:app") as server:
        async with websockets.connect(server.ws("/echo")) as ws: ...
"""

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).parents[1]
HOST = "127.0.0.1"


class ServerFailed(Exception):
    """A server did not start, or left by itself; the text holds what it printed."""


# Below the ports that the system gives to outgoing connections, which would take a free one at any
# moment; each of the processes that run tests side by side (pytest-xdist) has a slice of its own.
_SLICE = 2800
_first = 10_000 + _SLICE * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8)
_offsets = itertools.count(random.randrange(_SLICE))


def free_loopback_port() -> int:
    """A loopback port that is free, and that no other process of this run is given."""
    while True:
        port = _first + next(_offsets) % _SLICE
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port


class LiveServer:
    """A command that serves on a loopback port, from `start` to `stop`.

    Args:
        command: program and arguments; `{port}`, `{host}` and `{tmp}` (a folder that goes with the
            server) in them are replaced.
        env: environment variables beside those of the tests.
        cwd: the working folder; the repository by default.
        start_timeout: seconds until the port must accept connections.
        stop_timeout: seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        start_timeout: float = 15.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self.command = tuple(command)
        self.port = free_loopback_port()
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._cwd = cwd
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = ""

    @classmethod
    def antiphon(
        cls,
        target: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        stop_timeout: float = 10.0,
    ) -> Self:
        """A server made by `antiphon run target`, with further arguments."""
        command = [sys.executable, "-m", "antiphon", "run", target]
        command += ["--host", "{host}", "--port", "{port}", *arguments]
        return cls(command, env=env, cwd=cwd, stop_timeout=stop_timeout)

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<LiveServer {' '.join(self.command)!r} port={self.port} {state}>"

    @property
    def running(self) -> bool:
        """Is the process alive?"""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the started server."""
        return self._started().pid

    @property
    def returncode(self) -> int | None:
        """How the process ended: None while it runs, negative when a signal ended it."""
        return self._started().poll()

    def http(self, path: str = "/") -> str:
        """The HTTP address of a path."""
        return f"http://{HOST}:{self.port}{path}"

    def ws(self, path: str = "/") -> str:
        """The WebSocket address of a path."""
        return f"ws://{HOST}:{self.port}{path}"

    def output(self) -> str:
        """All that the server printed so far, standard error included."""
        if self._folder is not None:
            return (self._folder / "output").read_text(encoding="utf-8", errors="replace")
        return self._printed

    def start(self) -> None:
        """Start the process and wait until its port accepts connections.

        A server that was stopped may be started again, on the same port.

        Raises:
            ServerFailed: it ended by itself, or the port stayed closed for `start_timeout`.
            RuntimeError: it runs already.
        """
        if self.running:
            raise RuntimeError(f"{self!r} runs already")
        self._clean_up()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="live-server-"))
        values = {"{port}": str(self.port), "{host}": HOST, "{tmp}": str(folder)}
        try:
            with (folder / "output").open("wb") as output:
                self._process = subprocess.Popen(
                    [_filled(part, values) for part in self.command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
            self._wait_for_port()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> float:
        """Ask the server to end (SIGTERM), make it end when it does not; return the seconds taken.

        A server that had to be killed has the returncode `-SIGKILL`. Stopping twice is fine.
        """
        began = time.monotonic()
        if self.running:
            self._started().terminate()
            try:
                self._started().wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._end_children()
        self._clean_up()
        return time.monotonic() - began

    def kill(self) -> None:
        """End the process at once, as a crash would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._clean_up()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._started().send_signal(number)

    def wait(self, timeout: float) -> int:
        """Wait until the process ends by itself; return its returncode.

        Raises:
            ServerFailed: it still runs after `timeout` seconds.
        """
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ServerFailed(self._report(f"still runs after {timeout} s")) from error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None and self._printed:
            error.add_note(f"The server on port {self.port} printed:\n{self._printed}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self!r} was not started")
        return self._process

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            if not self.running:
                raise ServerFailed(self._report(f"ended with {self.returncode} before it served"))
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    problem = f"does not accept connections after {self.start_timeout} s"
                    raise ServerFailed(self._report(problem)) from None
                time.sleep(0.02)
            else:
                return

    def _report(self, problem: str) -> str:
        return f"{' '.join(self.command)} {problem}. It printed:\n{self.output()}"

    def _end_children(self) -> None:
        """End what the process left behind: some servers, and reloaders, forget their children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _clean_up(self) -> None:
        """Keep what was printed, and give up the folder."""
        if self._folder is not None:
            self._printed = self.output() if (self._folder / "output").exists() else ""
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _filled(part: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(name, value)
    return part
