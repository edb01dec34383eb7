"""The `pusher` SDK and a server that checks what it sends, and that fails in every way."""

import importlib
import json
import logging
import sys
from typing import Any

import pytest

from antiphon import Broadcast
from antiphon.broadcast import Settings, delivery
from antiphon.broadcast.drivers import PusherDriver
from antiphon.errors import (
    BroadcastFailed,
    ConfigurationError,
    DriverLibraryNotFound,
    InvalidBroadcast,
    InvalidChannel,
    ServiceError,
)
from tests.broadcast.services import HANG, HOST, SECRET, PusherService, Service
from tests.servers import free_loopback_port

GOOD = {"app_id": "3", "client": "k", "secret": "s"}


def broadcast(service: Service, **settings: Any) -> Broadcast:
    made = Broadcast("pusher", {"pusher": {**service.settings, **settings}})
    service.when_closed(made.close)
    return made


def failure(sender: Broadcast, channels: Any = "a") -> ServiceError:
    """The error with which a message to one channel fails."""
    with pytest.raises(BroadcastFailed) as raised:
        sender.channel(channels, "m")
    error = raised.value.failures[0].error
    assert isinstance(error, ServiceError)
    return error


def test_one_channel(pusher: Service) -> None:
    """A dictionary goes as JSON, with its event."""
    assert broadcast(pusher).channel("a", {"x": "ü"}, "said") == {"x": "ü"}
    (request,) = pusher.taken
    assert request.body == {"name": "said", "channels": ["a"], "data": '{"x":"ü"}'}


def test_text_goes_as_it_is(pusher: Service) -> None:
    """Text is not made JSON of, and nothing is wrapped around it."""
    broadcast(pusher).channel("a", "text")
    assert list(pusher.sent) == [("a", "base-event", "text")]


def test_many_channels_are_one_request(pusher: Service) -> None:
    """Up to 100 channels share a request; the next begins another."""
    names = [f"c{number}" for number in range(101)]
    broadcast(pusher).channel(names, 1)
    assert [len(each.body["channels"]) for each in pusher.taken] == [100, 1]
    assert [channel for channel, _, _ in pusher.sent] == names


def test_encrypted_channels_are_alone(pusher: Service) -> None:
    """Each encrypted channel has a request and a ciphertext of its own."""
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    sender = broadcast(pusher, encryption_master_key=key)
    sender.channel(["private-encrypted-a", "b", "private-encrypted-c"], {"x": 1})
    data = {channel: data for channel, _, data in pusher.sent}
    assert data["b"] == '{"x":1}'
    assert json.loads(data["private-encrypted-a"]).keys() == {"nonce", "ciphertext"}
    assert data["private-encrypted-a"] != data["private-encrypted-c"]


def test_the_connection_is_kept(pusher: Service) -> None:
    """One message after the other takes the same connection."""
    sender = broadcast(pusher)
    for _ in range(5):
        sender.channel("a", 1)
    assert {each.connection for each in pusher.taken} == {1}


def test_background_messages_are_batched(pusher: Service) -> None:
    """What waits goes in order, ten events in a request; the first need not wait for others."""
    sender = broadcast(pusher)
    pusher.answers = [200, 200]
    for number in range(40):
        sender.later(["x", "y"], number)
    assert sender.close() == 0
    assert [(channel, data) for channel, _, data in pusher.sent] == [
        (channel, str(number)) for number in range(40) for channel in ("x", "y")
    ]
    assert len(pusher.requests) < 20
    assert any(each.path == "/apps/3/batch_events" for each in pusher.requests)


def test_large_background_messages_go_alone(pusher: Service) -> None:
    """A message too large for a batch is sent all the same, in its turn."""
    driver = PusherDriver(Settings("pusher", pusher.settings))
    run = [delivery("a", "1"), delivery("a", "2"), delivery("a", "x" * 20_000), delivery("a", "3")]
    assert list(driver.send_many(run)) == [{}] * 4
    assert [len(data) for _, _, data in pusher.sent] == [1, 1, 20_000, 1]
    assert [each.path.rpartition("/")[2] for each in pusher.taken] == ["batch_events", "events", "events"]


