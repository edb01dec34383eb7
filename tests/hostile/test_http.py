"""Peers that are hostile over HTTP: what follows a head has limits and deadlines as well."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.hostile.peer import Peer, bystander, memory, quiet, request
from tests.servers import LiveServer
from tests.wire.helpers import text

CHUNKED = b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: What comes first, and what then comes without end.
ENDLESS = {
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n" * 10_000),
    "trailer": (CHUNKED + b"0\r\nX: ", b"a" * 60_000),
    "trailers of what nobody handles": (CHUNKED.replace(b"/body", b"/nope") + b"0\r\n", b"X: a\r\n" * 10_000),
    "chunk extension": (CHUNKED + b"1;", b"a" * 60_000),
}


async def answered(peer: Peer) -> bytes:
    """The body of the next response."""
    head = (await peer.response()).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return await peer.reader.readexactly(int(length or 0))


async def sends_slowly(peer: Peer) -> None:
    """Send a body for three seconds, with no pause of more than a third, and get the answer to it."""
    await peer.send(SIZED)
    for _ in range(10):
        await asyncio.sleep(0.3)
        await peer.send(b"a")
    assert await answered(peer) == b"10"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.antiphon("tests.hostile.http_app:app") as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


@pytest.mark.parametrize(("first", "then"), ENDLESS.values(), ids=ENDLESS.keys())
async def test_endless(server: LiveServer, first: bytes, then: bytes) -> None:
    """What is neither head nor body costs no more memory than a head may, and cuts the connection off."""
    async with bystander(server) as honest:
        before = memory(server)
        with quiet(server, 2):
            async with Peer.raw(server) as peer:
                await peer.send(first)
                for _ in range(200):
                    await peer.send(then)
                await honest.gets(1)
                assert await peer.gone()
        assert memory(server) - before < 10_000_000


async def test_trailers(server: LiveServer) -> None:
    """Trailers of some bytes are fine, and so is the request behind them."""
    async with Peer.raw(server) as peer:
        await peer.send(CHUNKED + b"3\r\nabc\r\n0\r\nX: a\r\n\r\n")
        assert await answered(peer) == b"3"
        await peer.send(SIZED + b"0123456789")
        assert await answered(peer) == b"10"


async def test_large_bodies(server: LiveServer) -> None:
    """A body is no part of the head: it may be as large as it is, in however small chunks."""
    async with Peer.raw(server) as peer:
        await peer.send(CHUNKED)
        for _ in range(100):
            await peer.send(b"1\r\na\r\n" * 100)
        await peer.send(b"0\r\n\r\n")
        assert await answered(peer) == b"10000"


@pytest.mark.parametrize(
    "begun",
    [
        SIZED,
        SIZED + b"012",
        CHUNKED + b"5\r\nab",
        CHUNKED + b"0\r\n",
    ],
)
async def test_body_that_does_not_come(server: LiveServer, begun: bytes) -> None:
    """A body that stops coming ends its connection when the time for a handshake has passed."""
    with quiet(server):
        async with Peer.raw(server) as peer:
            await peer.send(begun)
            assert await peer.status() == 408
            assert await peer.gone()


async def test_body_that_does_not_come_behind_another_request(server: LiveServer) -> None:
    """Nor may it do so if its head came with the end of the request before."""
    with quiet(server):
        async with Peer.raw(server) as peer:
            await peer.send(b"GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n" + SIZED)
            assert await peer.gone()


async def test_steady_bodies() -> None:
    """Nobody is cut off whose body never rests for as long as it may, also if that is less than a second."""
    with LiveServer.antiphon("tests.hostile.http_app:app", "--timeout", "handshake=0.9") as server:
        async with Peer.raw(server) as peer:
            await sends_slowly(peer)


async def test_body_behind_a_slow_head(server: LiveServer) -> None:
    """A body has its time however long the head took."""
    async with Peer.raw(server) as peer:
        await peer.send(SIZED[:20])
        await asyncio.sleep(0.9)
        await peer.send(SIZED[20:])
        await asyncio.sleep(0.8)
        await peer.send(b"0123456789")
        assert await answered(peer) == b"10"


async def test_slow_bodies(server: LiveServer) -> None:
    """A body that comes bit by bit may take longer than a handshake, and is forgotten when it has come."""
    async with Peer.raw(server) as peer:
        await sends_slowly(peer)
        await peer.send(request())
        assert await peer.status() == 101
        await asyncio.sleep(2.1)
        await peer.send(text("still there"))
        assert await peer.frame() == (1, b"still there")


async def test_answered_before_the_body(server: LiveServer) -> None:
    """Whoever sends a body that nobody waits for any more, and then nothing, is cut off."""
    async with Peer.raw(server) as peer:
        await peer.send(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        assert await answered(peer) == b"Not Found"
        await peer.send(b"a")
        # Not before the next request has had its own time.
        head = request()
        await asyncio.sleep(0.6)
        await peer.send(head[:20])
        await asyncio.sleep(0.7)
        await peer.send(head[20:])
        assert await peer.status() == 101
    async with Peer.raw(server) as peer:
        await peer.send(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        assert await answered(peer) == b"Not Found"
        await peer.send(b"a")
        assert await peer.gone()


async def test_body_that_is_not_asked_for(server: LiveServer) -> None:
    """A client that waits for `100 Continue` and gets its answer instead gets all of it."""
    async with Peer.raw(server) as peer:
        asks = SIZED.replace(b"/body", b"/pours").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        await peer.send(asks)
        assert await peer.status() == 200
        assert (await peer.reader.read()).count(b".") == 10


async def test_body_that_nobody_asked_for_yet(server: LiveServer) -> None:
    """A client that waits for `100 Continue` is asked before it is late."""
    async with Peer.raw(server) as peer:
        await peer.send(SIZED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert await peer.status() == 100
        await peer.send(b"0123456789")
        assert await answered(peer) == b"10"


async def test_leaves_within_the_body(server: LiveServer) -> None:
    """A client that leaves within its request is nobody's error."""
    async with bystander(server) as honest:
        with quiet(server, 0):
            for _ in range(5):
                async with Peer.raw(server) as peer:
                    await peer.send(SIZED + b"012")
                    await honest.gets(1)
                    peer.reset()
            await honest.gets(5)


