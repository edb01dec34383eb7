"""Pusher Channels, by the ``pusher`` SDK: the hosted service, and every server that speaks its HTTP API.

A delivery is one request for every 100 of its channels; what waits in the background goes as batches of
10 events. The SDK's session keeps its connections open.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Failures
from antiphon.broadcast.drivers.hosted import HostedDriver, library
from antiphon.broadcast.settings import Settings
from antiphon.errors import ConfigurationError, InvalidBroadcast, InvalidChannel, ServiceError

#: https://pusher.com/docs/channels/library_auth_reference/rest-api/
CHANNELS_IN_REQUEST = 100
EVENTS_IN_BATCH = 10
LONGEST_NAME = 200
#: What the SDK lets through, by ``sys.getsizeof``: of one event, and of an event in a batch.
LARGEST = 30_720
LARGEST_IN_BATCH = 10_240

#: https://pusher.com/docs/channels/using_channels/channels/#channel-naming-conventions
CHANNEL = re.compile(r"[-a-zA-Z0-9_=@,.;]{1,200}")
SOCKET_ID = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}")
#: Statuses that say what is wrong with a message, not with whoever sends it.
_ABOUT_AN_EVENT = (400, 413)
_TO_USER = "#server-to-user-"
_ENCRYPTED = "private-encrypted-"


class PusherDriver(HostedDriver):
    """Sends to Pusher Channels.

    Settings: ``app_id``, ``client`` (or ``key``) and ``secret`` of the app; ``cluster``; or ``host``,
    ``port`` and ``ssl`` of another server; ``encryption_master_key`` (base64) for encrypted channels;
    ``timeout`` in seconds; ``retries`` and ``retry_delay``.
    """

    def __init__(self, settings: Settings) -> None:
        settings.only(
            *("app_id", "client", "key", "secret", "cluster", "host", "port", "ssl"),
            *("encryption_master_key", "timeout", "retries", "retry_delay"),
        )
        self._options = _options(settings)
        secrets = (self._options["secret"], self._options.get("encryption_master_key_base64"))
        super().__init__(settings, list(filter(None, secrets)))

    def make_client(self) -> Any:
        return library("pusher", "pusher").Pusher(**self._options)

    def check(self, delivery: Delivery) -> None:
        for channel in delivery.channels:
            if channel.startswith(_ENCRYPTED) and "encryption_master_key_base64" not in self._options:
                raise ConfigurationError(f"{channel[:40]!r} needs encryption_master_key, 32 bytes in base64")
            if len(channel) > LONGEST_NAME or not CHANNEL.fullmatch(channel.removeprefix(_TO_USER)):
                raise InvalidChannel(
                    f"a channel of Pusher has a name of at most {LONGEST_NAME} letters, digits and "
                    f"characters of '-_=@,.;', not {channel[:40]!r}"
                )
        if len(delivery.event) > LONGEST_NAME:
            raise InvalidBroadcast(f"Pusher takes event names of at most {LONGEST_NAME} characters")
        if not isinstance(delivery.payload, str):
            raise InvalidBroadcast("Pusher carries text and JSON, not bytes")
        # https://pusher.com/docs/channels/server_api/http-api/: 10 kB at the hosted service, which answers
        # with 413; more at others. Beyond this the SDK does not even ask.
        if sys.getsizeof(delivery.payload) > LARGEST:
            raise InvalidBroadcast(
                f"the message has {len(delivery.payload)} characters, and Pusher takes about 10000: send "
                "what it is about, and let the client fetch the rest"
            )

    def send(self, delivery: Delivery) -> Failures:
        self.open()
        failures: dict[str, Exception] = {}
        for channels in _requests(delivery.channels):
            try:
                self.request(partial(_trigger, channels, delivery))
            except Exception as error:
                failures.update(dict.fromkeys(channels, error))
        return failures

    def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Failures | Exception]:
        results: list[Failures | Exception] = []
        for run in _batches(deliveries):
            results += [self.attempt(run[0])] if len(run) == 1 else self._send_batch(run)
        return results

    def _send_batch(self, run: Sequence[Delivery]) -> Sequence[Failures | Exception]:
        try:
            # The SDK encrypts the events that it is given in place: each attempt needs its own.
            self.request(lambda client: client.trigger_batch(_events(run)))
        except Exception as error:
            if isinstance(error, ServiceError) and error.status not in _ABOUT_AN_EVENT:
                return [error] * len(run)
            # It may be about one event; the others shall not suffer for it.
            return [self.attempt(each) for each in run]
        return [{}] * len(run)

    def translated(self, error: Exception) -> Exception:
        # They are told apart by name: which HTTP library it takes is the SDK's own affair.
        match type(error).__name__:
            case "SSLError":
                return self.failed(None, "its certificate is not accepted", may_retry=False)
            case "ReadTimeout" | "Timeout":
                problem = "no answer in time; it may have taken the message"
                return self.failed(None, problem, may_retry=False)
            case "ConnectionError" | "ConnectTimeout" | "ProxyError" | "ChunkedEncodingError":
                return self.failed(None, "it cannot be reached", may_retry=True)
            case "PusherBadRequest":
                return self.failed(400, str(error), may_retry=False)
            case "PusherBadAuth":
                return self.failed(401, str(error), may_retry=False)
            case "PusherForbidden":
                return self.failed(403, str(error), may_retry=False)
            case "PusherBadStatus":
                # All that the SDK tells is the text "500: Internal error".
                status, _, text = str(error).partition(": ")
                return self.failed(int(status), text, may_retry=int(status) >= 500)
            case "JSONDecodeError":
                return self.failed(None, "its answer is no JSON; is it a Pusher server?", may_retry=False)
        return error


def _options(settings: Settings) -> dict[str, Any]:
    """The arguments of the SDK's client.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    app_id = settings.required("app_id")
    if not (app_id.isascii() and app_id.isdigit()):
        raise settings.error("app_id", "is a number, as the dashboard shows it")
    options = {
        "app_id": app_id,
        "key": settings.required("client", "key"),
        "secret": settings.required("secret"),
        "ssl": settings.flag("ssl", True),
        "timeout": settings.number("timeout", 5.0, least=0.001),
        "cluster": settings.host("cluster"),
        "host": settings.host(),
        "port": settings.port(),
        "encryption_master_key_base64": settings.text("encryption_master_key"),
    }
    check_master_key(settings)
    return {name: value for name, value in options.items() if value is not None}


