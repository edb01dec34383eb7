"""Parting from connections: spread over a time, within a deadline, whoever is on the other side."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hostile.peer import Peer, request
from tests.servers import LiveServer, free_loopback_port
from tests.wire.helpers import client_frame

APP = "tests.hostile.app:app"
PLAIN = "tests.hostile.plain:app"
UVICORN = ["uvicorn", "--ws", "antiphon.server:WebSocketProtocol"]
GRACE = ["--timeout-graceful-shutdown", "1"]


def written(folder: Path, source: str) -> Path:
    """Write an application into the module `written`; return the folder, from which it can be served."""
    (folder / "written.py").write_text(textwrap.dedent(source))
    return folder


@contextlib.asynccontextmanager
async def started(folder: Path, *options: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """A server of `written:app`, which may never listen, and what it prints."""
    command = [sys.executable, "-m", "antiphon", "run", "written:app", "--port", str(free_loopback_port())]
    process = await asyncio.create_subprocess_exec(
        *command,
        *options,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def line_with(printed: asyncio.StreamReader, part: bytes) -> bytes:
    """The next line that a server prints with this in it."""
    while part not in (line := await asyncio.wait_for(printed.readline(), 10)):
        assert line
    return line


async def crowd(stack: contextlib.AsyncExitStack, server: LiveServer, count: int, path: str) -> list[Peer]:
    """So many connections with accepted handshakes."""
    peers = []
    for _ in range(count):
        peer = await Peer.connect(server)
        stack.callback(peer.reset)
        peer.writer.write(request(path))
        peers.append(peer)
    assert {await peer.status() for peer in peers} == {101}
    return peers


async def leaves(peer: Peer) -> tuple[int, float]:
    """Answer the close as a client does; return its code and when it came."""
    code = await peer.closed()
    when = asyncio.get_running_loop().time()
    await peer.send(client_frame(8, code.to_bytes(2, "big")))
    assert await peer.gone()
    return code, when


@pytest.mark.parametrize("app", [APP, PLAIN])
async def test_thousands(app: str) -> None:
    """Thousands of idle connections are all told, and the server is gone at once."""
    with LiveServer.antiphon(app, "--timeout", "drain=8") as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 1500, "/echo")
            server.signal(signal.SIGTERM)
            codes = {code for code, _ in await asyncio.gather(*map(leaves, peers))}
            await asyncio.to_thread(server.wait, 8)
        assert codes == {1001}
    assert "Traceback" not in server.output()
    assert "ERROR" not in server.output()


@pytest.mark.parametrize(("limit", "least", "most"), [([], 0.5, 1.2), (GRACE, 0.2, 0.7)])
async def test_spread_under_uvicorn(limit: list[str], least: float, most: float, tmp_path: Path) -> None:
    """So they are under uvicorn's own command, over the application's time, or half of uvicorn's."""
    source = """
        from antiphon import Antiphon, Timeouts
        app = Antiphon(timeouts=Timeouts(drain=5, spread=1))
        app.events('/')
    """
    command = [sys.executable, "-m", *UVICORN, "written:app", "--host", "{host}", "--port", "{port}"]
    with LiveServer([*command, *limit], cwd=written(tmp_path, source)) as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 50, "/")
            server.signal(signal.SIGTERM)
            ends = await asyncio.gather(*map(leaves, peers))
            await asyncio.to_thread(server.wait, 5)
    assert {code for code, _ in ends} == {1001}
    assert least < max(when for _, when in ends) - min(when for _, when in ends) < most
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("app", [APP, PLAIN])
async def test_spread(app: str) -> None:
    """The close frames are spread over the time given for that."""
    with LiveServer.antiphon(app, "--timeout", "spread=1", "--timeout", "drain=5") as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 50, "/echo")
            server.signal(signal.SIGTERM)
            times = sorted(when for _, when in await asyncio.gather(*map(leaves, peers)))
            await asyncio.to_thread(server.wait, 5)
    assert times[-1] - times[0] > 0.8
    # Not in two lumps.
    assert times[25] - times[0] > 0.2
    assert times[-1] - times[25] > 0.2


async def test_peers_that_do_not_read() -> None:
    """Who reads nothing, or answers no close, is cut off at the deadline; the process does not hang."""
    with LiveServer.antiphon(APP, "--timeout", "drain=1", "--timeout", "close=60") as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 20, "/pours")
            peers += await crowd(stack, server, 20, "/echo")
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, 4) == -signal.SIGTERM
            assert {await peer.closed() for peer in peers[20:]} == {1001}
    assert "Traceback" not in server.output()