async def test_leaves_within_the_body_that_another_application_reads() -> None:
    """Nor is it an error of an application that is not ours, whether the client goes or is cut off."""
    with LiveServer.antiphon("tests.hostile.http_app:starlette", "--timeout", "handshake=0.5") as server:
        async with Peer.raw(server) as gone, Peer.raw(server) as late:
            await gone.send(SIZED + b"012")
            gone.reset()
            await late.send(SIZED + b"012")
            assert await late.gone()
        async with Peer.raw(server) as peer:
            await peer.send(SIZED + b"0123456789")
            assert await answered(peer) == b"10"
    assert "ERROR" not in server.output()
    assert server.output().count("request refused") == 1


async def test_too_many_requests_at_once(server: LiveServer) -> None:
    """Whoever sends requests by the thousands without a response to any is cut off; a hundred may wait."""
    async with bystander(server):
        before = memory(server)
        with quiet(server):
            async with Peer.raw(server) as many:
                await many.send(HELD * 5000)
                assert await many.gone()
        assert memory(server) - before < 10_000_000
        async with Peer.raw(server) as peer, Peer.raw(server) as other:
            await peer.send(HELD * 100)
            await other.send(b"GET /release HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await other.status() == 204
            for _ in range(100):
                assert await answered(peer) == b"held"


async def test_large_body_behind_a_request_that_is_not_answered(server: LiveServer) -> None:
    """Of bodies whose turn has not come a megabyte is taken, whatever the request before them waits for."""
    async with bystander(server), Peer.raw(server) as peer:
        before = memory(server)
        body = SIZED.replace(b"10", b"20000000")
        with quiet(server):
            await peer.send(b"GET /polls HTTP/1.1\r\nHost: localhost\r\n\r\n" + body + bytes(100_000))
            peer.writer.write(bytes(19_900_000))
            assert await peer.gone()
        assert memory(server) - before < 5_000_000


@pytest.mark.parametrize("path", [b"/works", b"/streams"])
@pytest.mark.parametrize(("count", "size"), [(60, 30_000), (90, 14_000), (10, 300_000)])
async def test_bodies_behind_requests_that_are_answered(
    server: LiveServer, path: bytes, count: int, size: int
) -> None:
    """Whoever sends faster than it is answered has all answered: no more is read than can wait."""
    async with Peer.raw(server) as peer:
        post = SIZED.replace(b"/body", path).replace(b"10", b"%d" % size) + bytes(size)
        peer.writer.writelines([post] * count)
        for _ in range(count):
            assert await answered(peer) == b"%d" % size


@pytest.mark.parametrize("size", [70_000, 300_000])
async def test_leaves_with_a_body_behind_a_request_that_waits(server: LiveServer, size: int) -> None:
    """An application that waits for its client's end learns of it, whatever waits behind its request."""
    before = server.output().count("its client is gone")
    async with bystander(server) as honest, Peer.raw(server) as peer:
        post = SIZED.replace(b"/body", b"/watches")
        await peer.send(post + b"0123456789" + post.replace(b"10", b"%d" % (2 * size)) + bytes(size))
        await honest.gets(1)
        peer.reset()
        while server.output().count("its client is gone") == before:
            await honest.gets(100)


async def test_what_is_no_http_where_a_body_was_not_asked_for_yet(server: LiveServer) -> None:
    """An application that asks for a body after its request was refused asks nobody."""
    async with Peer.raw(server) as peer:
        head = CHUNKED.replace(b"/body", b"/late").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        await peer.send(head)
        await peer.send(b"no size\r\n")
        assert await peer.status() == 400
        assert await peer.gone()
        # The peer has not gone itself.
        await asyncio.sleep(0.5)


async def test_what_is_no_http_behind_a_request(server: LiveServer) -> None:
    """It is no answer to that request, which is cut off; otherwise it gets 400 and is told of in one line."""
    async with bystander(server):
        with quiet(server):
            async with Peer.raw(server) as peer:
                await peer.send(b"GET /polls HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"\0garbage\r\n\r\n")
                assert await peer.reader.read() == b""
        with quiet(server):
            async with Peer.raw(server) as peer:
                await peer.send(b"\0garbage\r\n\r\n")
                assert await peer.status() == 400
                assert await peer.gone()
        with quiet(server):
            async with Peer.raw(server) as peer:
                await peer.send(CHUNKED + b"no size\r\n")
                assert await peer.status() == 400
                assert await peer.gone()


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("last", [1, 2, 500, 2001])
async def test_edge_of_the_limit(server: LiveServer, more: int, last: int) -> None:
    """The limit of a head is the same however it is split."""
    head = request("/echo", "X: ")
    head = request("/echo", "X: " + "x" * (2000 - len(head) + more))
    async with Peer.raw(server) as peer:
        if head[:-last]:
            await peer.send(head[:-last])
        await peer.send(head[-last:])
        assert await peer.status() == (431 if more else 101)
