"""TLS of our own server, wss and https: by the command, by `app.run`, and what is said when it cannot be."""

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from antiphon import Antiphon, Tls
from antiphon.cli import main
from antiphon.errors import ConfigurationError
from antiphon.server.serving import LOOPS
from tests.hostile.peer import request
from tests.servers import LiveServer

PASSWORD = "of the key"
LARGE = bytes(range(256)) * 5_000
PROGRAM = """
import sys
from antiphon import Tls
from tests.interop.app import app
app.run(port=int(sys.argv[1]), log_level="warning", tls=Tls(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key: apart, encrypted, and all in one file; and another's."""
    folder = tmp_path_factory.mktemp("tls")
    issued, other = (authority.issue_cert("127.0.0.1") for _ in range(2))
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    other.private_key_pem.write_to_path(folder / "other.pem")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    (folder / "encrypted.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return folder


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs to believe the certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def secure(folder: Path, *arguments: str, key: str = "key.pem") -> LiveServer:
    """A server of TLS by the command, with further arguments."""
    certificate = ["--ssl-certfile", f"{folder}/cert.pem", "--ssl-keyfile", f"{folder}/{key}"]
    return LiveServer.antiphon("tests.interop.app:app", *certificate, *arguments)


def by_command(folder: Path) -> LiveServer:
    return secure(folder, "--log-level", "warning")


def by_command_fastnet(folder: Path) -> LiveServer:
    return secure(folder, "--log-level", "warning", "--loop", "aiofastnet")


def by_command_encrypted(folder: Path) -> LiveServer:
    password = ["--ssl-keyfile-password", PASSWORD]
    return secure(folder, "--log-level", "warning", *password, key="encrypted.pem")


def by_run(folder: Path) -> LiveServer:
    return LiveServer([sys.executable, "-c", PROGRAM, "{port}", f"{folder}/both.pem"])


def by_uvicorn(folder: Path) -> LiveServer:
    return LiveServer(
        [
            sys.executable, "-m", "uvicorn", "tests.interop.app:app", "--port", "{port}", "--loop", "asyncio",
            "--log-level", "warning", "--ws", "antiphon.server:WebSocketProtocol",
            "--ssl-certfile", f"{folder}/cert.pem", "--ssl-keyfile", f"{folder}/key.pem",
        ]
    )  # fmt: skip


@pytest.mark.parametrize("serve", [by_command, by_command_fastnet, by_command_encrypted, by_run, by_uvicorn])
async def test_wss(serve: Callable[[Path], LiveServer], folder: Path, trusting: ssl.SSLContext) -> None:
    """Text, large and compressed messages, pings and both manners of closing, over TLS."""
    with serve(folder) as server:
        base = f"wss://127.0.0.1:{server.port}"
        async with asyncio.timeout(15):
            for path, compression in (("/view", None), ("/events", None), ("/view", "deflate")):
                async with connect(
                    f"{base}{path}", ssl=trusting, compression=compression, max_size=None
                ) as ws:  # type: ignore[arg-type]
                    for message in ("hello", "again and " * 10_000, LARGE):
                        await ws.send(message)
                        assert await ws.recv() == message
                    await (await ws.ping())
                    await ws.send('close {"code": 4001, "reason": "why"}')
                    with pytest.raises(ConnectionClosed, match="4001"):
                        await ws.recv()
            async with connect(f"{base}/view?key=tls", ssl=trusting) as ws:
                await ws.close(4002, "enough")
                assert ws.close_code == 4002
            async with httpx.AsyncClient(verify=trusting) as http:
                closed = await http.get(f"https://127.0.0.1:{server.port}/closes/tls")
                assert closed.json() == [4002, "enough"]
    assert server.output() == ""


@pytest.mark.parametrize("serve", [by_command, by_command_fastnet])
async def test_plain_client(serve: Callable[[Path], LiveServer], folder: Path) -> None:
    """Who speaks no TLS to a server of TLS is let go, and nothing is logged for it but a line."""
    with serve(folder) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert not answer.startswith(b"HTTP")
        writer.close()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("loop", LOOPS)
async def test_handshake_that_is_not_finished(loop: str, folder: Path, trusting: ssl.SSLContext) -> None:
    """Who does not finish the handshake of TLS is counted like others, and let go like others."""
    limits = ["--timeout", "handshake=1", "--limit", "connections=20"]
    with secure(folder, "--loop", loop, *limits) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        silent[0][1].write(b"\x16\x03\x01\x02\x00\x01")
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"wss://127.0.0.1:{server.port}/view", ssl=trusting)
        async with asyncio.timeout(10):
            for reader, _ in silent:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        for _ in range(25):
            async with connect(f"wss://127.0.0.1:{server.port}/view", ssl=trusting) as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
        for _, writer in silent:
            writer.close()
    assert server.output().count("TLS handshake failed: SSL handshake is taking longer than") == 20
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("loop", LOOPS)
async def test_reset_before_the_handshake(loop: str, folder: Path, trusting: ssl.SSLContext) -> None:
    """Who resets the connection before TLS has begun leaves its place at once."""
    limits = ["--timeout", "handshake=60", "--limit", "connections=5"]
    with secure(folder, "--loop", loop, *limits) as server:
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", server.port)) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with asyncio.timeout(10):
            for _ in range(5):
                while True:
                    with contextlib.suppress(InvalidStatus):
                        async with connect(f"wss://127.0.0.1:{server.port}/view", ssl=trusting):
                            break
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("loop", LOOPS)
async def test_end_within_the_handshake(loop: str, folder: Path) -> None:
    """Who leaves before the handshake, or in the middle of it, is nothing that the log has to tell."""
    with secure(folder, "--loop", loop) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert "handshake" not in server.output()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("loop", LOOPS)