def test_a_refused_batch_is_sent_one_by_one(pusher: Service) -> None:
    """One event that the service refuses costs the others of its batch nothing."""
    driver = PusherDriver(Settings("pusher", pusher.settings))
    pusher.answers = [413, 200, 413, 200]
    outcomes = driver.send_many([delivery(name, name) for name in "abc"])
    assert [channel for channel, _, _ in pusher.sent] == ["a", "c"]
    assert outcomes[0] == outcomes[2] == {}
    assert outcomes[1].keys() == {"b"}  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_batch_from_somebody_who_may_not(pusher: Service, status: int) -> None:
    """What is not about an event but about whoever sends it is not asked again for each event."""
    driver = PusherDriver(Settings("pusher", pusher.settings))
    pusher.answers = [status]
    outcomes = driver.send_many([delivery(name, name) for name in "abc"])
    assert [str(each) for each in outcomes] == [f"pusher: {status} no"] * 3
    assert len(pusher.requests) == 1


def test_an_encrypted_channel_without_a_key(pusher: Service) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="encryption_master_key"):
        broadcast(pusher).channel(["a", "private-encrypted-a"], 1)
    assert pusher.requests == []


def test_excluding_a_socket(pusher: Service) -> None:
    """A socket of Pusher's is excluded; the id of another kind of connection means nobody there."""
    sender = broadcast(pusher)
    sender.channel("a", 1, exclude="123.456")
    sender.channel("a", 1, exclude="0b0c6ef8-4f5a-4f43-9c5e-0dd1a2b8a8f5")
    first, second = pusher.taken
    assert first.body["socket_id"] == "123.456"
    assert "socket_id" not in second.body


# --- Failing -------------------------------------------------------------------------------------------


def test_500_then_200(pusher: Service) -> None:
    """A server error is tried again."""
    pusher.answers = [500, 503, 200]
    broadcast(pusher).channel("a", 1)
    assert [len(pusher.requests), len(pusher.taken)] == [3, 1]


def test_500_for_good(pusher: Service) -> None:
    """It is tried as often as the settings say; then the failure says what the service answered."""
    pusher.answers, pusher.text = [500] * 9, "Internal error"
    error = failure(broadcast(pusher, retries=1))
    assert (error.status, error.may_retry, str(error)) == (500, True, "pusher: 500 Internal error")
    assert len(pusher.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429])
def test_refused(pusher: Service, status: int) -> None:
    """What the service refuses is not tried again."""
    pusher.answers = [status]
    error = failure(broadcast(pusher))
    assert (error.status, error.may_retry) == (status, False)
    assert len(pusher.requests) == 1


def test_wrong_secret(pusher: Service) -> None:
    """A wrong secret is the service's 401, whose text arrives without any secret in it."""
    error = failure(broadcast(pusher, secret="not-the-secret"))
    assert error.status == 401
    assert "Invalid signature" in str(error)
    assert "not-the-secret" not in str(error)
    pusher.problems.clear()


def test_a_secret_in_an_answer(pusher: Service) -> None:
    """A service that tells the secret is not quoted with it."""
    pusher.answers, pusher.text = [400], f"your secret {SECRET} is bad"
    assert str(failure(broadcast(pusher))) == "pusher: 400 your secret … is bad"


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    """A host that refuses connections is tried again, then named, without the signed address."""
    caplog.set_level(logging.DEBUG)
    sender = Broadcast(
        "pusher",
        {"pusher": {**GOOD, "host": HOST, "port": free_loopback_port(), "ssl": False, "retry_delay": 0}},
    )
    with pytest.raises(BroadcastFailed) as raised:
        sender.channel("a", "m")
    error = raised.value.failures[0].error
    assert isinstance(error, ServiceError)
    assert (error.status, error.may_retry) == (None, True)
    assert "auth_signature" not in f"{raised.value} {caplog.text}"
    assert error.__suppress_context__


def test_no_answer(pusher: Service) -> None:
    """A service that does not answer in time may have taken the message: it is not sent twice."""
    pusher.answers = [HANG, 200]
    error = failure(broadcast(pusher, timeout=0.2))
    assert (error.status, error.may_retry) == (None, False)
    assert len(pusher.requests) == 1


def test_a_server_that_is_none_of_pusher() -> None:
    """An answer that is no JSON is said to be none."""

    class Page(PusherService):
        def reply(self, status: int, request: Any) -> tuple[int, bytes, str]:
            return 200, b"<html>", "text/html"

    with Page() as service:
        assert "no JSON" in str(failure(broadcast(service)))


def test_what_fails_harms_no_other_channel(pusher: Service) -> None:
    """The second hundred of channels is sent although the first is refused; the report names each channel."""
    pusher.answers = [403, 200]
    names = [f"c{number}" for number in range(120)]
    with pytest.raises(BroadcastFailed) as raised:
        broadcast(pusher).channel(names, 1)
    assert [each.channel for each in raised.value.failures] == names[:100]
    assert [channel for channel, _, _ in pusher.sent] == names[100:]


