"""docs/guide/{broadcast,drivers}.md and docs/migration/from-masonite.md: what their programs do."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import Broadcast
from antiphon.broadcast import Credentials, Settings
from antiphon.broadcast.drivers import (
    AblyDriver,
    Driver,
    LocalDriver,
    LogDriver,
    PusherDriver,
    registry,
)
from antiphon.broadcast.lane import MOST_WAITING
from antiphon.broadcast.pool import LAST
from antiphon.errors import BroadcastFailed, ConfigurationError, ServiceError
from antiphon.testing import TestClient
from tests.broadcast.services import PusherService
from tests.docs.conftest import Load, eventually
from tests.docs.markdown import ROOT, table
from tests.docs.programs import write_files

GUIDE = "docs/guide/broadcast.md"
DRIVERS = "docs/guide/drivers.md"
MASONITE = "docs/migration/from-masonite.md"


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page depends on the environment that it is tried in."""
    for name in list(os.environ):
        if name.startswith(("ANTIPHON_", "BROADCAST_", "PUSHER_", "ABLY_")):
            monkeypatch.delenv(name)


async def test_app(load: Load) -> None:
    """Both handlers' messages reach who is subscribed, with their events."""
    app = load(GUIDE, "app").app
    async with TestClient(app) as client, client.websocket("/orders") as ws:
        await eventually(lambda: app.channel("orders").subscribers == 1)
        assert (await client.post("/orders/7")).status == 204
        assert (await client.post("/orders/7/ship")).status == 204
        heard = [await ws.receive_json() for _ in range(2)]
    assert [(each["event"], each["data"]) for each in heard] == [
        ("created", {"id": 7}),
        ("shipped", {"id": 7}),
    ]


def test_the_drivers_of_the_page() -> None:
    """The page lists all there are."""
    assert [row[0].strip("`") for row in table(GUIDE, "drivers")] == list(registry.OURS)


def test_the_settings_of_the_page() -> None:
    """The page lists the settings of each driver, all of them, and no others."""
    said: dict[str, set[str]] = {}
    driver = ""
    for name, settings, _ in table(GUIDE, "settings"):
        driver = name.strip("`") or driver
        said.setdefault(driver, set()).update(re.findall(r"`(\w+)`", settings))
    both = said.pop("both")
    said["pusher"] |= both | {"key"}
    said["ably"] |= both | {"key"}
    classes = {"pusher": PusherDriver, "ably": AblyDriver, "local": LocalDriver, "log": LogDriver}
    for name, cls in classes.items():
        with pytest.raises(ConfigurationError, match="there is no such setting") as raised:
            cls(Settings(name, {"wrong": 1}))
        there_are = set(str(raised.value).partition("there are ")[2].split(", "))
        assert there_are == said[name], name


def test_the_numbers_of_the_page() -> None:
    """How much may wait, and how long an end is put off."""
    text = " ".join((ROOT / GUIDE).read_text(encoding="utf-8").split())
    assert MOST_WAITING == 16 * 1024 * 1024
    assert "16 MiB may wait for each driver" in text
    assert LAST == 5.0
    assert "for up to five seconds" in text


def test_config(load: Load) -> None:
    """The module is what the facade reads."""
    load(GUIDE, "config")
    assert repr(Broadcast()) == "<Broadcast by LocalDriver>"
    with pytest.raises(ConfigurationError, match="app_id"):
        Broadcast("pusher")


