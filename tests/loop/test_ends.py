"""Who is at either end of a socket."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from antiphon.loop import local_end, remote_end
from tests.loops import LOOPS


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)), (socket.AF_UNIX, "listening")],
    ids=["IPv4", "IPv6", "Unix"],
)
@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS)
def test_as_the_kernel_says(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    family: socket.AddressFamily,
    address: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both ends are what uvicorn's functions, which ask the kernel, say on every event loop."""

    class Noted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.set_result(transport)

    async def run() -> None:
        nonlocal made
        loop = asyncio.get_running_loop()
        made = loop.create_future()
        async with await loop.create_server(Noted, sock=listening):
            peer.connect(listening.getsockname())
            transport = cast(Any, await made)
            assert remote_end(transport) == get_remote_addr(transport)
            assert local_end(transport) == get_local_addr(transport)
            peer.close()
            transport.abort()

    made: asyncio.Future[asyncio.BaseTransport]
    # The path of a Unix domain socket has 107 bytes at most: a relative one.
    monkeypatch.chdir(tmp_path)
    with socket.socket(family) as listening, socket.socket(family) as peer:
        listening.bind(address)
        listening.listen()
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(asyncio.wait_for(run(), 5))
