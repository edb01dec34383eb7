"""Where things are."""

from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
REPOSITORY = BENCHMARKS.parent
SERVERS = BENCHMARKS / "servers"
LOAD = BENCHMARKS / "load"
RESULTS = BENCHMARKS / "results"
BUILD = BENCHMARKS / ".build"  # what is compiled or made for a run; not in git
