"""Results as one SVG: for each workload a panel of dots on a logarithmic axis, with their spread.

Dots, not bars: a bar's length means nothing on a logarithmic axis, and on a linear one the fastest
servers cannot be told apart beside the slowest.
"""

from __future__ import annotations

import math
from html import escape

from benchmarks.harness.results import Results, Row, Table

COLOURS = {"ours": "#c2410c", "limit": "#64748b", "peer": "#1d4ed8"}
LABEL, PLOT, FIGURE, LINE, GAP, TITLE = 270, 420, 70, 19, 26, 30
WIDTH = LABEL + PLOT + FIGURE


def svg(results: Results) -> str:
    """The chart of all tables."""
    tables = [table for table in results.tables if any(row.samples for row in table.rows)]
    parts: list[str] = []
    y = 34
    for table in tables:
        panel, height = _panel(table, y)
        parts += panel
        y += height + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        'font-family="system-ui, sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return "\n".join([head, *_legend(), *parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    names = {"ours": "Antiphon", "limit": "limits: C, raw TCP", "peer": "peers"}
    parts = []
    x = 10
    for role, name in names.items():
        parts.append(f'<circle cx="{x}" cy="14" r="4.5" fill="{COLOURS[role]}"/>')
        parts.append(_text(x + 9, 18, name))
        x += 150
    parts.append(_text(WIDTH - 8, 18, "server CPU time, µs; left is better", "end", "#64748b"))
    return parts


def _panel(table: Table, top: int) -> tuple[list[str], int]:
    rows = sorted((row for row in table.rows if row.samples), key=lambda row: _spread(row)[1])
    low = math.log10(min(_spread(row)[0] for row in rows) * 0.85)
    high = max(math.log10(max(_spread(row)[2] for row in rows) * 1.15), low + 0.5)
    bottom = top + TITLE + len(rows) * LINE

    def place(value: float) -> float:
        return LABEL + (math.log10(value) - low) / (high - low) * PLOT

    parts = [_text(8, top + 16, f"{table.title}, per {table.unit}", bold=True)]
    for tick in _ticks(low, high):
        x = place(tick)
        parts.append(f'<path d="M{x:.1f} {top + TITLE - 4}V{bottom}" stroke="#e2e8f0"/>')
        parts.append(_text(x, bottom + 13, f"{tick:g}", "middle", "#64748b"))
    for index, row in enumerate(rows):
        least, median, most = _spread(row)
        y = top + TITLE + index * LINE + 6
        colour = COLOURS[row.role]
        label = row.label.replace("*", "")
        parts.append(_text(LABEL - 10, y + 4, label, "end", colour if row.role == "ours" else "#0f172a"))
        parts.append(
            f'<path d="M{place(least):.1f} {y}H{place(most):.1f}" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(f'<circle cx="{place(median):.1f}" cy="{y}" r="4.5" fill="{colour}"/>')
        parts.append(_text(WIDTH - 8, y + 4, f"{median:.3g}", "end"))
    return parts, bottom - top + 10


def _ticks(low: float, high: float) -> list[float]:
    ticks = [
        step * 10**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for step in ((1, 2, 5) if high - low < 2 else (1,))
    ]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def _spread(row: Row) -> tuple[float, float, float]:
    spread = row.spread("cpu_us")
    assert spread is not None
    # A figure that rounds to nothing has no place on a logarithmic axis.
    return max(spread.low, 1e-3), max(spread.median, 1e-3), max(spread.high, 1e-3)


def _text(
    x: float, y: float, text: str, anchor: str = "start", colour: str = "#0f172a", *, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'
    )