async def test_request_right_behind_the_handshake(loop: str, folder: Path, authority: trustme.CA) -> None:
    """What comes in one piece with the last of the TLS handshake is a request like another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with secure(folder, "--loop", loop, "--log-level", "warning") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(10):
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
            tls.write(request("/view"))
            writer.write(outgoing.read())
            answer = b""
            while b"\r\n\r\n" not in answer:
                incoming.write(await reader.read(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    answer += tls.read()
        assert answer.startswith(b"HTTP/1.1 101 ")
        writer.close()
    assert server.output() == ""


@pytest.mark.parametrize(
    ("certificate", "key", "password", "problem"),
    [
        ("none.pem", None, None, "No such file"),
        ("cert.pem", "none.pem", None, "No such file"),
        ("cert.pem", None, None, "not PEM"),
        ("cert.pem", "other.pem", None, "the key is that of another certificate"),
        ("cert.pem", "encrypted.pem", None, "password is wrong or missing"),
        ("cert.pem", "encrypted.pem", "wrong", "password is wrong or missing"),
    ],
)
def test_cannot_be_used(
    folder: Path, certificate: str, key: str | None, password: str | None, problem: str
) -> None:
    """What is wrong with certificate or key is an error with the files' names, before anything listens."""
    tls = Tls(folder / certificate, None if key is None else folder / key, password)
    with pytest.raises(ConfigurationError, match=problem) as raised:
        Antiphon().run(port=1, tls=tls)
    assert certificate in str(raised.value)
    assert "wrong" not in repr(tls)


def test_nothing_is_asked(folder: Path) -> None:
    """Without the key's password the command ends in one line, and asks nobody for it."""
    command = [sys.executable, "-m", "antiphon", "run", "tests.interop.app:app"]
    options = ["--ssl-certfile", folder / "cert.pem", "--ssl-keyfile", folder / "encrypted.pem"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=30, start_new_session=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("antiphon: cannot serve TLS with ")
    assert done.stderr.count("\n") == 1


def test_key_without_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    """A key without a certificate is a mistake in the command."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "a:b", "--ssl-keyfile", "key.pem"])
    assert ended.value.code == 2
    assert "need --ssl-certfile" in capsys.readouterr().err
