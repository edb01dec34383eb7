"""A short run of everything failing; `make soak` has long ones."""

import pytest

from tests.faults.run import run

SECONDS = 10.0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("redis", [True, False], ids=["three workers on redis", "one worker alone"])
async def test_promises_hold(redis: bool) -> None:
    """200 clients with positions, publishers, and faults: no gap, no duplicate, nothing in the wrong order,
    and every position that is lost is told."""
    report = await run(seed=4, seconds=SECONDS, redis=redis)
    print(report)
    assert report.behind == []
    assert report.violations == []
    # It was no idle run.
    assert report.received > report.published > 0
    assert min(report.verdicts[each] for each in ("new", "recovered", "told lost")) > 0
