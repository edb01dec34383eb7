"""docs/guide/deployment.md: every command serves, nginx passes on, and the tables are true."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from antiphon import Limits, Timeouts
from antiphon.testing import TestClient
from tests.docs.conftest import Load
from tests.docs.markdown import ROOT, blocks, table
from tests.docs.programs import write_files
from tests.docs.test_endpoints import refusal
from tests.servers import LiveServer, free_loopback_port

PAGE = "docs/guide/deployment.md"
IN_CI = os.environ.get("CI") == "true"

(SERVES,) = [block for block in blocks(PAGE) if "serves" in block.directives]
(NGINX,) = [block for block in blocks(PAGE) if block.language == "nginx"]
COMMANDS = [line.removeprefix("$ ") for line in SERVES.text.splitlines()]


def serve(command: str, folder: Path) -> LiveServer:
    """A server made by a command of the page, on a free port instead of 8000."""
    write_files(PAGE, folder)
    if command == "python app.py":
        # The one command without a port: it is in the file.
        app = folder / "app.py"
        app.write_text(app.read_text().replace("port=8000", "port=int(__import__('sys').argv[1])"))
        return LiveServer([sys.executable, "app.py", "{port}"], cwd=folder)
    assert "8000" in command
    name, *arguments = command.replace("8000", "{port}").split()
    beside = Path(sys.executable).with_name(name)
    assert beside.exists(), f"{name} is not installed"
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return LiveServer([str(beside), *arguments], cwd=folder, env={"PYTHONPATH": path})


@pytest.mark.parametrize("command", COMMANDS)
def test_servers(command: str, tmp_path: Path) -> None:
    """Each command serves the echo."""
    with serve(command, tmp_path) as server, connect(server.ws(SERVES.directives["serves"])) as ws:
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


def test_a_taken_port(tmp_path: Path) -> None:
    """A port that is taken is an error in one line, and the exit status is 1."""
    with serve(COMMANDS[1], tmp_path) as server:
        command = [part.replace("8000", str(server.port)) for part in COMMANDS[1].split()[1:]]
        done = subprocess.run(
            [sys.executable, "-m", "antiphon", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1
    assert "taken" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_stopping(tmp_path: Path) -> None:
    """SIGTERM closes WebSockets with 1001, and the server is gone within the drain deadline."""
    with serve(COMMANDS[1], tmp_path) as server, connect(server.ws("/echo")) as ws:
        server.signal(signal.SIGTERM)
        with pytest.raises(Exception, match="1001"):
            ws.recv(timeout=5)
        server.wait(Timeouts().drain + 2)


# --- nginx ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def nginx(upstream: int, folder: Path, plain: int | None = None) -> Iterator[int]:
    """nginx with the page's configuration, which is checked first; gives its port.

    It listens on the port `plain` as well, without TLS.
    """
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None or shutil.which("openssl") is None:
        missing = "nginx or openssl is missing: apt-get install nginx-light openssl"
        if IN_CI:
            pytest.fail(f"{missing}. Nothing may be skipped with CI=true.", pytrace=False)
        pytest.skip(missing)
    port = free_loopback_port()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=chat"]
    files = ["-keyout", folder / "chat.key", "-out", folder / "chat.pem"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    text = NGINX.text
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl" + (f"; listen 127.0.0.1:{plain}" if plain else ""),
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "/etc/ssl/chat.example.org.pem": str(folder / "chat.pem"),
        "/etc/ssl/chat.example.org.key": str(folder / "chat.key"),
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    temporary = "".join(
        f"{each}_temp_path {folder / each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    root = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{root} daemon off; pid {folder / 'nginx.pid'}; error_log {folder / 'error.log'};"
        f"events {{}} http {{ access_log off; {temporary}\n{text}}}"
    )
    command = [found, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    server = LiveServer(command)
    server.port = port
    with server:
        yield port


async def test_behind_nginx(tmp_path: Path) -> None:
    """Through nginx and TLS: the echo, the client's own URL and address, the check of the origin."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with serve(COMMANDS[1], tmp_path) as server, nginx(server.port, tmp_path) as port:
        base = f"wss://127.0.0.1:{port}"
        # Not the client that has a thread: two threads in one TLS object of Python 3.11 lose messages.
        async with aconnect(f"{base}/echo", ssl=unchecked, proxy=None) as ws:
            await ws.send("hello")
            assert await asyncio.wait_for(ws.recv(), 5) == "hello"
        async with aconnect(f"{base}/me", ssl=unchecked, proxy=None) as ws:
            seen = str(await asyncio.wait_for(ws.recv(), 5))
            assert f'"url":"{base}/me"' in seen
            assert '"client":"127.0.0.1"' in seen
        same, other = Origin(f"https://127.0.0.1:{port}"), Origin("https://elsewhere.example")
        async with aconnect(f"{base}/echo", ssl=unchecked, proxy=None, origin=same):
            pass
        with pytest.raises(InvalidStatus, match="403"):
            await aconnect(f"{base}/echo", ssl=unchecked, proxy=None, origin=other)


# --- Origins, limits -------------------------------------------------------------------------------------


async def test_origins(load: Load) -> None:
    """Pages of the same host and of those named may connect; others may not; no origin is no browser."""
    same, named = load(PAGE, "app").app, load(PAGE, "origins").app
    async with TestClient(same) as client:
        for origin in (None, "http://testserver"):
            async with client.websocket("/echo", origin=origin):
                pass
        assert (await refusal(client, "/echo", origin="https://example.org"))[0] == 403
    async with TestClient(named) as client:
        for origin in (None, "http://testserver", "https://example.org", "https://www.example.org"):
            async with client.websocket("/echo", origin=origin):
                pass
        for origin in ("http://example.org", "https://example.org:444", "https://example.com"):
            assert (await refusal(client, "/echo", origin=origin))[0] == 403


@pytest.mark.parametrize("value", [Limits(), Timeouts()], ids=["Limits", "Timeouts"])
def test_tables_of_defaults(value: object) -> None:
    """The guide lists every field, and its default."""
    rows = table("docs/guide/limits.md", type(value).__name__)
    assert [name.strip("`") for name, *_ in rows] == list(type(value).__dataclass_fields__)
    for name, default, _ in rows:
        assert str(getattr(value, name.strip("`"))) == default, name


def test_numbers_in_prose() -> None:
    """Where guides name a default, it is the default."""
    text = "\n".join(path.read_text() for path in (ROOT / "docs/guide").glob("*.md"))
    limits, timeouts = Limits(), Timeouts()
    for said, real in [
        (r"`Limits\.message` bytes \((\d+) MiB\)", limits.message / 1024**2),
        (r"`Limits\.inbound_messages` \((\d+)\)", limits.inbound_messages),
        (r"`Limits\.high_water`\s+\((\d+) KiB\)", limits.high_water / 1024),
        (r"`Limits\.outbox` \((\d+) MiB\)", limits.outbox / 1024**2),
        (r"`Timeouts\.accept` \((\d+) second\)", timeouts.accept),
        (r"ping every (\d+) seconds", timeouts.ping_interval),
    ]:
        assert {float(found) for found in re.findall(said, text)} == {real}, said


async def test_health(load: Load) -> None:
    """The page's application answers, with the keys of the page."""
    app = load(PAGE, "health").app
    async with TestClient(app) as client:
        response = await client.get("/health")
        assert response.status == 200
        assert list(response.json()) == [key.strip("`") for key, _ in table(PAGE, "health")]
