"""The proxy that stands for a network which fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.servers import HOST
from tests.tcp_proxy import TcpProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that echoes lines."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def connect(proxy: TcpProxy) -> Streams:
    return await asyncio.open_connection(HOST, proxy.port)


async def says(streams: Streams, line: bytes) -> bytes:
    reader, writer = streams
    writer.write(line)
    return await reader.readline()


async def ended(streams: Streams) -> bool:
    """Whether the connection is broken."""
    try:
        return await streams[0].read() == b""
    except OSError:
        return True
    finally:
        streams[1].close()


async def test_passes_on(proxy: TcpProxy) -> None:
    """Bytes pass in both directions, late if so wished."""
    streams = await connect(proxy)
    assert await says(streams, b"a\n") == b"a\n"
    proxy.delay = 0.01
    assert await says(streams, b"b\n") == b"b\n"
    assert proxy.accepted == 1
    streams[1].close()


async def test_cuts(proxy: TcpProxy) -> None:
    """A cut breaks what is there, and nothing that comes after it."""
    streams = await connect(proxy)
    assert await says(streams, b"a\n") == b"a\n"
    proxy.cut()
    assert await ended(streams)
    streams = await connect(proxy)
    assert await says(streams, b"b\n") == b"b\n"
    streams[1].close()


async def test_refuses(proxy: TcpProxy) -> None:
    """While it refuses, connections break; afterwards they do not."""
    streams = await connect(proxy)
    proxy.refuse()
    assert await ended(streams)
    assert await ended(await connect(proxy))
    proxy.resume()
    streams = await connect(proxy)
    assert await says(streams, b"a\n") == b"a\n"
    streams[1].close()


async def test_stalls(proxy: TcpProxy) -> None:
    """While it stalls, nothing passes; then what was held back does."""
    streams = await connect(proxy)
    assert await says(streams, b"a\n") == b"a\n"
    proxy.stall()
    waiting = asyncio.create_task(says(streams, b"b\n"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    proxy.resume()
    assert await waiting == b"b\n"
    streams[1].close()
