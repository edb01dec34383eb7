"""The benchmark: a short run of ours beside the raw echo; the arithmetic of goals; table and chart."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import chart, report
from benchmarks.harness.cli import main
from benchmarks.harness.goals import GOALS, judge
from benchmarks.harness.peers import OURS_AND_LIMITS, Peer
from benchmarks.harness.results import Results, Row, Sample, Table
from benchmarks.harness.rivals import RIVALS
from benchmarks.harness.workloads import WORKLOADS

REPOSITORY = Path(__file__).parents[2]
PEERS = {peer.name: peer for peer in (*OURS_AND_LIMITS, *RIVALS)}


def sample(cpu_us: float) -> Sample:
    return Sample(cpu_us, 1e6 / cpu_us, 50.0, 90.0, 2048, 1.0, 0.5)


def results(**rows: list[float]) -> Results:
    """Results of one workload, with these CPU times of each server (its name with underscores)."""
    table = Table("echo-1", "Echo", "message")
    for name, values in rows.items():
        peer: Peer = PEERS[name.replace("_", "-")]
        row = Row(peer.name, peer.label, peer.style, peer.role, [sample(value) for value in values])
        row.failed = None if values else "failed to start"
        table.rows.append(row)
    facts = dict.fromkeys(("cpu", "cores", "memory", "kernel", "python", "gcc", "commit"), "x")
    settings = {"rounds": 3, "seconds": 1.0, "warmup": 0.5, "quick": False, "placement": "apart"}
    return Results("today", {**facts, "virtual": True}, settings, {}, [table])


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the load generator is compiled with gcc")
def test_a_quick_run_measures_ours_and_the_limit(tmp_path: Path) -> None:
    """`python -m benchmarks` measures the servers asked for and writes JSON, Markdown and SVG."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--only",
        "echo-1",
        "--peers",
        "raw-uvloop",
        "--rounds",
        "1",
    ]
    done = subprocess.run(
        [*command, "--quick", "--out", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert written["schema"] == 1
    assert written["machine"]["cores"] >= 1
    assert written["versions"]["ours: antiphon"]
    (table,) = written["tables"]
    rows = {row["peer"]: row for row in table["rows"]}
    for name in ("raw-uvloop", "antiphon-event", "antiphon-view", "antiphon-thread"):
        assert rows[name]["failed"] is None
        (measured,) = rows[name]["samples"]
        assert measured["cpu_us"] > 0
        assert measured["per_second"] > 100
        assert 0 < measured["p50_us"] <= measured["p99_us"]
        assert measured["memory_kib"] > 0
    assert "raw TCP on uvloop" in (tmp_path / "results.md").read_text()
    assert Results.read(tmp_path / "results.json").table("echo-1") is not None


def test_the_command_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` names every workload and every server."""
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(workload.name in printed for workload in WORKLOADS)
    assert all(name in printed for name in PEERS)


def test_goals_name_what_is_measured() -> None:
    """Every goal's servers exist and are able to do its work."""
    kinds = {workload.name: workload.kind for workload in WORKLOADS}
    for goal in GOALS:
        for name in (goal.ours, *goal.theirs):
            assert kinds[goal.workload] in PEERS[name].kinds, (goal, name)


def test_a_goal_is_judged_by_medians() -> None:
    """A ratio is that of the medians; its spread is what the rounds allow; the best of several counts."""
    found = results(
        antiphon_event=[5, 6, 9], raw_uvloop=[5, 6, 6], fastapi_wsproto=[30], fastapi_websockets=[24]
    )
    verdicts = {verdict.against: verdict for verdict in judge(found) if verdict.goal.ours == "antiphon-event"}
    assert verdicts["raw-uvloop"].met
    assert verdicts["raw-uvloop"].reached is not None
    assert verdicts["raw-uvloop"].reached.median == 1
    assert verdicts["raw-uvloop"].reached.low == pytest.approx(5 / 9)
    assert verdicts["fastapi-websockets"].reached is not None
    assert verdicts["fastapi-websockets"].reached.median == 4
    assert verdicts["robyn"].met is None


def test_a_server_that_failed_stands_in_the_table() -> None:
    """A failure is reported with its reason, and the chart goes without it."""
    found = results(antiphon_event=[5], robyn=[])
    text = report.markdown(found, judge(found))
    assert "| Robyn | coroutine view | **failed to start** |" in text
    drawn = chart.svg(found)
    assert "Antiphon, event handler" in drawn
    assert "Robyn" not in drawn
    ET.fromstring(drawn)


def test_results_survive_json(tmp_path: Path) -> None:
    """What is written can be read again, so that a run can be added to an earlier one."""
    found = results(antiphon_event=[5, 6], robyn=[])
    (tmp_path / "results.json").write_text(found.to_json(goals=[]))
    assert Results.read(tmp_path / "results.json") == found


def test_what_is_kept_of_an_earlier_run_says_so() -> None:
    """A report that was made in pieces says of each when it was measured, however often it is added to."""
    whole, second, third = (results(antiphon_event=[5]) for _ in range(3))
    order = ["echo-1", "idle"]
    for run, day in ((whole, "Monday"), (second, "Tuesday"), (third, "Friday")):
        run.date, run.machine["commit"], run.versions = day, "c" + day, {"robyn": day}
    whole.put(Table("idle", "Idle", "handshake"), order)
    for run, earlier in ((second, whole), (third, second)):
        run.keep(earlier)
        run.put(Table("idle", "Idle", "handshake"), order)
    assert [table.measured for table in third.tables] == ["Monday, commit cMonday", ""]
    assert third.versions == {"robyn": "Friday"}
    assert report.markdown(third, []).count("Measured in an earlier run: Monday, commit cMonday.") == 1


def test_every_goal_is_measured_in_a_whole_run() -> None:
    """A run without a choice of servers has whoever a goal compares."""
    workloads = {each.name: each for each in WORKLOADS}
    for goal in GOALS:
        workload = workloads[goal.workload]
        for name in (goal.ours, *goal.theirs):
            able = workload.kind in PEERS[name].kinds
            # Of several rivals the best counts: those that are never it need not be there.
            assert not able or workload.asks(name) or len(goal.theirs) > 1, (goal.workload, name)
        assert not goal.theirs or any(workload.asks(name) for name in goal.theirs), goal