async def test_close_handlers_of_peers_that_do_not_answer() -> None:
    """They have some of the time, which is why such peers are cut off before it is over."""
    with LiveServer.antiphon(APP, "--timeout", "drain=1") as server:
        async with Peer.open(server, "/holds"):
            server.signal(signal.SIGTERM)
            await asyncio.to_thread(server.wait, 4)
    assert "closed 1001" in server.output()


@pytest.mark.parametrize("app", [APP, PLAIN])
async def test_spread_to_the_end(app: str) -> None:
    """Nobody is cut off before it was told, even if the close frames are spread over most of the time."""
    with LiveServer.antiphon(app, "--timeout", "spread=0.8", "--timeout", "drain=1") as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 30, "/echo")
            server.signal(signal.SIGTERM)
            assert {code for code, _ in await asyncio.gather(*map(leaves, peers))} == {1001}
            await asyncio.to_thread(server.wait, 5)


async def test_application_that_waits_to_send() -> None:
    """An application that waits for a peer that does not read is told at once, and has the time to end."""
    with LiveServer.antiphon(PLAIN, "--timeout", "drain=3") as server:
        async with Peer.open(server, "/pours", window=4096) as peer:
            await peer.frame()
            server.signal(signal.SIGTERM)
            await asyncio.to_thread(server.wait, 6)
    assert "tidy" in server.output()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_handlers_that_do_not_end(how: signal.Signals) -> None:
    """A handler that is stopped has a moment to tidy up, whatever others do; who will not end is left."""
    with LiveServer.antiphon(APP, "--timeout", "drain=1") as server:
        async with Peer.open(server, "/stubborn") as stubborn, Peer.open(server, "/tidies") as tidies:
            assert (await stubborn.frame(), await tidies.frame()) == ((1, b"begun"),) * 2
            server.signal(how)
            await asyncio.to_thread(server.wait, 4)
    assert "tidy" in server.output()
    assert "left alone" in server.output() or how is signal.SIGTERM


@pytest.mark.parametrize("app", [APP, PLAIN])
async def test_second_interrupt(app: str) -> None:
    """Who presses Ctrl-C twice waits for nobody."""
    with LiveServer.antiphon(app, "--timeout", "drain=60", "--timeout", "close=60") as server:
        async with Peer.open(server, "/echo") as peer:
            server.signal(signal.SIGINT)
            assert await peer.closed() == 1001
            server.signal(signal.SIGINT)
            assert await asyncio.to_thread(server.wait, 4) == 0
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("seconds", [0.3, 60])
async def test_second_interrupt_in_the_lifespan(seconds: float, tmp_path: Path) -> None:
    """Neither does the end of the lifespan keep him, which has a moment and is told once."""
    ending = tmp_path / "ending"
    os.mkfifo(ending)
    source = f"""
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield
            open({str(ending)!r}, 'w').close()
            await asyncio.sleep({seconds})
            print('ended', flush=True)
        app = Antiphon(lifespan=lifespan)
    """
    with LiveServer.antiphon("written:app", cwd=written(tmp_path, source)) as server:
        server.signal(signal.SIGINT)
        # Opened by the one, it opens for the other.
        await asyncio.wait_for(asyncio.to_thread(ending.read_bytes), 5)
        server.signal(signal.SIGINT)
        assert await asyncio.to_thread(server.wait, 4) == 0
    assert server.output().count("Waiting for application shutdown") == 1
    assert server.output().count("\nended") == (seconds < 1)


async def test_second_interrupt_with_a_request_under_way(tmp_path: Path) -> None:
    """Nor does a request that will not end keep the lifespan from it."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield
            print('ended', flush=True)
        app = Antiphon(lifespan=lifespan)
        app.events('/')
        @app.get('/stays')
        async def stays():
            print('begun', flush=True)
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
    """
    options = ["--timeout", "drain=60"]
    with LiveServer.antiphon("written:app", *options, cwd=written(tmp_path, source)) as server:
        async with Peer.raw(server) as asks, Peer.open(server, "/") as told:
            await asks.send(b"GET /stays HTTP/1.1\r\nHost: localhost\r\n\r\n")
            # Taken after that request.
            await told.send(client_frame(9))
            await told.frame()
            server.signal(signal.SIGINT)
            assert await told.closed() == 1001
            server.signal(signal.SIGINT)
            assert await asyncio.to_thread(server.wait, 4) == 0
    assert "begun" in server.output()
    assert "\nended" in server.output()


