"""The goals, as ratios of theirs to ours: above 1 is better than they.

What is compared is server CPU time for each unit of work, if not said otherwise. Where several rivals are
named, the best of them counts ("FastAPI on uvicorn's best").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.results import Results, Row, Spread

EVENT, VIEW, THREAD = "antiphon-event", "antiphon-view", "antiphon-thread"
INLINE = "antiphon-inline"
FASTNET = "antiphon-fastnet"
FASTAPI = ("fastapi-websockets-sansio", "fastapi-websockets", "fastapi-wsproto")
FASTAPI_ON_OURS = "fastapi-antiphon"
HISTORY = "antiphon-history"
CHANNELS_REDIS = ("channels-redis-core", "channels-redis-pubsub")

#: Figures of which the ratio is ours to theirs.
MORE_IS_BETTER = frozenset(("per_second",))


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: a ratio to reach, or (without rivals) a figure of ours to stay below.

    Attributes:
        workload: Where.
        ours: Which of our rows.
        theirs: With whom it is compared; the best of them.
        wanted: At least this ratio, or at most this figure.
        figure: What of the samples is compared.
    """

    workload: str
    ours: str
    theirs: tuple[str, ...]
    wanted: float
    figure: str = "cpu_us"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a goal; without a value, it was not measured."""

    goal: Goal
    against: str
    reached: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches it; None when it was not measured."""
        if self.reached is None:
            return None
        if self.goal.theirs:
            return self.reached.median >= self.goal.wanted
        return self.reached.median <= self.goal.wanted

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "met": self.met}


def _each(
    workload: str, ours: str, wanted: dict[str | tuple[str, ...], float], figure: str = "cpu_us"
) -> list[Goal]:
    return [
        Goal(workload, ours, (theirs,) if isinstance(theirs, str) else theirs, ratio, figure)
        for theirs, ratio in wanted.items()
    ]


GOALS: tuple[Goal, ...] = (
    *_each("echo-1", EVENT, {"raw-uvloop": 0.92, "fastapi-websockets": 3.2, FASTAPI: 2.3, "aiohttp": 1.35}),
    *_each("echo-1", EVENT, {"robyn": 7, "picows": 0.92}),
    *_each("echo-1", VIEW, {"raw-uvloop": 0.82}),
    *_each("echo-16", EVENT, {"raw-uvloop": 0.42, "picows": 4.5, "aiohttp": 7, FASTAPI: 12}),
    *_each("echo-16", VIEW, {"raw-uvloop": 0.36}),
    *_each("echo-1", INLINE, {"raw-uvloop": 0.92, "picows": 0.92}),
    *_each("echo-16", INLINE, {"raw-uvloop": 0.42, "picows": 4.5, "aiohttp": 7, FASTAPI: 12}),
    *_each("echo-64k", INLINE, {"raw-uvloop": 0.70, "picows": 1, "aiohttp": 1.6}),
    *_each("echo-64k", EVENT, {"raw-uvloop": 0.70, "picows": 1, "aiohttp": 1.6}),
    *_each("echo-64k", VIEW, {"raw-uvloop": 0.65}),
    *_each("fanout-1", EVENT, {"c-each": 0.92, "websockets": 1.35, FASTAPI: 1.7, "socketify": 1}),
    *_each("fanout-16", EVENT, {"c-batched": 0.85, "socketify": 1, "websockets": 15, FASTAPI: 19}),
    *_each("fanout-16", EVENT, {("channels-daphne", "channels-uvicorn"): 600}),
    *_each("fanout5k-1", EVENT, {"c-each": 0.80, "socketify": 0.9}),
    *_each("fanout5k-16", EVENT, {"c-batched": 0.80, "socketify": 0.9}),
    *_each("echo-1", THREAD, {"robyn": 1.2}),
    *_each("echo-16", THREAD, {"robyn": 4}),
    *_each("echo-1", FASTAPI_ON_OURS, {FASTAPI: 1.6}),
    *_each("fanout-1", FASTAPI_ON_OURS, {FASTAPI: 1.15}),
    Goal("idle", EVENT, (), 6, "connection_kib"),
    Goal("idle", VIEW, (), 10, "connection_kib"),
    Goal("idle", EVENT, (), 0.01, "idle_share"),
    Goal("idle", VIEW, (), 0.01, "idle_share"),
    *_each("connects", EVENT, {"aiohttp": 1, FASTAPI: 1 / 0.3}),
    # With history at most 1.5 times what it costs without.
    *_each("fanout-1", HISTORY, {EVENT: 1 / 1.5}),
    *_each("redis-1", EVENT, {CHANNELS_REDIS: 5, "litestar": 5}, "per_second"),
    *_each("redis-16", EVENT, {CHANNELS_REDIS: 5, "litestar": 5}, "per_second"),
    *_each("redis-16", HISTORY, {CHANNELS_REDIS: 5, "litestar": 5}, "per_second"),
    *_each("deflate-1", EVENT, {"websockets": 6}),
    *_each("deflate-16", EVENT, {"websockets": 60}),
    *_each("tls-1", EVENT, {"raw-uvloop": 0.85, "aiohttp": 1.2, FASTAPI: 1.9}),
    *_each("tls-1", FASTNET, {"raw-uvloop": 1.0, "aiohttp": 1.2, FASTAPI: 1.9}),
    *_each("latency", EVENT, {"aiohttp": 1, "raw-uvloop": 1 / 1.3}, "p99_us"),
)


def judge(results: Results) -> list[Verdict]:
    """All goals whose workload was measured."""
    return [_verdict(goal, results) for goal in GOALS if results.table(goal.workload)]


def _verdict(goal: Goal, results: Results) -> Verdict:
    table = results.table(goal.workload)
    assert table is not None
    ours = table.row(goal.ours)
    if not goal.theirs:
        return Verdict(goal, "", ours.spread(goal.figure) if ours else None)
    rivals = [row for name in goal.theirs if (row := table.row(name))]
    if ours is None or not rivals:
        return Verdict(goal, goal.theirs[0], None)
    sign = -1 if goal.figure in MORE_IS_BETTER else 1
    best = min(rivals, key=lambda row: sign * _spread(row, goal.figure).median)
    theirs, reached = _spread(best, goal.figure), _spread(ours, goal.figure)
    if goal.figure in MORE_IS_BETTER:
        theirs, reached = reached, theirs
    return Verdict(goal, best.peer, _ratio(theirs, reached))


def _spread(row: Row, figure: str) -> Spread:
    spread = row.spread(figure)
    assert spread is not None
    return spread


def _ratio(theirs: Spread, ours: Spread) -> Spread:
    """The ratio of the medians, with the least and the most that the rounds allow."""
    return Spread(theirs.median / ours.median, theirs.low / ours.high, theirs.high / ours.low)
