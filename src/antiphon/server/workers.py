"""Several processes that serve on one socket: uvicorn's process manager, with our server in each.

Whatever a worker does not survive, another takes its place. A server whose workers cannot even start stops,
since they would fail in the same way for ever. A worker that cannot take another's place (the broker may be
away at the moment) is tried again with growing pauses, while the others serve on.

Limits hold for each process, since the workers do not know each other but for the broker.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from antiphon.errors import AntiphonError
from antiphon.server.serving import Config, Server, time_to_drain

logger = logging.getLogger("uvicorn.error")

#: Seconds within which a worker has to answer whether it is well, and its successor has to be ready.
HEALTH = 10

#: Seconds that workers get to end after the deadlines for their connections and their lifespan are over; then
#: they are killed.
PATIENCE = 5.0

#: Seconds between two attempts to replace a worker: the first pause, and the longest.
SHORTEST, LONGEST = 0.5, 30.0


class Worker(Process):
    """One process that serves.

    Args:
        config: How.
        sockets: Where.
        attempt: Which attempt it is to replace a worker that served, or to add one; 0: it is of the first.

    Attributes:
        again: When to replace it, by the monotonic clock; None while it is alive.
        served: Whether it has ever been seen to serve.
    """

    config: Config

    def __init__(self, config: Config, sockets: list[socket.socket], attempt: int = 0) -> None:
        super().__init__(config, sockets)
        self.attempt = attempt
        self.again: float | None = None
        self.served = False

    def __repr__(self) -> str:
        return f"<Worker {self.pid}, {'alive' if self.again is None else 'dead'}>"

    @property
    def server(self) -> Server:
        """The server, in the worker's own process."""
        if self._server is None:
            self._server = Server(self.config)
        assert isinstance(self._server, Server)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; this runs in the worker's own process."""
        try:
            super().target(sockets)
        except Exception as error:
            if self.server.started:
                raise
            # Our own errors say what to do; for others it takes to know where.
            known = isinstance(error, AntiphonError)
            logger.error("The worker cannot start: %s", error, exc_info=None if known else error)
            sys.exit(STARTUP_FAILURE)

    def always_pong(self) -> None:
        """Answer to the manager; stop when there is none any more. This is a thread of the worker's."""
        # Its own copy of the manager's end would keep it from seeing that end.
        self.parent_conn.close()
        try:
            super().always_pong()
        except (EOFError, OSError):
            self.server.handle_exit(signal.SIGTERM, None)

    def is_alive(self, timeout: float = HEALTH) -> bool:
        """Whether it runs, and answers in time. Until it serves it has all the time that it needs."""
        if not self.process.is_alive():
            return False
        if self.served:
            return self.ping(timeout)
        # Not waited for: if it ends meanwhile, that is to be seen at once.
        self.served = self.is_ready(0)
        return True


class Workers(Multiprocess):
    """The processes that serve, and what replaces those that die.

    Args:
        config: How many, and how they serve; it names the application by its module.
        sockets: Where.

    Attributes:
        failed: Whether they could not start.
    """

    config: Config
    processes: list[Worker]  # type: ignore[assignment]

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        before = {number: signal.getsignal(number) for number in SIGNALS}
        super().__init__(config, sockets)
        self.failed = False
        self._handlers = before
        self._retired: list[Worker] = []

    def __repr__(self) -> str:
        return f"<Workers {self.processes}>"

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM.

        Raises:
            SystemExit: The workers could not start.
        """
        try:
            super().run()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self.failed:
            sys.exit(STARTUP_FAILURE)

    def init_processes(self) -> None:
        """Start as many as there are to be."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Replace those that have died, or do not answer any more."""
        self._retired = [each for each in self._retired if each.process.is_alive()]
        for index, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if worker.again is None and not worker.is_alive(self.config.timeout_worker_healthcheck):
                worker.again = self._died(worker)
            if worker.again is not None and time.monotonic() >= worker.again:
                self.processes[index] = self._started(worker.attempt + 1)

    def restart_all(self) -> None:
        """Replace each worker by one that is ready; those replaced part from their connections meanwhile."""
        for index, old in enumerate(self.processes):
            new = self._started(attempt=1)
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                new.kill()
                new.process.join()
                logger.error("Worker [%s] cannot be replaced: it serves on as it is", old.pid)
                return
            new.served = True
            old.terminate()
            self._retired.append(old)
            self.processes[index] = new

    def handle_ttin(self) -> None:
        """Have one more."""
        self.processes_num += 1
        self.processes.append(self._started(attempt=1))

    def join_all(self) -> None:
        """Wait for all to end, no longer than they may take; kill those that do not."""
        deadline = time.monotonic() + 2 * time_to_drain(self.config) + PATIENCE
        for worker in (*self.processes, *self._retired):
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                logger.error("Worker [%s] does not stop in time: it is killed", worker.pid)
                worker.kill()
                worker.process.join()

    def _started(self, attempt: int = 0) -> Worker:
        worker = Worker(self.config, self.sockets, attempt)
        worker.start()
        return worker

    def _died(self, worker: Worker) -> float:
        """Bury a worker; return when to replace it."""
        by_itself = worker.exitcode is not None and worker.exitcode > 0
        worker.kill()
        worker.process.join()
        pause = 0.0
        if worker.served:
            worker.attempt = 0
        elif by_itself and worker.attempt == 0:
            logger.error("Worker [%s] could not start: the server stops", worker.pid)
            self.failed = True
            self.should_exit.set()
            return float("inf")
        else:
            pause = min(LONGEST, SHORTEST * 2**worker.attempt)
        logger.error(
            "Worker [%s] has ended with %s: another takes its place%s",
            worker.pid,
            worker.exitcode,
            f" in {pause:g} s" if pause else "",
        )
        return time.monotonic() + pause