async def test_second_interrupt_with_a_view_that_tidies(tmp_path: Path) -> None:
    """Nor does a view that goes on behind its connection: what the lifespan does in the end is done."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon, WebSocket
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield
            print('ended', flush=True)
        app = Antiphon(lifespan=lifespan)
        @app.websocket('/')
        async def view(ws: WebSocket) -> None:
            try:
                await ws.receive()
            finally:
                await asyncio.sleep(60)
    """
    options = ["--timeout", "drain=60"]
    with LiveServer.antiphon("written:app", *options, cwd=written(tmp_path, source)) as server:
        async with Peer.open(server, "/") as peer, Peer.raw(server) as idle:
            await idle.send(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await idle.status() == 404
            server.signal(signal.SIGINT)
            assert await leaves(peer)
            server.signal(signal.SIGINT)
            assert await asyncio.to_thread(server.wait, 4) == 0
    assert "\nended" in server.output()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["before", "behind"])
async def test_lifespan_that_does_not_end(when: str, how: signal.Signals, tmp_path: Path) -> None:
    """A lifespan that never starts is stopped at once, one that never ends when as long again has passed."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    hang = f"open({str(begun)!r}, 'w').close(); await asyncio.sleep(60)"
    before, behind = (hang, "") if when == "before" else ("", hang)
    source = f"""
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            try:
                {before}
                yield
                {behind}
            finally:
                print('tidied', flush=True)
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source), "--timeout", "drain=0.5") as (process, printed):
        if when == "behind":
            await line_with(printed, b"Serving on")
            process.send_signal(how)
        await asyncio.wait_for(asyncio.to_thread(begun.read_bytes), 10)
        if when == "before":
            process.send_signal(how)
        output = (await asyncio.wait_for(printed.read(), 5)).decode()
        assert await process.wait() == (-how if how is signal.SIGTERM else 0)
    assert ("Stopped while the application started" in output) == (when == "before")
    assert ("lifespan has not ended in time" in output) == (when == "behind")
    assert output.count("tidied") == 1
    assert "Traceback" not in output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_second_signal_while_the_start_is_stopped(how: signal.Signals, tmp_path: Path) -> None:
    """It takes nothing away from the moment that a stopped start has to tidy up."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            print('begun', flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                print('tidies', flush=True)
                await asyncio.sleep(0.3)
                print('tidied', flush=True)
            yield
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        for line in (b"begun\n", b"tidies\n"):
            await line_with(printed, line)
            process.send_signal(how)
        assert await asyncio.wait_for(printed.read(), 5) == b"tidied\n"
        assert await process.wait() == (-how if how is signal.SIGTERM else 0)


async def test_start_that_takes_its_time_to_tidy(tmp_path: Path) -> None:
    """A start that is stopped has the time to drain for that; what goes wrong meanwhile is told."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            print('begun', flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(1)
                raise OSError('no such pool')
            yield
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        await line_with(printed, b"begun\n")
        process.send_signal(signal.SIGINT)
        output = (await asyncio.wait_for(printed.read(), 5)).decode()
    assert "OSError: no such pool" in output
    assert "left alone" not in output


async def test_interrupt_behind_a_signal(tmp_path: Path) -> None:
    """A Ctrl-C cuts off a lifespan that would not end by SIGTERM, but not what it does in the end."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            print('begun', flush=True)
            yield
            try:
                print('ends', flush=True)
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.1)
                print('tidied', flush=True)
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        for line, how in {b"begun\n": signal.SIGTERM, b"ends\n": signal.SIGINT}.items():
            await line_with(printed, line)
            process.send_signal(how)
        output = await asyncio.wait_for(printed.read(), 5)
    assert b"\ntidied\n" in b"\n" + output
    assert b"Traceback" not in output


async def test_interrupt_in_the_very_end(tmp_path: Path) -> None:
    """A Ctrl-C while the last tasks are stopped leaves those alone that will not end."""
    source = """
        import asyncio, contextlib
        from antiphon import Antiphon
        async def stays():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    print('stays', flush=True)
        @contextlib.asynccontextmanager
        async def lifespan(app):
            app.task = asyncio.create_task(stays())
            print('begun', flush=True)
            yield
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        for line in (b"begun\n", b"stays\n"):
            await line_with(printed, line)
            process.send_signal(signal.SIGINT)
        assert b"left alone" in await asyncio.wait_for(printed.read(), 5)


