"""``python -m benchmarks.channels``: what is measured of channels without a server, into its own table."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.channels import in_process, redis_rate
from benchmarks.harness.machine import machine
from benchmarks.harness.paths import RESULTS

ROUNDS = 5
PUBLICATIONS = 20_000


def main() -> int:
    """Measure, print, write; return whether a goal is missed."""
    parts = [("Within one process", in_process, in_process.compare(ROUNDS))]
    parts.append(("Through Redis", redis_rate, redis_rate.compare(ROUNDS, PUBLICATIONS)))
    facts = machine()
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    where = f"{facts['cpu']}, {facts['cores']} cores; CPython {facts['python']}; commit {facts['commit']}"
    text = ["# Channels, without a server", f"{when}; {where}. {ROUNDS} interleaved rounds; medians."]
    for title, module, (table, _) in parts:
        text += [f"## {title}", "\n".join((module.__doc__ or "").splitlines()[2:]).strip(), "\n".join(table)]
    (RESULTS / "channels.md").write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text))
    return 0 if all(met for _, _, (_, met) in parts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
