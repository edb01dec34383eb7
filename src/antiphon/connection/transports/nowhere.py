"""What stands for a socket that is gone."""

from __future__ import annotations

import asyncio
from typing import Any


class Nowhere(asyncio.Transport):
    """A transport that takes everything, and has nothing to give.

    An event loop's own makes a line in the log of what is written to it after its end, or raises.
    """

    def write(self, data: Any) -> None:
        """It is gone."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def can_write_eof(self) -> bool:
        """There is no end to be written."""
        return False

    def pause_reading(self) -> None:
        """Nothing comes."""

    def is_closing(self) -> bool:
        """It never does: who writes to it need not be told."""
        return False

    def close(self) -> None:
        """It stays."""

    def abort(self) -> None:
        """It stays."""


NOWHERE = Nowhere()