async def test_interrupt_of_what_blocks(tmp_path: Path) -> None:
    """A third Ctrl-C breaks off what blocks the event loop, and shows where."""
    source = """
        import contextlib, os, signal, time
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        await line_with(printed, b"Serving on")
        process.send_signal(signal.SIGTERM)
        output = (await asyncio.wait_for(printed.read(), 5)).decode()
    assert "os.kill(os.getpid(), signal.SIGINT)" in output or "time.sleep(60)" in output


@pytest.mark.parametrize("layers", [[], ["Layer"]])
@pytest.mark.parametrize("begins", [False, True])
async def test_request_that_is_not_answered_in_time(begins: bool, layers: list[str], tmp_path: Path) -> None:
    """It gets 503, or is cut off if its answer has begun; a line or two in the log say so."""
    source = f"""
        import asyncio
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.responses import StreamingResponse
        from antiphon import Antiphon, Timeouts
        class Layer(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return await call_next(request)
        app = Antiphon(timeouts=Timeouts(drain=0.5))
        for layer in [{", ".join(layers)}]:
            app.add_middleware(layer)
        async def parts():
            yield b"begun"
            await asyncio.sleep(60)
        @app.get('/')
        async def stays():
            if {begins}:
                return StreamingResponse(parts())
            print('begun', flush=True)
            await asyncio.sleep(60)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        port = int((await line_with(printed, b"Serving on")).split(b":")[-1].split()[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if begins:
            await asyncio.wait_for(reader.readuntil(b"begun"), 5)
        else:
            assert await asyncio.wait_for(printed.readline(), 5) == b"begun\n"
        process.send_signal(signal.SIGTERM)
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        output = (await asyncio.wait_for(printed.read(), 5)).decode()
    assert rest.startswith(b"HTTP/1.1 503") != begins
    assert "Traceback" not in output
    assert output.count("ERROR") in (1, 1 + begins)


async def test_request_behind_one_that_is_not_answered_in_time(tmp_path: Path) -> None:
    """It does not begin any more: the lifespan is about to end."""
    source = """
        import asyncio
        from antiphon import Antiphon, Timeouts
        app = Antiphon(timeouts=Timeouts(drain=0.5))
        @app.get('/')
        async def stays():
            print('begun', flush=True)
            await asyncio.sleep(60)
        @app.get('/behind')
        async def behind():
            print('too late', flush=True)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        port = int((await line_with(printed, b"Serving on")).split(b":")[-1].split()[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.writelines(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in (b"", b"behind"))
        assert await asyncio.wait_for(printed.readline(), 5) == b"begun\n"
        process.send_signal(signal.SIGTERM)
        response = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        output = await asyncio.wait_for(printed.read(), 5)
    assert response.startswith(b"HTTP/1.1 503")
    assert response.count(b"HTTP/1.1") == 1
    assert b"too late" not in output


async def test_signal_while_the_start_blocks(tmp_path: Path) -> None:
    """An application whose start could not be stopped is ended as any other."""
    source = """
        import contextlib, os, signal
        from antiphon import Antiphon
        @contextlib.asynccontextmanager
        async def lifespan(app):
            os.kill(os.getpid(), signal.SIGTERM)
            yield
            print('ended', flush=True)
        app = Antiphon(lifespan=lifespan)
    """
    async with started(written(tmp_path, source)) as (process, printed):
        output = (await asyncio.wait_for(printed.read(), 10)).decode()
        assert await process.wait() == -signal.SIGTERM
    assert "\nended" in output
    assert "Traceback" not in output


async def test_accepted_in_the_end(tmp_path: Path) -> None:
    """Whoever is accepted while the server parts from the others is told at once."""
    source = """
        import asyncio
        from antiphon import Antiphon, WebSocket
        app = Antiphon()
        app.events('/')
        asked = asyncio.Event()
        @app.websocket('/late', auto_accept=False)
        async def late(ws: WebSocket) -> None:
            await asked.wait()
            await ws.accept()
            await ws.receive()
        @app.get('/accept')
        async def accept() -> None:
            asked.set()
    """
    options = ["--timeout", "drain=20"]
    with LiveServer.antiphon("written:app", *options, cwd=written(tmp_path, source)) as server:
        async with Peer.raw(server) as late, Peer.raw(server) as other, Peer.open(server, "/") as told:
            await late.send(request("/late"))
            await told.send(client_frame(9))
            await told.frame()
            server.signal(signal.SIGTERM)
            await leaves(told)
            await other.send(b"GET /accept HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await late.status() == 101
            assert (await leaves(late))[0] == 1001
            await asyncio.to_thread(server.wait, 4)


async def test_factory(tmp_path: Path) -> None:
    """What a factory makes has its own limits and time-outs, and is known to the server."""
    source = """
        from antiphon import Antiphon, Timeouts
        def create():
            app = Antiphon(timeouts=Timeouts(drain=5, spread=1))
            app.events('/')
            return app
    """
    with LiveServer.antiphon("written:create", cwd=written(tmp_path, source)) as server:
        async with contextlib.AsyncExitStack() as stack:
            peers = await crowd(stack, server, 10, "/")
            server.signal(signal.SIGTERM)
            ends = await asyncio.gather(*map(leaves, peers))
            await asyncio.to_thread(server.wait, 5)
    assert {code for code, _ in ends} == {1001}
    assert max(when for _, when in ends) - min(when for _, when in ends) > 0.5
    assert "cannot see into" not in server.output()


async def test_task_born_in_the_end(tmp_path: Path) -> None:
    """Who, when it is cancelled, begins what does not end either, holds up nobody."""
    source = """
        import asyncio
        from antiphon import Antiphon, Timeouts, WebSocket
        app = Antiphon(timeouts=Timeouts(drain=1))
        kept = []
        async def stays():
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
        async def begins():
            try:
                await asyncio.Event().wait()
            finally:
                kept.append(asyncio.ensure_future(stays()))
        @app.websocket('/')
        async def view(ws: WebSocket) -> None:
            kept.append(asyncio.ensure_future(begins()))
            await ws.send('begun')
    """
    with LiveServer.antiphon("written:app", cwd=written(tmp_path, source)) as server:
        async with Peer.open(server, "/") as peer:
            assert await peer.frame() == (1, b"begun")
        server.signal(signal.SIGINT)
        assert await asyncio.to_thread(server.wait, 5) == 0
    assert server.output().count("left alone") == 1


@pytest.mark.parametrize(("app", "path"), [(APP, "/never"), (PLAIN, "/never"), (PLAIN, "/deaf")])
async def test_handshakes_under_way(app: str, path: str) -> None:
    """A handshake that waits for its answer, or is not complete, is refused or dropped."""
    with LiveServer.antiphon(app, "--timeout", "drain=1") as server:
        async with Peer.raw(server) as waiting, Peer.raw(server) as begun, Peer.open(server) as told:
            await waiting.send(request(path))
            await begun.send(request()[:50])
            await told.send(client_frame(9))
            await told.frame()
            server.signal(signal.SIGTERM)
            assert await waiting.status() == 503
            assert await begun.gone()
            await asyncio.to_thread(server.wait, 4)
    assert "Traceback" not in server.output()


@pytest.mark.parametrize(("app", "path"), [(APP, "/undecided"), (APP, "/never"), (PLAIN, "/deaf")])
async def test_handshake_when_uvicorn_stops(app: str, path: str) -> None:
    """So is one under uvicorn's own command, which then cancels what serves it: nobody's error."""
    command = [sys.executable, "-m", "uvicorn", app, "--ws", "antiphon.server:WebSocketProtocol"]
    command += ["--host", "{host}", "--port", "{port}", "--timeout-graceful-shutdown", "1"]
    with LiveServer(command) as server:
        async with Peer.raw(server) as waiting, Peer.open(server, "/echo") as told:
            await waiting.send(request(path))
            async with Peer.raw(server) as gone:
                await gone.send(request(path))
                await told.send(client_frame(9))
                await told.frame()
            server.signal(signal.SIGINT)
            assert await waiting.status() == 503
            await asyncio.to_thread(server.wait, 6)
    assert "Traceback" not in server.output()


async def test_handlers_when_the_event_loop_ends() -> None:
    """Where no lifespan stops the handlers, the end of the event loop does, each connection's once."""
    command = [sys.executable, "-m", "uvicorn", APP, "--ws", "antiphon.server:WebSocketProtocol"]
    command += [
        "--host",
        "{host}",
        "--port",
        "{port}",
        "--lifespan",
        "off",
        "--timeout-graceful-shutdown",
        "1",
    ]
    with LiveServer(command) as server:
        async with Peer.open(server, "/holds") as holds, Peer.open(server, "/tidies") as tidies:
            for _ in range(3):
                await holds.send(client_frame(1, b"x"))
            assert (await holds.frame(), await tidies.frame()) == ((1, b"begun"),) * 2
            server.signal(signal.SIGINT)
            await asyncio.to_thread(server.wait, 6)
    assert "closed 1001" in server.output()
    assert "tidy" in server.output()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("app", [APP, PLAIN])
@pytest.mark.parametrize("command", [["antiphon", "run"], UVICORN])
async def test_reload(command: list[str], app: str) -> None:
    """A server that serves anew when a source changes parts with 1012."""
    command = [sys.executable, "-m", *command, app, "--reload", "--host", "{host}", "--port", "{port}"]
    with LiveServer(command) as server:
        async with Peer.open(server) as peer:
            server.signal(signal.SIGTERM)
            assert (await leaves(peer))[0] == 1012
            await asyncio.to_thread(server.wait, 8)
