"""Programs at work: a server on a port of its own, and the load generator against it."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.harness.environments import CERT, KEY, LOAD_PROGRAM, Place
from benchmarks.harness.paths import BUILD, REPOSITORY, SERVERS
from benchmarks.harness.peers import Peer
from benchmarks.harness.workloads import Workload

HOST = "127.0.0.1"
START_TIMEOUT = 30.0
STOP_TIMEOUT = 3.0

Placement = Literal["apart", "shared", "free"]


class Failed(Exception):
    """A server did not start, or the load generator found a fault; the text says which."""


@dataclass(frozen=True, slots=True)
class Processors:
    """Where server and load generator run.

    Attributes:
        server: Its processors.
        load: Those of the load generator.
    """

    server: frozenset[int]
    load: frozenset[int]

    @classmethod
    def of(cls, placement: Placement) -> Processors:
        """``apart``: the load generator has the last processor and the server all others; ``shared``:
        both on the first; ``free``: wherever the kernel puts them."""
        available = frozenset(os.sched_getaffinity(0))
        first, last = frozenset((min(available),)), frozenset((max(available),))
        if placement == "shared":
            return cls(first, first)
        if placement == "free" or len(available) == 1:
            return cls(available, available)
        return cls(available - last, last)


def raise_file_limit() -> int:
    """Let this process and its children open as many files as they may; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def _on(processors: frozenset[int]) -> Iterator[None]:
    """What is started inside runs on these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts connections."""

    pid: int
    port: int


@contextmanager
def server(peer: Peer, workload: Workload, place: Place, processors: Processors) -> Iterator[Running]:
    """Run a server.

    Raises:
        Failed: It ended, or does not accept connections.
    """
    port = _free_port()
    values = {
        "python": str(place.bin / "python"),
        "bin": str(place.bin),
        "build": str(BUILD),
        "port": str(port),
        "source": str(REPOSITORY / "src"),
        "template": workload.template,
        "cert": str(CERT),
        "key": str(KEY),
    }
    parts = peer.tls_command if workload.kind == "tls" and peer.tls_command else peer.command
    command = [part.format_map(values) for part in parts]
    env = {**os.environ, "BENCH_TEMPLATE": str(SERVERS / workload.template)}
    env |= {name: value.format_map(values) for name, value in peer.env.items()}
    if workload.kind == "tls":
        env |= {"BENCH_CERT": str(CERT), "BENCH_KEY": str(KEY)}
    if workload.kind == "deflate":
        env["BENCH_DEFLATE"] = "1"
    with ExitStack() as stack:
        if workload.kind == "redis":
            env["BENCH_REDIS"] = f"redis://{HOST}:{stack.enter_context(_redis(processors))}/0"
        yield Running(stack.enter_context(_process(command, env, port, processors.server)).pid, port)


@contextmanager
def _redis(processors: Processors) -> Iterator[int]:
    """Run a Redis server, where the load generator runs; yield its port."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
        with _process(command, os.environ, port, processors.load):
            yield port


@contextmanager
def _process(
    command: list[str], env: Mapping[str, str], port: int, processors: frozenset[int]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that listens on a port, until it is left."""
    with tempfile.TemporaryFile() as output:
        process = _start(command, env, output, processors)
        try:
            _wait_for_port(process, port, output)
            yield process
        finally:
            _stop(process)


def load(
    peer: Peer, workload: Workload, running: Running, processors: Processors, arguments: list[str]
) -> dict[str, Any]:
    """Run the load generator; return what it measured.

    Raises:
        Failed: A connection broke, an answer was wrong or missing.
    """
    where = ["--host", HOST, "--port", str(running.port), "--pid", str(running.pid)]
    template = ["--template", str(SERVERS / workload.template)]
    command = [str(LOAD_PROGRAM), *where, *template, *peer.arguments(workload), *arguments]
    with _on(processors.load):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        printed, errors = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed("the load generator did not end within 180 s") from None
    try:
        measured: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise Failed(
            f"the load generator failed ({process.returncode}): {printed[-200:]}{errors[-200:]}"
        ) from None
    if "error" in measured:
        raise Failed(str(measured["error"]))
    return measured


def _free_port() -> int:
    """A free port of those that the kernel gives to no outgoing connection before the server has it."""
    while True:
        port = random.randrange(24_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port


def _start(
    command: list[str], env: Mapping[str, str], output: Any, processors: frozenset[int]
) -> subprocess.Popen[bytes]:
    try:
        with _on(processors):
            return subprocess.Popen(
                command,
                cwd=SERVERS,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise Failed(f"failed to start: {error}") from None


def _wait_for_port(process: subprocess.Popen[bytes], port: int, output: Any) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        if process.poll() is not None:
            raise Failed(f"failed to start: {_last_line(output) or f'it ended with {process.returncode}'}")
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"failed to start within {START_TIMEOUT:.0f} s: {_last_line(output)}") from None
            time.sleep(0.02)
        else:
            return


def _last_line(output: Any) -> str:
    output.seek(0)
    lines = [line for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its children at once: they have nothing to lose, and some take seconds to stop."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        """It has ended by itself."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline and _group_lives(process):
        time.sleep(0.005)
    process.wait(STOP_TIMEOUT)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
