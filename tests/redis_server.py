"""Redis servers for tests: one alone, or a cluster of three nodes, each a process of its own."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.servers import HOST, LiveServer, free_loopback_port

#: Seconds until a cluster agrees on who has which slots.
AGREE = 30.0

SLOTS = 16384


def redis_server(*options: str, folder: Path | None = None) -> LiveServer:
    """A Redis server that forgets everything when it stops; in a folder, it keeps everything there.

    Args:
        options: Further options of redis-server, as `--requirepass`, `secret`.
        folder: Where it keeps its data.
    """
    command = ["redis-server", "--port", "{port}", "--bind", "{host}", "--save", "", *options]
    if folder is None:
        command += ["--dir", "{tmp}", "--appendonly", "no"]
    else:
        command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    return LiveServer(command)


def url_of(server: LiveServer) -> str:
    """The URL of a server."""
    return f"redis://{HOST}:{server.port}"


class RedisCluster:
    """Three nodes, with a third of the slots each, from entering to leaving."""

    def __init__(self) -> None:
        self._ports = [free_loopback_port() for _ in range(3)]
        self.nodes = [
            redis_server("--cluster-enabled", "yes", "--cluster-port", str(port)) for port in self._ports
        ]

    @property
    def url(self) -> str:
        """Its URL, by two of the nodes."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes[:2])

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.stop()

    def _join(self) -> None:
        clients = [redis.Redis(HOST, node.port, decode_responses=True) for node in self.nodes]
        third = SLOTS // 3 + 1
        for number, client in enumerate(clients):
            last = min((number + 1) * third, SLOTS) - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * third, last)
        for node, port in zip(self.nodes[1:], self._ports[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", HOST, node.port, port)
        deadline = time.monotonic() + AGREE
        while not all(_agrees(client) for client in clients):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the nodes do not agree on a cluster within {AGREE} s")
            time.sleep(0.05)
        for client in clients:
            client.close()


def _agrees(client: "redis.Redis") -> bool:
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3"
