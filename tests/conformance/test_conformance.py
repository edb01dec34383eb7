"""What `make conformance` makes of results, and that its page shows a run without a failure."""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.page import PAGE, written
from tests.conformance.suite import CASES, Unavailable, python2
from tests.conformance.verdict import GROUPS, REASONS, failures
from tests.docs.markdown import table


def result(behavior: str, closing: str = "OK") -> dict[str, Any]:
    return {"behavior": behavior, "behaviorClose": closing}


@pytest.mark.parametrize(
    ("behavior", "closing", "case", "fails"),
    [
        ("OK", "OK", "1.1.1", False),
        ("INFORMATIONAL", "INFORMATIONAL", "7.1.6", False),
        ("NON-STRICT", "OK", "6.4.3", False),
        ("NON-STRICT", "OK", "1.1.1", True),
        ("FAILED", "OK", "6.4.3", True),
        ("UNIMPLEMENTED", "OK", "12.1.1", True),
        ("OK", "WRONG CODE", "7.7.1", True),
        ("OK", "UNCLEAN", "1.1.1", True),
    ],
)
def test_verdict(behavior: str, closing: str, case: str, fails: bool) -> None:
    """Only what is OK, informational or non-strict for a known reason passes, its close as well."""
    for agent in REASONS:
        found = failures(agent, {case: result(behavior, closing)})
        assert found == ([f"{agent} {case}: {behavior}, its close {closing}"] if fails else [])


def test_page_of_a_run() -> None:
    """The page counts by group, and gives the reason of what is non-strict."""
    results = {"1.1.1": result("OK"), "6.4.3": result("NON-STRICT"), "6.4.4": result("FAILED")}
    text = written({"events": results}, date(2030, 2, 1))
    assert "1 February 2030" in text
    assert (
        "| 1 | Framing | 1 | 0 | 0 | 0 |\n| 6 | UTF-8 | 0 | 1 | 0 | 1 |\n| all |  | 1 | 1 | 0 | 1 |" in text
    )
    assert f"* 6.4.3: {REASONS['events']['6.4.3']}" in text


@pytest.mark.parametrize("agent", REASONS)
def test_page_shows_no_failure(agent: str) -> None:
    """The committed page is of a whole run, and of a good one."""
    *groups, last = table(str(PAGE.relative_to(PAGE.parents[2])), agent)
    assert [row[0] for row in groups] == list(GROUPS)
    numbers = [list(map(int, row[2:])) for row in groups]
    totals = [sum(column) for column in zip(*numbers, strict=True)]
    assert totals == list(map(int, last[2:]))
    assert (sum(totals), totals[3]) == (CASES, 0)
    listed = re.findall(r"^\* ([\d., ]+):", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cases = {case for line in listed for case in line.split(", ")}
    assert cases <= set().union(*REASONS.values())


def test_without_python_2(tmp_path: Path) -> None:
    """Where there is no Python 2.7 it says so, and what to do."""
    with pytest.raises(Unavailable, match=r"pyenv install 2\.7(.|\n)*PYTHON2="):
        python2({"HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_with_a_python_2_that_is_none(tmp_path: Path) -> None:
    """What was asked for is not replaced by another without a word."""
    with pytest.raises(Unavailable):
        python2({**os.environ, "PYTHON2": str(tmp_path / "none")})