# --- What is refused at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a b", "a:b", "ä", "x" * 201, "", "a/b", "private-a\n"])
def test_bad_names(pusher: Service, name: str) -> None:
    """Nothing is sent to any channel when one has an impossible name."""
    with pytest.raises(InvalidChannel, match="Pusher"):
        broadcast(pusher).channel(["good", name], 1)
    assert pusher.requests == []


@pytest.mark.parametrize(
    ("message", "event", "says"),
    [("x" * 10_000_000, "e", "10000"), (b"\0", "e", "bytes"), ("m", "e" * 201, "event")],
    ids=["10 MB", "bytes", "event"],
)
async def test_bad_messages(pusher: Service, message: Any, event: str, says: str) -> None:
    """What Pusher cannot take is refused at once, also where sending happens later."""
    sender = broadcast(pusher)
    with pytest.raises(InvalidBroadcast, match=says):
        sender.later("a", message, event)
    with pytest.raises(InvalidBroadcast, match=says):
        await sender.publish("a", message, event)
    assert pusher.requests == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, r"DRIVERS\['pusher'\]\['app_id'\] \(or ANTIPHON_BROADCAST_PUSHER_APP_ID\) is missing"),
        ({**GOOD, "app_id": "29382xx.."}, r"\['app_id'\].* placeholder"),
        ({**GOOD, "app_id": "29382a"}, r"\['app_id'\].* number"),
        ({**GOOD, "client": ""}, r"\['client'\].* missing"),
        ({**GOOD, "secret": None}, r"\['secret'\].* missing"),
        ({**GOOD, "secret": "HDGdjss.."}, r"\['secret'\].* placeholder"),
        ({**GOOD, "host": "https://example.org"}, r"\['host'\].* without scheme"),
        ({**GOOD, "host": "example.org:80"}, r"\['host'\].* without scheme, port"),
        ({**GOOD, "cluster": "e u"}, r"\['cluster'\].* is a name"),
        ({**GOOD, "ssl": "maybe"}, r"\['ssl'\].* true or false"),
        ({**GOOD, "port": "http"}, r"\['port'\].* number"),
        ({**GOOD, "port": 70000}, r"\['port'\].* 65535"),
        ({**GOOD, "timeout": 0}, r"\['timeout'\].* at least"),
        ({**GOOD, "encryption_master_key": "c2hvcnQ="}, r"\['encryption_master_key'\].* 32 random bytes"),
        ({**GOOD, "encryption_master_key": "ä"}, r"\['encryption_master_key'\].* 32 random bytes"),
        ({**GOOD, "clutser": "eu"}, r"\['clutser'\].* no such setting; there are app_id"),
    ],
)
def test_settings(settings: dict[str, Any], says: str) -> None:
    """A setting that is missing or wrong is named, with the variable that would set it, and not its value."""
    with pytest.raises(ConfigurationError, match=says) as raised:
        Broadcast("pusher", {"pusher": settings})
    assert "HDGdjss" not in str(raised.value)


def test_the_app_id_may_be_a_number() -> None:
    """A number does as well as its text, as for the SDK."""
    PusherDriver(Settings("pusher", {**GOOD, "app_id": 29382}))


def test_where_it_sends() -> None:
    """The cluster, or a host of one's own, reaches the SDK."""
    options = PusherDriver(Settings("pusher", {**GOOD, "cluster": "eu"}))._options
    client = importlib.import_module("pusher").Pusher(**options)
    assert client._pusher_client.host == "api-eu.pusher.com"
    assert client._pusher_client.ssl is True


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver can be had, and says what to install when it sends."""
    monkeypatch.setitem(sys.modules, "pusher", None)
    sender = Broadcast("pusher", {"pusher": GOOD})
    assert repr(sender) == "<Broadcast by PusherDriver>"
    with pytest.raises(DriverLibraryNotFound) as raised:
        sender.channel(["a", "b"], 1)
    assert 'pip install "antiphon[pusher]"' in str(raised.value)
    with pytest.raises(DriverLibraryNotFound):
        sender.open()


async def test_on_an_event_loop(pusher: Service) -> None:
    """`channel` on a running loop returns at once, before the service has answered."""
    sender = broadcast(pusher)
    pusher.answers = [HANG]
    assert sender.channel("a", {"x": 1}) == {"x": 1}
    assert sender.statistics() == {"pusher": {"waiting": 1, "sent": 0, "failed": 0}}
