"""Some who never read, among many who do."""

import pytest

from tests.faults.slow import slow_readers


@pytest.mark.timeout(180)
@pytest.mark.parametrize("channel", ["kept:x", "oldest:x"])
async def test_slow_readers(channel: str) -> None:
    """Those who read get everything in order, at speed; those who do not cost no more than the limits say."""
    figures = await slow_readers(channel, subscribers=30, silent=5, number=4000)
    print(figures)
    assert figures.grown < figures.bound
    if channel.startswith("kept"):
        # They are disconnected; all others are still there.
        assert (figures.still_connected, figures.dropped) == (25, 0)
    else:
        assert figures.still_connected == 30
        assert figures.dropped > 0
