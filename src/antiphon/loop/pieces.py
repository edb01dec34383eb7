"""Several large pieces in one write, without joining them where the event loop can do that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

#: Whose transports take pieces as they are. asyncio's own joins them (3.11), or forgets to hold back who
#: writes too much (CVE-2024-12254).
_TAKERS = ("uvloop", "aiofastnet")


def write_pieces(socket: asyncio.Transport, pieces: Sequence[bytes]) -> None:
    """Write pieces one after the other, all of them together."""
    if type(socket).__module__.partition(".")[0] in _TAKERS:
        socket.writelines(pieces)
    else:
        socket.write(b"".join(pieces))
