"""The command: choose, prepare, measure, report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import chart, report
from benchmarks.harness.environments import Place, Unavailable, certificate, load_generator, prepare
from benchmarks.harness.goals import judge
from benchmarks.harness.machine import machine, versions
from benchmarks.harness.measuring import Measuring, Settings
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.peers import OURS_AND_LIMITS, Peer
from benchmarks.harness.processes import Processors, raise_file_limit
from benchmarks.harness.results import Results
from benchmarks.harness.rivals import RIVALS
from benchmarks.harness.workloads import WORKLOADS, matches

NAME = "results"
PEERS = (*OURS_AND_LIMITS, *RIVALS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        _list()
        return 0
    workloads = [each for each in WORKLOADS if not options.only or matches(each.name, options.only)]
    peers = _chosen(options.peers)
    if not workloads or not peers:
        print("Nothing is selected; --list shows what there is.")
        return 2
    began = time.monotonic()

    def tell(text: str) -> None:
        seconds = int(time.monotonic() - began)
        print(f"[{seconds // 60:3d}:{seconds % 60:02d}] {text}", flush=True)

    try:
        tls = None if load_generator() else "not measured: no OpenSSL headers (Debian: libssl-dev)"
    except Unavailable as problem:
        print(f"The load generator is written in C. {problem}")
        return 1
    if any(each.kind == "tls" for each in workloads) and tls is None:
        try:
            certificate()
        except Unavailable as problem:
            tls = f"not measured: {problem}"
    places = _prepare(peers, tell)
    settings = _settings(options)
    results = _results(options, settings, peers, places)
    measuring = Measuring(settings, places, tls, tell)
    try:
        for workload in workloads:
            tell(f"{workload.name}: {workload.title}")
            chosen = peers if options.peers else [peer for peer in peers if workload.asks(peer.name)]
            results.put(measuring.measure(workload, chosen), [each.name for each in WORKLOADS])
            write(results, options.out)
    except KeyboardInterrupt:
        print("\nStopped; what is finished is kept.")
    write(results, options.out)
    _conclude(results, options.out)
    return 0


def write(results: Results, folder: Path) -> None:
    """Write the results as JSON, Markdown and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = judge(results)
    (folder / f"{NAME}.json").write_text(results.to_json(goals=[verdict.to_json() for verdict in verdicts]))
    (folder / f"{NAME}.md").write_text(report.markdown(results, verdicts))
    (folder / f"{NAME}.svg").write_text(chart.svg(results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description='Measure WebSocket servers beside each other. ARGS="…" are:'
    )
    parser.add_argument("--list", action="store_true", help="list workloads and servers")
    parser.add_argument(
        "--only", type=_names, default=[], metavar="WORK,…", help="workloads, as in echo,idle"
    )
    parser.add_argument(
        "--peers",
        type=_names,
        metavar="NAME,…",
        help="servers beside ours, as in fastapi,raw (default: those whose figure says something)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="the measured window (default: 1.0; quick: 0.4)")
    parser.add_argument("--warmup", type=float, help="what goes before it (default: 0.3; quick: 0.2)")
    parser.add_argument("--quick", action="store_true", help="shorter and smaller, to see that it works")
    parser.add_argument("--rate", type=float, help="messages per second of the latency workload")
    parser.add_argument(
        "--placement",
        choices=("apart", "shared", "free"),
        default="apart",
        help="processors of server and load generator: the last one for the load generator and all others "
        "for the server (apart, the default), the first for both (shared), or as the kernel likes (free)",
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: benchmarks/results, or its partial/)"
    )
    parser.add_argument("--update", action="store_true", help="keep what --out has of other workloads")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _list() -> None:
    print("Workloads:")
    for workload in WORKLOADS:
        print(f"  {workload.name:12} {workload.title}")
    print("\nServers (ours are always measured):")
    for peer in PEERS:
        print(
            f"  {peer.name:28} {peer.label.replace('*', '')}; {peer.style}; {', '.join(sorted(peer.kinds))}"
        )


def _chosen(wanted: list[str] | None) -> list[Peer]:
    if wanted is None:
        return list(PEERS)
    return [peer for peer in PEERS if peer.name.startswith("antiphon-") or matches(peer.name, wanted)]


def _prepare(peers: list[Peer], tell: Callable[[str], None]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for environment in dict.fromkeys(peer.environment for peer in peers):
        tell(f"preparing: {environment}")
        place = places[environment] = prepare(environment)
        for problem in filter(None, (place.problem, *place.missing.values())):
            tell(f"{environment}: {problem}")
    return places


def _settings(options: argparse.Namespace) -> Settings:
    if options.out is None:
        whole = not (options.only or options.peers or options.quick) and options.rounds >= 5
        options.out = RESULTS if whole else RESULTS / "partial"
    raise_file_limit()
    return Settings(
        rounds=options.rounds,
        seconds=options.seconds or (0.4 if options.quick else 1.0),
        warmup=options.warmup or (0.2 if options.quick else 0.3),
        quick=options.quick,
        rate=options.rate,
        processors=Processors.of(options.placement),
    )


def _results(
    options: argparse.Namespace, settings: Settings, peers: list[Peer], places: dict[str, Place]
) -> Results:
    results = Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        settings={
            "rounds": settings.rounds,
            "seconds": settings.seconds,
            "warmup": settings.warmup,
            "quick": settings.quick,
            "placement": options.placement,
        },
        versions=versions(peers, places),
    )
    earlier = options.out / f"{NAME}.json"
    if options.update and earlier.exists():
        results.keep(Results.read(earlier))
    return results


def _conclude(results: Results, folder: Path) -> None:
    verdicts = judge(results)
    for verdict in verdicts:
        goal = verdict.goal
        word = {True: "met", False: "MISSED", None: "not measured"}[verdict.met]
        against = f" against {verdict.against}" if verdict.against else f" ({goal.figure})"
        reached = report.spread(verdict.reached)
        print(f"  {word:12} {goal.workload:12} {goal.ours}{against}: {reached}, goal {goal.wanted:.3g}")
    failed = {(row.peer, row.failed) for table in results.tables for row in table.rows if row.failed}
    for peer, why in sorted(failed):
        print(f"  failed: {peer}: {why}")
    print(f"Written: {folder / NAME}.md, .json, .svg")
