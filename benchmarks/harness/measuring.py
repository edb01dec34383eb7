"""The rounds: each workload, each round, each server in turn, every time in another order.

A server is started anew for each measurement, so that none profits or suffers from what it did before,
and those that are compared run within minutes of each other. Its neighbours change from round to round, so
that what one leaves behind does not always meet the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from benchmarks.harness.environments import Place
from benchmarks.harness.peers import Peer
from benchmarks.harness.processes import Failed, Processors, load, server
from benchmarks.harness.results import Row, Sample, Table
from benchmarks.harness.workloads import LATENCY, WORKLOADS, Workload

#: Who says what "half the saturating load" is in the latency workload: the first that is measured.
YARDSTICKS = ("aiohttp", "antiphon-view", "antiphon-event", "raw-uvloop")

#: Rounds that a server may fail before it is left out of a workload.
PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: How often.
        seconds: The measured window.
        warmup: What goes before it.
        quick: Whether workloads are smaller.
        rate: Messages for each second in the latency workload; None: half of what a yardstick can.
        processors: Where the programs run.
    """

    rounds: int
    seconds: float
    warmup: float
    quick: bool
    rate: float | None
    processors: Processors


Tell = Callable[[str], None]


class Measuring:
    """Measures servers at workloads.

    Args:
        settings: How.
        places: Where the programs of each environment are.
        tls: Whether the load generator speaks TLS; otherwise why not.
        tell: Is told how far it is.
    """

    def __init__(self, settings: Settings, places: dict[str, Place], tls: str | None, tell: Tell) -> None:
        self._settings = settings
        self._places = places
        self._no_tls = tls
        self._tell = tell

    def measure(self, workload: Workload, peers: list[Peer]) -> Table:
        """Measure servers at one workload, in interleaved rounds."""
        able = [peer for peer in peers if workload.kind in peer.kinds]
        table = Table(workload.name, workload.title, workload.unit)
        table.rows = [Row(peer.name, peer.label, peer.style, peer.role) for peer in able]
        if not able:
            return table
        if workload.name == LATENCY:
            table.rate, table.note = self._rate(able)
            self._tell(f"{workload.name}: {table.note}")
            workload = replace(workload, options={**workload.options, "rate": str(table.rate)})
        rounds = self._settings.rounds * workload.times
        if workload.times > 1:
            table.note = ", ".join(filter(None, (table.note, f"{rounds} rounds")))
        failures = dict.fromkeys((peer.name for peer in able), 0)
        pairs = list(zip(able, table.rows, strict=True))
        for peer, row in pairs:
            row.failed = peer.skips.get(workload.name)
        pairs = [(peer, row) for peer, row in pairs if not row.failed]
        for number in range(rounds):
            # An order that anybody who measures the same gets as well.
            for peer, row in Random(number).sample(pairs, len(pairs)):
                if failures[peer.name] >= PATIENCE:
                    continue
                head = f"{workload.name}, round {number + 1} of {rounds}: {peer.name}"
                try:
                    sample = self.once(workload, peer)
                except Failed as failure:
                    failures[peer.name] += 1
                    row.failed = str(failure)
                    self._tell(f"{head}: {failure}")
                else:
                    row.samples.append(sample)
                    self._tell(f"{head}: {_summary(sample, workload)}")
        return table

    def once(self, workload: Workload, peer: Peer) -> Sample:
        """Start a server, measure it, stop it.

        Raises:
            Failed: It cannot be measured; the text says why.
        """
        place = self._places[peer.environment]
        missing = [place.missing[name] for name in peer.packages if name in place.missing]
        if place.problem or missing:
            raise Failed(f"not installed: {place.problem or missing[0]}")
        if workload.kind == "tls" and self._no_tls:
            raise Failed(self._no_tls)
        settings = self._settings
        arguments = workload.arguments(quick=settings.quick)
        arguments += ["--warmup", str(settings.warmup), "--seconds", str(settings.seconds)]
        with server(peer, workload, place, settings.processors) as running:
            measured = load(peer, workload, running, settings.processors, arguments)
        if not measured["messages"]:
            raise Failed("nothing came back")
        if workload.kind == "deflate" and not measured["compressed"]:
            raise Failed("it agreed on permessage-deflate and compressed nothing")
        return Sample.of(measured)

    def _rate(self, peers: list[Peer]) -> tuple[float, str]:
        """Messages for each second in the latency workload, and where the figure is from."""
        rate, why = self._settings.rate, ""
        names = {peer.name: peer for peer in peers}
        for peer in (names[name] for name in YARDSTICKS if name in names):
            if rate:
                break
            try:
                rate = self.once(WORKLOADS[0], peer).per_second / 2
                why = f", half of what {peer.name} can"
            except Failed as failure:
                self._tell(f"no rate from {peer.name}: {failure}")
        rate = float(f"{rate or 5000:.2g}")
        return rate, f"{rate:.0f} messages per second in all{why}"


def _summary(sample: Sample, workload: Workload) -> str:
    text = f"{sample.cpu_us:.3g} us of CPU for each {workload.unit}, {sample.per_second:,.0f} per second"
    if sample.connection_kib is not None:
        text += f", {sample.connection_kib:.1f} KiB for each connection"
        text += f", {sample.idle_share or 0:.2%} of a processor while idle"
    elif sample.p99_us:
        text += f", p99 {sample.p99_us:,.0f} us"
    return text
