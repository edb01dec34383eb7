"""Who is at either end of a socket, as ASGI's scopes say it.

The event loop knows both since it has made the transport. uvicorn's functions ask the kernel instead, which
costs two system calls and two objects for each connection.
"""

from __future__ import annotations

import asyncio


def remote_end(socket: asyncio.BaseTransport) -> tuple[str, int] | None:
    """The peer's address and port; None where there are none, as at a Unix domain socket."""
    name = socket.get_extra_info("peername")
    return (name[0], name[1]) if isinstance(name, tuple) else None


def local_end(socket: asyncio.BaseTransport) -> tuple[str, int | None] | None:
    """The server's own address and port, or the path of its Unix domain socket and None."""
    name = socket.get_extra_info("sockname")
    if isinstance(name, tuple):
        return name[0], name[1]
    return (name, None) if isinstance(name, str) else None
