"""`python -m tests.faults SECONDS [SEED]`: run after run with new seeds, for so long."""

import asyncio
import random
import sys
import time

from tests.faults.run import run

EACH = 60.0


def main(seconds: float, seed: int) -> int:
    """Run until the time is over; 1 as soon as a promise is broken."""
    deadline = time.monotonic() + seconds
    while True:
        print(f"seed {seed}", flush=True)
        report = asyncio.run(run(seed, min(EACH, max(15.0, deadline - time.monotonic())), redis=True))
        print(report, flush=True)
        if report.violations or report.behind:
            return 1
        if time.monotonic() > deadline:
            return 0
        seed += 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)))
