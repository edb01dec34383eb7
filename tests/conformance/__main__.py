"""`make conformance`: run the suite, say what failed, write the page.

With arguments (`make conformance ARGS="1.* 7.*"`) only those cases run, and no page is written.
"""

import shutil
import subprocess
import sys
import time
from datetime import date

from tests.conformance.page import PAGE, written
from tests.conformance.suite import CACHE, CASES, TIME, Unavailable, results, start, wstest
from tests.conformance.verdict import REASONS, Results, failures
from tests.servers import LiveServer


def main(cases: list[str]) -> int:
    """Run cases, all if none is named; the exit status: 0, 1 after failures, 2 when it cannot be run."""
    try:
        wstest()
        found = run(cases or ["*"])
    except Unavailable as problem:
        print(f"conformance: {problem}", file=sys.stderr)
        return 2
    failed = [line for agent, each in found.items() for line in failures(agent, each)]
    if not cases:
        PAGE.write_text(written(found, date.today()), encoding="utf-8")
        failed += [
            f"{agent}: {len(each)} cases, not {CASES}" for agent, each in found.items() if len(each) != CASES
        ]
    print("\n".join([*failed, f"{sum(map(len, found.values()))} cases, {len(failed)} failed"]))
    return 1 if failed else 0


def run(cases: list[str]) -> dict[str, Results]:
    """Run cases against each endpoint, both at the same time."""
    folder = CACHE / "run"
    shutil.rmtree(folder, ignore_errors=True)
    print("Running the Autobahn test suite; all of it takes 8 to 20 minutes.", flush=True)
    with LiveServer.antiphon("tests.conformance.app:app", "--log-level", "warning") as server:
        running = {agent: start(agent, server.ws(f"/{agent}"), cases, folder / agent) for agent in REASONS}
        try:
            wait(running)
        finally:
            for process in running.values():
                process.kill()
                process.wait()
        if not server.running:
            raise Unavailable(f"the server ended; it printed:\n{server.output()}")
    return {agent: results(agent, folder / agent) for agent in REASONS}


def wait(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait for all to end, within a generous time."""
    deadline = time.monotonic() + TIME
    for agent, process in running.items():
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Unavailable(f"the suite did not end within {TIME} s ({agent}): something hangs") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
