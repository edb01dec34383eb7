"""The `ably` SDK and a server that checks what it sends, and that fails in every way."""

import logging
import sys
from typing import Any

import msgspec
import pytest

from antiphon import Broadcast
from antiphon.broadcast import Settings
from antiphon.broadcast.drivers import AblyDriver
from antiphon.errors import BroadcastFailed, ConfigurationError, DriverLibraryNotFound, ServiceError
from tests.broadcast.services import HANG, HOST, Service
from tests.servers import free_loopback_port


def broadcast(service: Service, **settings: Any) -> Broadcast:
    made = Broadcast("ably", {"ably": {**service.settings, **settings}})
    service.when_closed(made.close)
    return made


def failure(sender: Broadcast) -> ServiceError:
    """The error with which a message to one channel fails."""
    with pytest.raises(BroadcastFailed) as raised:
        sender.channel("a", "m")
    error = raised.value.failures[0].error
    assert isinstance(error, ServiceError)
    return error


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize("message", ["text", {"x": "ü"}, [1, 2], b"\x00\xff", 5, None, True])
def test_messages(ably: Service, message: Any) -> None:
    """Text, bytes and whatever JSON can hold arrive as they were."""
    assert broadcast(ably).channel("room:1", message, "said") == message
    assert list(ably.sent) == [("room:1", "said", message)]


def test_objects(ably: Service) -> None:
    """What msgspec can encode arrives as its JSON."""
    broadcast(ably).channel("a", Point(1))
    assert list(ably.sent) == [("a", "base-event", {"x": 1})]


def test_channels(ably: Service) -> None:
    """Each channel gets the message, whatever its name needs in an address."""
    names = ["a", "b/ü", "with space"]
    broadcast(ably).channel(names, 1)
    assert [channel for channel, _, _ in ably.sent] == ["a", "b/ü", "with+space"]


def test_the_connection_is_kept(ably: Service) -> None:
    """One message after the other takes the same connection, and no channel is kept for ever."""
    sender = broadcast(ably)
    for number in range(5):
        sender.channel(f"c{number}", 1)
    assert {each.connection for each in ably.taken} == {1}
    client = sender._lanes()[0].driver._client  # type: ignore[attr-defined]
    assert len(list(client.channels)) == 0
    sender.close()


def test_excluding_a_connection(ably: Service) -> None:
    """It is published on behalf of the connection that shall not get it back."""
    broadcast(ably).channel("a", 1, exclude="key-of-a-connection")
    assert ably.taken[0].body["connectionKey"] == "key-of-a-connection"


# --- Failing -------------------------------------------------------------------------------------------


def test_a_retry_does_not_publish_twice(ably: Service) -> None:
    """Each attempt has the same id, so that what was taken before its answer was lost is published once."""
    real = ably.reply

    def lose_the_answer(status: int, request: Any) -> tuple[int, bytes, str]:
        ably.take(request)  # type: ignore[attr-defined]
        ably.reply = real  # type: ignore[method-assign]
        return real(500, request)

    ably.reply = lose_the_answer  # type: ignore[method-assign]
    broadcast(ably).channel("a", 1)
    assert len(ably.requests) == 2
    assert list(ably.sent) == [("a", "base-event", 1)]


def test_no_answer_in_time(ably: Service) -> None:
    """With its id a message may be sent again even where it may have been taken."""
    ably.answers = [HANG]
    broadcast(ably, timeout=0.5, retries=20).channel("a", 1)
    # On a busy machine more than one may be late.
    assert len(ably.requests) >= 2
    assert len({each.body["id"] for each in ably.requests}) == 1
    assert list(ably.sent) == [("a", "base-event", 1)]


def test_500_for_good(ably: Service) -> None:
    """It is tried as often as the settings say; then the failure says what the service answered."""
    ably.answers, ably.text = [500] * 9, "Internal error"
    error = failure(broadcast(ably, retries=1))
    assert (error.status, error.may_retry, str(error)) == (500, True, "ably: 500 Internal error")
    assert len(ably.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429])
def test_refused(ably: Service, status: int) -> None:
    """What the service refuses is not tried again."""
    ably.answers = [status]
    error = failure(broadcast(ably))
    assert (error.status, error.may_retry) == (status, False)
    assert len(ably.requests) == 1


def test_10_megabytes(ably: Service) -> None:
    """How much a message may hold is the account's affair: the service refuses, the failure says so."""
    ably.answers, ably.text = [413], "Maximum message length exceeded"
    with pytest.raises(BroadcastFailed, match="413 Maximum message length exceeded"):
        broadcast(ably).channel("a", "x" * 10_000_000)


def test_a_secret_in_an_answer() -> None:
    """A service that tells the key, or the secret part of it, is not quoted with it."""
    driver = AblyDriver(Settings("ably", {"secret": "app.key:s3cret"}))
    error = driver.failed(401, "bad key app.key:s3cret, bad secret s3cret", may_retry=False)
    assert str(error) == "ably: 401 bad key …, bad secret …"


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    """A host that refuses connections is tried again, then named; no secret shows."""
    caplog.set_level(logging.DEBUG)
    settings = {"token": "s3cret", "host": HOST, "port": free_loopback_port(), "ssl": False, "retry_delay": 0}
    error = failure(Broadcast("ably", {"ably": settings}))
    assert (error.status, error.may_retry, str(error)) == (
        None,
        True,
        "ably: it cannot be reached (ConnectError)",
    )
    assert "s3cret" not in caplog.text


def test_one_channel_fails(ably: Service) -> None:
    """The others get the message; the failure names the one, and the driver."""
    ably.answers = [200, 403, 200]
    with pytest.raises(BroadcastFailed) as raised:
        broadcast(ably).channel(["a", "b", "c"], 1)
    (each,) = raised.value.failures
    assert (each.driver, each.channel) == ("ably", "b")
    assert [channel for channel, _, _ in ably.sent] == ["a", "c"]


# --- Settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ssl": True}, r"DRIVERS\['ably'\]\['secret'\] \(or ANTIPHON_BROADCAST_ABLY_SECRET\) is missing"),
        ({"secret": "s3cret"}, r"\['secret'\].* whole API key"),
        ({"secret": "api:s3cret", "ssl": False}, r"\['ssl'\].* TLS only"),
        ({"secret": "api:s3cret", "app_id": "1"}, r"\['app_id'\].* no such setting"),
    ],
)
def test_settings(settings: dict[str, Any], says: str) -> None:
    """A setting that is missing or wrong is named, and not its value."""
    with pytest.raises(ConfigurationError, match=says) as raised:
        Broadcast("ably", {"ably": settings})
    assert "s3cret" not in str(raised.value)


def test_the_key_of_the_page() -> None:
    """The key goes over TLS, to Ably itself."""
    driver = AblyDriver(Settings("ably", {"secret": "api:key"}))
    driver.open()
    options = driver._client.options
    assert (options.key_name, options.key_secret, options.tls) == ("api", "key", True)
    assert options.get_host() == "main.realtime.ably.net"
    driver.close()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver can be had, and says what to install when it sends."""
    for name in [*sys.modules]:
        if name == "ably" or name.startswith("ably."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ably", None)
    sender = Broadcast("log", {"ably": {"secret": "api:key"}}).driver("ably")
    assert repr(sender) == "<Broadcast by AblyDriver>"
    with pytest.raises(DriverLibraryNotFound) as raised:
        sender.channel(["a", "b"], 1)
    assert 'pip install "antiphon[ably]"' in str(raised.value)
