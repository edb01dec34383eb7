"""Results as Markdown."""

from __future__ import annotations

from benchmarks.harness.goals import Verdict
from benchmarks.harness.results import Results, Row, Spread, Table

FIGURES = {
    "cpu_us": "server CPU",
    "connection_kib": "KiB for each connection",
    "idle_share": "CPU while idle",
    "p99_us": "p99 latency",
    "per_second": "rate",
}

PLURAL = {"message": "messages", "delivery": "deliveries", "handshake": "handshakes"}

#: What part of a fixed rate a server must answer to be said to keep up.
KEEPS_UP = 0.97


def markdown(results: Results, verdicts: list[Verdict]) -> str:
    """The whole report."""
    parts = ["# Results of `make bench`", _facts(results)]
    if verdicts:
        parts += ["## Goals", _goals(results, verdicts)]
    for table in results.tables:
        parts += [f"## {table.title}", _table(table)]
    return "\n\n".join(parts) + "\n"


def _facts(results: Results) -> str:
    machine, settings = results.machine, results.settings
    virtual = ", virtual" if machine["virtual"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))
    smaller = "; smaller workloads (--quick)" if settings["quick"] else ""
    return (
        f"{results.date}; {machine['cpu']}, {machine['cores']} cores{virtual}, {machine['memory']}; "
        f"Linux {machine['kernel']}; {machine['python']}; {machine['gcc']}; commit {machine['commit']}.\n\n"
        f"{settings['rounds']} rounds of {settings['seconds']:g} s after {settings['warmup']:g} s of "
        f"warm-up, interleaved; server and load generator {settings['placement']}{smaller}. Figures are "
        "medians, the least and most of the rounds in brackets. Server CPU counts all threads and processes "
        "of the server. How to read them, and their limits: `benchmarks/README.md`.\n\n"
        f"Versions: {versions}."
    )


def _goals(results: Results, verdicts: list[Verdict]) -> str:
    met = sum(verdict.met is True for verdict in verdicts)
    missed = sum(verdict.met is False for verdict in verdicts)
    counts = f"{met} met, {missed} missed, {len(verdicts) - met - missed} not measured"
    lines = [
        f"{counts}. A ratio is theirs divided by ours: above 1, ours needs less.",
        "",
        "| work | ours | compared with | figure | goal | reached | |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for verdict in verdicts:
        goal = verdict.goal
        sign = "≥" if goal.theirs else "≤"
        word = {True: "met", False: "**missed**", None: "not measured"}[verdict.met]
        table = results.table(goal.workload)
        title = table.title if table else goal.workload
        lines.append(
            f"| {title} | {goal.ours} | {verdict.against or '–'} | {FIGURES[goal.figure]} "
            f"| {sign} {goal.wanted:.3g} | {spread(verdict.reached)} | {word} |"
        )
    return "\n".join(lines)


def _table(table: Table) -> str:
    idle = table.unit == "handshake"
    heads = [f"server CPU, µs per {table.unit}", f"{PLURAL[table.unit]} per second"]
    heads += ["KiB per connection", "CPU while idle"] if idle else ["p50, µs", "p99, µs"]
    heads += ["memory, MiB", "load's CPU"]
    before = f"Measured in an earlier run: {table.measured}."
    lines = [
        *(f"{text}\n" for text in (table.measured and before, table.note) if text),
        f"| server | handler | {' | '.join(heads)} |",
        f"|---|---|{'---:|' * len(heads)}",
    ]
    measured = sorted((row for row in table.rows if row.samples), key=_cost)
    lines += [f"| {row.label} | {row.style} | {' | '.join(_cells(row, table))} |" for row in measured]
    for row in table.rows:
        if row.failed:
            when = "" if not row.samples else "in some rounds: "
            why = row.failed.replace("|", "\\|")
            lines.append(f"| {row.label} | {row.style} | **{when}{why}** |{' |' * (len(heads) - 1)}")
    return "\n".join(lines).strip()


def _cost(row: Row) -> float:
    found = row.spread("cpu_us")
    return found.median if found else 0.0


def _cells(row: Row, table: Table) -> list[str]:
    def median(figure: str) -> float:
        found = row.spread(figure)
        return found.median if found else 0.0

    cells = [spread(row.spread("cpu_us")), f"{median('per_second'):,.0f}"]
    if table.unit == "handshake":
        cells += [spread(row.spread("connection_kib")), f"{median('idle_share'):.2%}"]
    else:
        cells += [f"{median('p50_us'):,.0f}", spread(row.spread("p99_us"))]
    reordered = sum(sample.reordered for sample in row.samples)
    if reordered:
        cells[1] += " (not in order)"
    if table.rate and median("per_second") < KEEPS_UP * table.rate:
        cells[1] += " (cannot keep up)"
    return [*cells, f"{median('memory_kib') / 1024:,.0f}", f"{median('client_share'):.0%}"]


def spread(value: Spread | None) -> str:
    """A median with its least and most, to three digits."""
    if value is None:
        return "–"
    return f"{_short(value.median)} ({_short(value.low)}–{_short(value.high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
