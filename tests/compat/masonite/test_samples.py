"""The controllers of Masonite's page, with only their import lines changed, sending by the real SDKs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from antiphon import Antiphon
from antiphon.errors import ConfigurationError
from antiphon.testing import TestClient
from tests.broadcast.services import APP_ID, KEY, SECRET, Service
from tests.compat.live import program, sample

Show = Callable[..., Any]


@pytest.fixture
def configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pusher: Service, ably: Service
) -> Iterator[None]:
    """The page's config/broadcast.py; where its services are stands in the environment."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "config").mkdir()
    # The page leaves out the import that its getenv needs.
    text = "import os\n" + sample("masonite/m1_config_broadcast.py")
    (tmp_path / "config" / "broadcast.py").write_text(text)
    variables = {"PUSHER_APP_ID": APP_ID, "PUSHER_CLIENT": KEY, "PUSHER_SECRET": SECRET}
    for service in (pusher, ably):
        name = "PUSHER" if service is pusher else "ABLY"
        for key in ("host", "port", "ssl", "token"):
            if key in service.settings:
                variables[f"ANTIPHON_BROADCAST_{name}_{key.upper()}"] = str(service.settings[key])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield
    for module in ("config.broadcast", "config"):
        sys.modules.pop(module, None)


def loaded(name: str) -> ModuleType:
    """A sample with its import lines changed."""
    text = sample(f"masonite/{name}.py")
    assert "from masonite import Broadcast" in text
    return program(text.replace("from masonite", "from antiphon.compat.masonite"))


async def shown(name: str) -> None:
    """Call a sample's controller by HTTP, in an application that knows nothing of Masonite."""
    app = Antiphon()
    app.get("/")(loaded(name).show)
    async with TestClient(app) as client:
        assert (await client.get("/")).status == 204


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("name", "prints"), [("m02", "<BroadcastPusherDriver>\n"), ("m03", "<BroadcastAblyDriver>\n")]
)
async def test_prints(name: str, prints: str, capsys: pytest.CaptureFixture[str]) -> None:
    """M2 and M3: it prints the class of the driver."""
    await shown(name)
    assert capsys.readouterr().out == prints


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("name", "channels", "event", "data"),
    [
        ("m04", ["channel_name"], "base-event", '{"message":"message"}'),
        ("m05", ["channel_name"], "base-event", '{"message":"hello world"}'),
        ("m06", ["channel1", "channel2"], "base-event", '{"message":"hello world"}'),
        ("m07", ["channel_name"], "subscribed", '{"message":"message"}'),
    ],
)
async def test_pusher(name: str, channels: list[str], event: str, data: str, pusher: Service) -> None:
    """M4 to M7: text is wrapped, a dictionary is not, several channels are one request."""
    await shown(name)
    (request,) = pusher.taken
    assert request.path == "/apps/3/events"
    assert request.body == {"name": event, "channels": channels, "data": data}


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", ["m08", "m09"])
async def test_ably(name: str, ably: Service) -> None:
    """M8 and M9: by the driver's name and by its class, text goes as it is, and it really goes."""
    await shown(name)
    assert list(ably.sent) == [("channel_name", "subscribed", "message")]


async def test_the_page_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M1 with its placeholders does not start, and names the first."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "config").mkdir()
    text = "import os\n" + sample("masonite/m1_config_broadcast.py")
    (tmp_path / "config" / "broadcast.py").write_text(text)
    for name in ("PUSHER_APP_ID", "PUSHER_CLIENT", "PUSHER_SECRET"):
        monkeypatch.delenv(name, raising=False)
    try:
        with pytest.raises(ConfigurationError, match=r"DRIVERS\['pusher'\]\['app_id'\].* placeholder"):
            async with TestClient(Antiphon()):
                pytest.fail("it started")
    finally:
        for module in ("config.broadcast", "config"):
            sys.modules.pop(module, None)
