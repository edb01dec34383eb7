"""A real nats-server with JetStream, on a free port, with a folder of its own."""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.servers import HOST, LiveServer


def nats_program() -> str:
    """The path of nats-server; without one the test is skipped, with CI=true it fails."""
    found = shutil.which("nats-server") or shutil.which("/usr/sbin/nats-server")
    if found is not None:
        return found
    missing = "nats-server is missing: apt-get install nats-server"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}. Nothing may be skipped with CI=true.", pytrace=False)
    pytest.skip(missing)


class NatsServer:
    """A nats-server that can be stopped and started again, with its data or without.

    Args:
        arguments: Further arguments of the command.
        jetstream: Whether JetStream is enabled.
    """

    def __init__(self, *arguments: str, jetstream: bool = True) -> None:
        self._data = Path(tempfile.mkdtemp(prefix="nats-"))
        command = [nats_program(), "-a", HOST, "-p", "{port}", *arguments]
        if jetstream:
            command += ["-js", "-sd", str(self._data)]
        self._live = LiveServer(command)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._live.port

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return f"nats://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, on the same port as before."""
        self._live.start()

    def kill(self, *, data: bool) -> None:
        """End it at once, and keep its data or not."""
        self._live.kill()
        if not data:
            shutil.rmtree(self._data)
            self._data.mkdir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, traceback)
        shutil.rmtree(self._data, ignore_errors=True)
