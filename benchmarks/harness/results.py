"""What was measured, as values that go to JSON and come back."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the least and most of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        cpu_us: Server CPU time for each unit (message, delivery or handshake), microseconds.
        per_second: Units in each second.
        p50_us: Median latency; none where units have no latency.
        p99_us: Latency that one in a hundred exceeds.
        memory_kib: The server's resident memory at the end of the window.
        server_share: CPU time of the server for each second; 1 is one processor.
        client_share: That of the load generator.
        reordered: Answers or publications that came in another order.
        connection_kib: Server memory for each idle connection.
        idle_share: CPU time of the server for each second in which nothing but keepalive happens.
    """

    cpu_us: float
    per_second: float
    p50_us: float
    p99_us: float
    memory_kib: float
    server_share: float
    client_share: float
    reordered: int = 0
    connection_kib: float | None = None
    idle_share: float | None = None

    @classmethod
    def of(cls, measured: dict[str, Any]) -> Sample:
        """From what the load generator printed."""
        messages = measured["messages"]
        per_second = measured.get("per_second", messages / measured["seconds"])
        idle = "hold_s" in measured
        return cls(
            cpu_us=round(measured["server_cpu_us"] / messages, 4),
            per_second=round(per_second, 1),
            p50_us=measured["p50_us"],
            p99_us=measured["p99_us"],
            memory_kib=measured["rss_kib"],
            server_share=measured["server_cpu_share"],
            client_share=measured["client_cpu_share"],
            reordered=measured["reordered"],
            connection_kib=round(measured["bytes_per_connection"] / 1024, 2) if idle else None,
            idle_share=measured["hold_cpu_share"] if idle else None,
        )


@dataclass(slots=True)
class Row:
    """One server at one workload; `failed` says why rounds of it have no sample."""

    peer: str
    label: str
    style: str
    role: str
    samples: list[Sample] = field(default_factory=list)
    failed: str | None = None

    def spread(self, figure: str) -> Spread | None:
        """The median and spread of a figure of its samples."""
        values = [value for each in self.samples if (value := getattr(each, figure)) is not None]
        return Spread.of(values) if values else None


@dataclass(slots=True)
class Table:
    """All servers at one workload.

    Attributes:
        rate: What was sent for each second, where that is fixed.
        measured: When, and of which commit, if that was in an earlier run.
    """

    workload: str
    title: str
    unit: str
    note: str = ""
    rate: float | None = None
    measured: str = ""
    rows: list[Row] = field(default_factory=list)

    def row(self, peer: str) -> Row | None:
        """The row of a peer, if it was measured."""
        return next((row for row in self.rows if row.peer == peer and row.samples), None)


@dataclass(slots=True)
class Results:
    """One run."""

    date: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    tables: list[Table] = field(default_factory=list)

    def table(self, workload: str) -> Table | None:
        """The table of a workload, if it was measured."""
        return next((table for table in self.tables if table.workload == workload), None)

    def put(self, table: Table, order: list[str]) -> None:
        """Add a table, in the place of an older one of the same workload."""
        self.tables = [each for each in self.tables if each.workload != table.workload] + [table]
        self.tables.sort(key=lambda each: order.index(each.workload))

    def keep(self, earlier: Results) -> None:
        """Take over what an earlier run measured."""
        for table in earlier.tables:
            table.measured = table.measured or f"{earlier.date}, commit {earlier.machine['commit']}"
        self.tables = earlier.tables
        self.versions = {**earlier.versions, **self.versions}

    def to_json(self, **more: Any) -> str:
        """As text; ``more`` goes beside it."""
        tables = []
        for table in self.tables:
            plain = asdict(table)
            for row, values in zip(table.rows, plain["rows"], strict=True):
                spread = row.spread("cpu_us")
                values["cpu_us"] = asdict(spread) if spread else None
            tables.append(plain)
        head = {name: getattr(self, name) for name in ("date", "machine", "settings", "versions")}
        return json.dumps({"schema": SCHEMA, **head, "tables": tables, **more}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Results:
        """From a file that ``to_json`` made.

        Raises:
            ValueError: It is of another schema.
        """
        plain = json.loads(path.read_text())
        if plain.get("schema") != SCHEMA:
            raise ValueError(f"{path} is of schema {plain.get('schema')}, not {SCHEMA}")
        results = cls(plain["date"], plain["machine"], plain["settings"], plain["versions"])
        for table in plain["tables"]:
            rows = []
            for row in table.pop("rows"):
                samples = [Sample(**sample) for sample in row.pop("samples")]
                row.pop("cpu_us")
                rows.append(Row(**row, samples=samples))
            results.tables.append(Table(**table, rows=rows))
        return results
