"""docs/guide/{compression,tls,uvicorn}.md: commands serve, and what is said of them is so."""

import asyncio
import os
import ssl
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect as aconnect
from websockets.sync.client import connect

from antiphon import Deflate
from tests.docs.markdown import blocks, table
from tests.docs.programs import programs, write_files
from tests.servers import LiveServer

UVICORN = "docs/guide/uvicorn.md"
COMPRESSION = "docs/guide/compression.md"
TLS = "docs/guide/tls.md"

COMMANDS = [
    (line.removeprefix("$ "), block.directives["serves"])
    for block in blocks(UVICORN)
    if "serves" in block.directives
    for line in block.text.splitlines()
]


def serve(command: str, folder: Path) -> LiveServer:
    """A server made by a command of a page, on a free port."""
    name, *arguments = command.replace("8000", "{port}").split()
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    program = Path(sys.executable).with_name(name)
    return LiveServer([str(program), *arguments], cwd=folder, env={"PYTHONPATH": path})


@pytest.mark.parametrize(("command", "path"), COMMANDS)
def test_commands_serve(command: str, path: str, tmp_path: Path) -> None:
    """Each command serves the echo."""
    write_files(UVICORN, tmp_path)
    with serve(command, tmp_path) as server, connect(server.ws(path)) as ws:
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


def test_table_of_deflate() -> None:
    """The defaults that the page lists are those of the code, all of them."""
    rows = {name.strip("`"): default for name, default, _ in table(COMPRESSION, "Deflate")}
    assert rows == {each.name: str(getattr(Deflate(), each.name)) for each in fields(Deflate)}


def test_compression_is_agreed_on(tmp_path: Path) -> None:
    """A client that offers it gets it, with the windows of the page; another gets plain messages."""
    (tmp_path / "feed.py").write_text(programs(COMPRESSION)["compression"].source)
    with LiveServer.antiphon("feed:app", cwd=tmp_path) as server:
        for offer, agreed in (("deflate", True), (None, False)):
            with connect(server.ws("/feed"), compression=offer) as ws:
                assert ws.response is not None
                extension = ws.response.headers.get("Sec-WebSocket-Extensions", "")
                assert ("server_max_window_bits=12" in extension) == agreed
                ws.send("again and " * 1000)
                assert ws.recv(timeout=5) == "again and " * 1000


async def test_tls_as_the_page_does_it(tmp_path: Path) -> None:
    """The command of the page serves wss with the files that it names."""
    # Not the client that has a thread: two threads in one TLS object of Python 3.11 lose messages.
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "app.py").write_text(programs(TLS)["tls"].source)
    (block,) = [block for block in blocks(TLS) if block.language == "console"]
    command = block.text.removeprefix("$ ").strip()
    assert "--host 0.0.0.0 --port 443" in command
    command = command.replace("--host 0.0.0.0 --port 443", "--host 127.0.0.1 --port {port}")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with serve(command, tmp_path) as server:
        async with aconnect(f"wss://127.0.0.1:{server.port}/echo", ssl=context, proxy=None) as ws:
            await ws.send("hello")
            assert await asyncio.wait_for(ws.recv(), 5) == "hello"
    assert "Serving on https://127.0.0.1" in server.output()
