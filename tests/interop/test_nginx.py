"""Through nginx, with the configuration of the documentation: ws and wss, compression, close codes."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.docs.test_deployment import nginx
from tests.interop.clients import PATIENCE
from tests.servers import LiveServer, free_loopback_port

LARGE = bytes(range(256)) * 5_000


async def test_through_nginx(tmp_path: Path) -> None:
    """What is sent, agreed on, asked and said at the end comes through, with TLS and without."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    plain = free_loopback_port()
    with (
        LiveServer.antiphon("tests.interop.app:app", "--log-level", "warning") as server,
        nginx(server.port, tmp_path, plain) as secure,
    ):
        for base, context in ((f"ws://127.0.0.1:{plain}", None), (f"wss://127.0.0.1:{secure}", unchecked)):
            for path in ("/view", "/events"):
                async with (
                    asyncio.timeout(PATIENCE),
                    connect(f"{base}{path}", ssl=context, max_size=len(LARGE)) as ws,
                ):
                    assert ws.response is not None
                    assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
                    for message in ("hello", "again and " * 10_000, LARGE):
                        await ws.send(message)
                        assert await ws.recv() == message
                    await (await ws.ping())
                    await ws.send('close {"code": 4001, "reason": "why"}')
                    with pytest.raises(ConnectionClosed, match=r"4001 .* why"):
                        await ws.recv()
            key = base.partition(":")[0]
            async with asyncio.timeout(PATIENCE), connect(f"{base}/view?key={key}", ssl=context) as ws:
                await ws.close(4002, "enough")
            async with httpx.AsyncClient() as http:
                assert (await http.get(server.http(f"/closes/{key}"))).json() == [4002, "enough"]
    assert server.output() == ""
