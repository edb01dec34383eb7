"""Doing the same to many, not all at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Waiting for less than this costs more than it helps.
STEP = 0.01


async def spread(members: Sequence[T], seconds: float) -> AsyncIterator[T]:
    """Yield one member after the other, evenly over a time; with no time, all without waiting."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, member in enumerate(members):
        wait = began + seconds * number / len(members) - loop.time()
        if wait > STEP:
            await asyncio.sleep(wait)
        yield member
