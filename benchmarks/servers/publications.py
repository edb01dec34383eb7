"""What all fan-out servers publish: a template with the publication's number in it.

The file that the environment's BENCH_TEMPLATE names; the load generator checks against the same file.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

_MARK = "0000000000"
_template = Path(os.environ.get("BENCH_TEMPLATE", Path(__file__).with_name("plain.txt"))).read_text()
_before, _after = _template.split(_MARK, 1)
_numbers = itertools.count()


def publications(command: str) -> Iterator[str]:
    """The publications that a publisher's ``p:COUNT`` asks for."""
    for _ in range(int(command.removeprefix("p:"))):
        yield f"{_before}{next(_numbers):010d}{_after}"
