"""Ably, by the ``ably`` SDK: by its blocking twin, since its ``publish`` is a coroutine.

Each channel is a request. Each message has an id of ours, the same one at each attempt, so that Ably
publishes it once however often it is sent (https://ably.com/docs/pub-sub/advanced#idempotency).
"""

from __future__ import annotations

import base64
import os
from typing import Any

from antiphon.broadcast.delivery import Delivery
from antiphon.broadcast.drivers.contract import Failures
from antiphon.broadcast.drivers.hosted import HostedDriver, library
from antiphon.broadcast.settings import Settings
from antiphon.errors import InvalidChannel

LONGEST_NAME = 2048


class AblyDriver(HostedDriver):
    """Sends to Ably.

    Settings: ``secret`` (or ``key``): the API key, as ``appId.keyId:keySecret``; or ``token``; ``host``,
    ``port`` and ``ssl`` of another server; ``timeout`` in seconds; ``retries`` and ``retry_delay``.
    """

    def __init__(self, settings: Settings) -> None:
        settings.only("secret", "key", "token", "host", "port", "ssl", "timeout", "retries", "retry_delay")
        self._options = _options(settings)
        whole = self._options.get("token") or self._options["key"]
        super().__init__(settings, [whole, whole.rpartition(":")[2]])

    def check(self, delivery: Delivery) -> None:
        for channel in delivery.channels:
            # https://ably.com/docs/channels#names
            if not 0 < len(channel) <= LONGEST_NAME or channel[0] in "[:" or not channel.isprintable():
                raise InvalidChannel(
                    f"a channel of Ably has a name of at most {LONGEST_NAME} printable characters that does "
                    f"not begin with '[' or ':', not {channel[:40]!r}"
                )

    def send(self, delivery: Delivery) -> Failures:
        self.open()
        failures: dict[str, Exception] = {}
        for channel in delivery.channels:
            try:
                self._send(channel, delivery)
            except Exception as error:
                failures[channel] = error
        return failures

    def make_client(self) -> Any:
        return library("ably.sync", "ably").AblyRestSync(**self._options)

    def close_client(self, client: Any) -> None:
        client.close()

    def _send(self, channel: str, delivery: Delivery) -> None:
        message = library("ably.sync.types.message", "ably").Message
        id = base64.b64encode(os.urandom(12)).decode() + ":0"

        def publish(client: Any) -> None:
            try:
                client.channels.get(channel).publish(message(id=id, **_content(delivery)))
            finally:
                # The SDK keeps each channel for ever that it was once asked for.
                client.channels.release(channel)

        self.request(publish)

    def translated(self, error: Exception) -> Exception:
        # With its id a message may always be sent again.
        status = getattr(error, "status_code", None)
        if status is None:
            return self.failed(None, f"it cannot be reached ({type(error).__name__})", may_retry=True)
        return self.failed(status, str(getattr(error, "message", error)), may_retry=status >= 500)


def _options(settings: Settings) -> dict[str, Any]:
    """The arguments of the SDK's client.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    tls, token = settings.flag("ssl", True), settings.text("token")
    options: dict[str, Any] = {"tls": tls}
    if token:
        options["token"] = token
    else:
        options["key"] = settings.required("secret", "key")
        if ":" not in options["key"]:
            raise settings.error("secret", "is the whole API key, as 'appId.keyId:keySecret'")
        if not tls:
            raise settings.error("ssl", "is off, and Ably takes an API key over TLS only; set a token")
    if host := settings.host():
        options["rest_host"] = host
    if port := settings.port():
        options["tls_port" if tls else "port"] = port
    timeout = settings.number("timeout", 5.0, least=0.001)
    return {**options, "http_open_timeout": timeout, "http_request_timeout": timeout}


def _content(delivery: Delivery) -> dict[str, Any]:
    """The parts of Ably's message. What is JSON goes as the text that we made of it."""
    content: dict[str, Any] = {"name": delivery.event, "data": delivery.payload}
    if not isinstance(delivery.message, (str, bytes, bytearray, memoryview)):
        content["encoding"] = "json"
    if delivery.exclude is not None:
        # On behalf of that connection: it does not get it back if it was opened with echoMessages: false.
        content["connection_key"] = delivery.exclude
    return content