def check_master_key(settings: Settings) -> None:
    """Refuse a setting ``encryption_master_key`` that no channel can be encrypted with.

    Raises:
        ConfigurationError: It is not 32 bytes in base64.
    """
    try:
        length = len(base64.b64decode(settings.text("encryption_master_key") or "", validate=True))
    except ValueError:
        length = -1
    if length not in (0, 32):
        raise settings.error("encryption_master_key", "is 32 random bytes in base64")


def _requests(channels: Sequence[str]) -> Iterator[list[str]]:
    """The channels of each request: 100 of them, but an encrypted one alone, as its data is its own."""
    together = [each for each in channels if not each.startswith(_ENCRYPTED)]
    for start in range(0, len(together), CHANNELS_IN_REQUEST):
        yield together[start : start + CHANNELS_IN_REQUEST]
    yield from ([each] for each in channels if each.startswith(_ENCRYPTED))


def _trigger(channels: list[str], delivery: Delivery, client: Any) -> object:
    return client.trigger(channels, delivery.event, delivery.payload, **_excluding(delivery))


def _excluding(delivery: Delivery) -> dict[str, str]:
    # A connection to another server, with an id of another kind, is none of Pusher's.
    if delivery.exclude is None or not SOCKET_ID.fullmatch(delivery.exclude):
        return {}
    return {"socket_id": delivery.exclude}


def _batches(deliveries: Iterable[Delivery]) -> Iterator[list[Delivery]]:
    """Runs of deliveries, in order, that fit into one batch; one that fits into none stands alone."""
    run: list[Delivery] = []
    for each in deliveries:
        fits = sys.getsizeof(each.payload) <= LARGEST_IN_BATCH
        if run and (not fits or sum(len(one.channels) for one in (*run, each)) > EVENTS_IN_BATCH):
            yield run
            run = []
        run.append(each)
        if not fits:
            yield run
            run = []
    if run:
        yield run


def _events(run: Sequence[Delivery]) -> list[dict[str, Any]]:
    return [
        {"channel": channel, "name": each.event, "data": each.payload, **_excluding(each)}
        for each in run
        for channel in each.channels
    ]
