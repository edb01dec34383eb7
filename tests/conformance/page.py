"""`docs/reference/conformance.md`, written from a run."""

import platform
from collections import Counter
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version

from tests.conformance.suite import CASES, VERSION
from tests.conformance.verdict import GROUPS, REASONS, Results, counts, non_strict
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "conformance.md"
BEHAVIORS = ("OK", "NON-STRICT", "INFORMATIONAL")
TITLES = {"view": "View", "events": "Event endpoint"}

HEAD = """# Conformance

`make conformance` runs the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) against a
live server, once against a view and once against an event endpoint, each an echo, and writes this page. A
case that is not OK, informational, or listed below with its reason, fails the run.

{when}: autobahntestsuite {suite}, {cases} cases, against Antiphon {antiphon} on uvicorn {uvicorn},
uvloop {uvloop} and Python {python}. The server allows what the suite demands beyond the defaults: messages of
16 MiB, in any number of fragments, compression, and no pings of its own. *Non-strict* is the suite's word for
behaviour that the RFC allows and that is not the strictest; *informational* cases have no right answer.
"""


def written(results: Mapping[str, Results], day: date) -> str:
    """The page for the results of each endpoint."""
    names = ("antiphon", "uvicorn", "uvloop")
    versions = {name: version(name) for name in names}
    text = HEAD.format(
        when=f"{day:%-d %B %Y}", suite=VERSION, cases=CASES, python=platform.python_version(), **versions
    )
    return text + "".join(_section(agent, each) for agent, each in results.items())


def _section(agent: str, results: Results) -> str:
    lines = ["", f"## {TITLES[agent]}", "", f"<!-- table: {agent} -->", ""]
    lines += ["| Group | | OK | Non-strict | Informational | Failed |", "|---|---|---|---|---|---|"]
    total: Counter[str] = Counter()
    for group, behaviors in counts(results).items():
        total += behaviors
        lines.append(_row(group, GROUPS[group], behaviors))
    lines.append(_row("all", "", total))
    found = non_strict(results)
    by_reason: dict[str, list[str]] = {}
    for case in found:
        by_reason.setdefault(REASONS[agent].get(case, "No reason is known."), []).append(case)
    if by_reason:
        lines += ["", "Non-strict:", ""]
    lines += [f"* {', '.join(cases)}: {reason}" for reason, cases in by_reason.items()]
    return "\n".join(lines) + "\n"


def _row(group: str, title: str, behaviors: Counter[str]) -> str:
    known = [behaviors[each] for each in BEHAVIORS]
    failed = behaviors.total() - sum(known)
    return f"| {group} | {title} | {' | '.join(map(str, [*known, failed]))} |"
