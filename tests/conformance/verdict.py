"""What of the suite's results may be: OK, informational, and what is listed here with its reason."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]

GROUPS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Close handling",
    "9": "Limits and performance",
    "10": "Miscellaneous",
    "12": "Compression, payloads",
    "13": "Compression, parameters",
}

_ONE_READ = (
    "A message arrives in one read with a frame that breaks a rule. The connection fails at that frame, at"
    " once (RFC 6455 § 7.1.7); a view, being a coroutine, would have answered the message only afterwards."
    " An event endpoint answers in place."
)
_WITHIN_FRAME = (
    "A text is not UTF-8 in the middle of a frame that arrives in pieces. It is found when that frame is"
    " complete, before the message is; RFC 6455 § 8.1 does not say when."
)

#: Cases that may be non-strict, by endpoint.
REASONS = {
    "view": {
        **dict.fromkeys(
            ("3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5"), _ONE_READ
        ),
        "5.15": _ONE_READ,
        **dict.fromkeys(("6.4.3", "6.4.4"), _WITHIN_FRAME),
    },
    "events": dict.fromkeys(("6.4.3", "6.4.4"), _WITHIN_FRAME),
}


def failures(agent: str, results: Results) -> list[str]:
    """The cases that are not as they should be, each with what is wrong."""
    found = []
    for case, result in results.items():
        behavior, closing = result["behavior"], result["behaviorClose"]
        allowed = behavior in ("OK", "INFORMATIONAL") or (behavior == "NON-STRICT" and case in REASONS[agent])
        if not allowed or closing not in ("OK", "INFORMATIONAL"):
            found.append(f"{agent} {case}: {behavior}, its close {closing}")
    return found


def counts(results: Results) -> dict[str, Counter[str]]:
    """How many cases of each group behaved how, in the order of the groups."""
    found: dict[str, Counter[str]] = {group: Counter() for group in GROUPS}
    for case, result in results.items():
        found[case.partition(".")[0]][result["behavior"]] += 1
    return {group: behaviors for group, behaviors in found.items() if behaviors}


def non_strict(results: Results) -> list[str]:
    """The cases that behaved non-strictly."""
    return [case for case, result in results.items() if result["behavior"] == "NON-STRICT"]
