"""Several large pieces in one write, without joining them where the event loop can do that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


def write_pieces(socket: asyncio.Transport, pieces: Sequence[bytes]) -> None:
    """Write pieces one after the other, all of them together."""
    # asyncio's own transport joins them (3.11), or forgets to hold back who writes too much (CVE-2024-12254).
    if type(socket).__module__.startswith("asyncio."):
        socket.write(b"".join(pieces))
    else:
        socket.writelines(pieces)
