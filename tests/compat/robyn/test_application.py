"""Robyn's application: HTTP beside WebSockets, and how it starts."""

import socket
import sys
from pathlib import Path

import httpx
import pytest

from antiphon.compat.robyn import Config, Robyn
from antiphon.errors import AddressInUse, ConfigurationError
from tests.compat.live import serving
from tests.servers import HOST, LiveServer


async def test_http() -> None:
    """Handlers return text, a page or JSON; paths are written Robyn's way."""
    app = Robyn(__file__)
    app.get("/text")(lambda: "plain")
    app.get("/page")(lambda request: "\n  <!DOCTYPE html><p>hi")
    app.post("/json/:id")(lambda id: {"id": id})
    async with serving(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/text")).headers["content-type"].startswith("text/plain")
        assert (await client.get("/page")).headers["content-type"].startswith("text/html")
        assert (await client.post("/json/7")).json() == {"id": "7"}


def test_environment(tmp_path: Path) -> None:
    """``ROBYN_HOST`` and ``ROBYN_PORT`` come before what the program says."""
    path = tmp_path / "program.py"
    path.write_text(
        "from antiphon.compat.robyn import Robyn\n"
        "app = Robyn(__file__)\n"
        "app.get('/')(lambda: 'up')\n"
        "app.start(host='192.0.2.1', port=1)\n"
    )
    environment = ["env", "ROBYN_HOST={host}", "ROBYN_PORT={port}"]
    with LiveServer([*environment, sys.executable, str(path)]) as server:
        assert httpx.get(server.http("/")).text == "up"


def test_busy_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken is an error, not a question."""
    monkeypatch.delenv("ROBYN_PORT", raising=False)
    with socket.create_server((HOST, 0)) as taken, pytest.raises(AddressInUse, match="taken"):
        Robyn(__file__).start(port=taken.getsockname()[1])


def test_port_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in the environment has to be a number."""
    monkeypatch.setenv("ROBYN_PORT", "http")
    with pytest.raises(ConfigurationError, match="ROBYN_PORT"):
        Robyn(__file__).start()


def test_config() -> None:
    """More processes than one cannot be had this way, and that is said."""
    assert Robyn(__file__, Config(workers=4)).config.workers == 4
    with pytest.raises(ConfigurationError, match="processes=2"):
        Config(processes=2)
