"""Channels within one process: publishing, with and without a history, and a thousand Python subscribers.

``python -m benchmarks.channels.in_process`` measures each way in turn, in interleaved rounds, each in a
process of its own on uvloop; figures are medians of CPU time, ratios are within the same run.

* publish: to nobody, and to one subscriber; live, and with a history of 100.
* feeds: to 1 000 of them, 128 bytes each, 16 in a burst, all of them read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from statistics import median

import uvloop

from antiphon import Antiphon
from antiphon.channels import Batch, History

WAYS = ("live, nobody", "history, nobody", "live, one", "history, one", "1 000 feeds")
RATIOS = {"history, nobody": "live, nobody", "history, one": "live, one"}
GOAL = 1.5
PUBLICATIONS = 40_000
SUBSCRIBERS = 1000
BURST = 16
DATA = "x" * 128


class _Listener:
    """A subscriber that counts."""

    def __init__(self) -> None:
        self.count = 0

    def deliver(self, batch: Batch) -> None:
        self.count += len(batch.publications)

    def cut_off(self) -> None:
        raise SystemExit("publications are lost")


async def publishing(way: str) -> float:
    """Publish; return microseconds of CPU time for each publication."""
    app = Antiphon()
    app.channels.define("history:{name}", history=History(size=100, ttl=60))
    kind, _, audience = way.partition(", ")
    channel, listener = app.channel(f"{kind}:news"), _Listener()
    if audience == "one":
        await app.services.hub.subscribe(channel.name, listener)
    for count in (PUBLICATIONS // 10, PUBLICATIONS):
        began = time.process_time()
        for _ in range(count // BURST):
            for _ in range(BURST):
                await channel.publish(DATA)
            await asyncio.sleep(0)
        seconds = time.process_time() - began
    assert listener.count in (0, PUBLICATIONS + PUBLICATIONS // 10)
    return seconds / PUBLICATIONS * 1e6


async def feeding() -> float:
    """Publish to many feeds that are read; return microseconds of CPU time for each delivery."""
    app = Antiphon()
    channel = app.channel("news")
    total = PUBLICATIONS // 100
    subscribed = asyncio.Barrier(SUBSCRIBERS + 1)

    async def read() -> None:
        async with channel.subscribe() as feed:
            await subscribed.wait()
            for _ in range(total):
                await anext(feed)

    readers = [asyncio.create_task(read()) for _ in range(SUBSCRIBERS)]
    await subscribed.wait()
    began = time.process_time()
    for _ in range(total // BURST):
        for _ in range(BURST):
            await channel.publish(DATA)
        await asyncio.sleep(0)
    await asyncio.gather(*readers)
    return (time.process_time() - began) / total / SUBSCRIBERS * 1e6


def measure(way: str) -> float:
    """One way, in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--way", way]
    return float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))


def compare(rounds: int) -> tuple[list[str], bool]:
    """Measure all ways in turn; return a table of the medians, and whether the goals are met."""
    figures: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            figures[way].append(measure(way))
    met = True
    table = ["| way | CPU, µs | least | most | for each | ratio | goal |", "|---|---|---|---|---|---|---|"]
    for way, values in figures.items():
        unit = "delivery" if "feeds" in way else "publication"
        row = f"| {way} | {median(values):.2f} | {min(values):.2f} | {max(values):.2f} | {unit} |"
        if way in RATIOS:
            ratio = median(values) / median(figures[RATIOS[way]])
            met = met and ratio <= GOAL
            row += f" {ratio:.2f} of {RATIOS[way]!r} | ≤ {GOAL} |"
        else:
            row += " | |"
        table.append(row)
    return table, met


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description="Measure channels within one process.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way is None:
        table, met = compare(options.rounds)
        print("\n".join(table))
        return 0 if met else 1
    work = feeding() if "feeds" in options.way else publishing(options.way)
    print(json.dumps(uvloop.run(work)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