async def test_failures(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """What fails is told by channel; rescued, by the report."""
    module = load(GUIDE, "failures")
    with PusherService(answers=[403, 403]) as service:
        module.broadcast = Broadcast("pusher", {"pusher": service.settings}, config=None)
        await module.tell(["a", "b"], 1)
        assert caplog.messages == ["a by pusher failed with 403", "b by pusher failed with 403"]
        assert await module.tell_anyway(["a"], 1) is False
        assert await module.tell_anyway(["a"], 1) is True


async def test_events(load: Load) -> None:
    """The event says where, as what and with what."""
    module = load(GUIDE, "events")
    with Broadcast.fake() as sent:
        async with TestClient(module.app) as client:
            await client.post("/orders/9/ship", headers={"X-Socket-ID": "1.2"})
    sent.assert_sent(module.OrderShipped, {"order": 9, "carrier": "DHL"}, event="order.shipped", times=1)
    (each,) = sent.messages
    assert each.delivery.channels == ("shipping", "private-customers.7")
    assert each.delivery.exclude == "1.2"


async def test_auth(load: Load) -> None:
    """A customer may follow the own orders and enter the support's rooms; nobody else may."""
    app = load(GUIDE, "auth").app
    credentials = Credentials("key", "secret")
    ada = {"authorization": "Bearer t0ken"}

    async def ask(channel: str, headers: dict[str, str]) -> Any:
        question = f"socket_id=1.2&channel_name={channel}"
        answer = await client.post("/broadcasting/auth", body=question, headers=headers)
        return answer.json() if answer.status == 200 else answer.status

    async with TestClient(app) as client:
        auth = credentials.sign("1.2", "private-customers.7")
        assert await ask("private-customers.7", ada) == {"auth": auth}
        assert await ask("private-customers.8", ada) == 403
        assert await ask("private-customers.7", {}) == 403
        assert await ask("presence-support.x", {}) == 403
        member = json.loads((await ask("presence-support.x", ada))["channel_data"])
        assert member == {"user_id": "7", "user_info": {"name": "Ada"}}


def test_celery(tmp_path: Path) -> None:
    """Celery's workers fork, and broadcast: a real worker takes a task and sends."""
    write_files(GUIDE, tmp_path)
    tasks = (tmp_path / "tasks.py").read_text()
    assert 'broker="memory://"' in tasks
    tasks = tasks.replace(
        'broker="memory://")',
        'broker="filesystem://")\ncelery.conf.broker_transport_options = '
        f'dict(data_folder_in="{tmp_path}/q", data_folder_out="{tmp_path}/q", control_folder="{tmp_path}/c")',
    )
    (tmp_path / "tasks.py").write_text(tasks)
    (tmp_path / "q").mkdir()
    with PusherService() as service:
        environment = {**os.environ, "ANTIPHON_BROADCAST_DRIVER": "pusher"}
        for key, value in service.settings.items():
            environment[f"ANTIPHON_BROADCAST_PUSHER_{key.upper()}"] = str(value)
        with (tmp_path / "output").open("wb") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "1"],
                cwd=tmp_path,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            ask = "import tasks; [tasks.ship.delay(number) for number in range(3)]"
            subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, env=environment, check=True, timeout=30)
            deadline = time.monotonic() + 30
            while len(service.taken) < 3 and time.monotonic() < deadline and worker.poll() is None:
                service.arrived.acquire(timeout=1)
        finally:
            worker.terminate()
            worker.wait(20)
        printed = (tmp_path / "output").read_text()
        assert sorted(data for _, _, data in service.sent) == ['{"id":0}', '{"id":1}', '{"id":2}'], printed
        assert service.problems == []


# --- Drivers -------------------------------------------------------------------------------------------


@pytest.fixture
def hooks() -> Iterator[PusherService]:
    """An address that takes whatever is posted to it."""

    class Hooks(PusherService):
        def examine(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str | None, Any]:
            return None, json.loads(body)

    with Hooks() as service:
        yield service


def test_webhook(load: Load, hooks: PusherService) -> None:
    """The driver of the page sends, tries again, and reports what failed."""
    driver = load(DRIVERS, "webhook").WebhookDriver
    settings = {"driver": driver, "url": f"http://127.0.0.1:{hooks.port}", "retry_delay": 0}
    broadcast = Broadcast("hook", {"hook": settings}, config=None)
    hooks.answers = [500, 200]
    broadcast.channel(["a", "b"], {"x": 1}, "said")
    assert [each.path for each in hooks.taken] == ["/a", "/b"]
    assert hooks.taken[0].body == {"event": "said", "data": '{"x":1}'}
    hooks.answers = [403]
    with pytest.raises(BroadcastFailed) as raised:
        broadcast.channel(["a", "b"], 1)
    (each,) = raised.value.failures
    assert isinstance(each.error, ServiceError)
    assert (each.driver, each.channel, each.error.status) == ("hook", "a", 403)


def test_webhook_in_use(load: Load) -> None:
    """By its key and by its class it is the same driver; without its address it is none."""
    module = load(DRIVERS, "use")
    assert repr(module.broadcast) == "<Broadcast by WebhookDriver>"
    with pytest.raises(ConfigurationError, match=r"DRIVERS\['webhook'\]\['url'\].* missing"):
        Broadcast("webhook", {"webhook": {"driver": module.WebhookDriver}})


def test_table_of_the_contract() -> None:
    """The page lists the public methods of the contract, all of them."""
    listed = {
        re.sub(r"[`(].*?\)?`?$", "", row[0].strip("`").partition("(")[0])
        for row in table(DRIVERS, "contract")
    }
    public = {name for name, each in vars(Driver).items() if callable(each) and not name.startswith("_")}
    assert listed == public - {"attempt"}


# --- Masonite ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "prints"), [("old", "<BroadcastLogDriver>"), ("new", "<Broadcast by LogDriver>")]
)
async def test_masonite(load: Load, program: str, prints: str, caplog: pytest.LogCaptureFixture) -> None:
    """Old and new send the same, and print their driver."""
    caplog.set_level("INFO")
    app = load(MASONITE, program).app
    async with TestClient(app) as client:
        assert (await client.get("/")).text == prints
    assert """'subscribed' on ['channel1', 'channel2']: '{"message":"hello world"}'""" in caplog.messages


async def test_masonite_4(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """Its order of arguments, and its events."""
    caplog.set_level("INFO")
    app = load(MASONITE, "four").app
    async with TestClient(app) as client:
        assert (await client.post("/users")).status == 204
    assert [each for each in caplog.messages if "UserAdded" in each] == [
        """'UserAdded' on ['users']: '{"name":"Ada"}'""",
        """'UserAdded' on ['private-admins']: '{"name":"Ada"}'""",
    ]
