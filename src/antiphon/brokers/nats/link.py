"""The connection to NATS: one after another, as long as the broker runs.

A connection that broke is replaced by a new one, with all subscriptions; nothing of the old one is left,
least of all what it had not sent yet, whose publishers were told long ago that it failed. What is asked of
the server is given up at once when the connection breaks. The library's errors end here.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from antiphon.errors import BrokerUnavailable, ConfigurationError

T = TypeVar("T")
Handler = Callable[[Msg], None]

log = logging.getLogger("antiphon.brokers.nats")

#: How often a connection is attempted at the start.
ATTEMPTS = 4

#: Seconds for one attempt, and for one answer of the server.
PATIENCE = 5.0

#: Seconds between attempts, at first and at most.
PAUSES = (0.05, 5.0)

#: Seconds between pings; a connection is given up when two have no answer.
PING = 5

#: What may wait in one subscription; when it is full, what comes is dropped, which the listener is told.
PENDING_MESSAGES = 65_536
PENDING_BYTES = 64 * 1024 * 1024


class Link:
    """The connection to NATS.

    Args:
        url: Where: ``nats://[user:password@ | token@]host[:port]``, or several of a cluster with commas.
        lost: Called when the connection broke.
        found: Called when there is one again, and subscriptions hold.
        dropped: Called when something was dropped because this process did not keep up.
    """

    def __init__(
        self,
        url: str,
        lost: Callable[[BrokerUnavailable], None],
        found: Callable[[], None],
        dropped: Callable[[], None],
    ) -> None:
        self._servers, self._credentials = _parse(url)
        self._lost, self._found, self._dropped = lost, found, dropped
        self._client: Client | None = None
        self._handlers: dict[str, Handler] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._asking: set[asyncio.Timeout] = set()
        self._flushes: set[asyncio.Task[None]] = set()
        self._broken = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "up" if self._client else "down"
        return f"<Link {self} {state}, {len(self._handlers)} subscriptions>"

    def __str__(self) -> str:
        return ",".join(self._servers)

    @property
    def client(self) -> Client:
        """The client that is connected.

        Raises:
            BrokerUnavailable: None is.
        """
        if self._client is None:
            raise self.unavailable("there is no connection; it is tried again")
        return self._client

    def unavailable(self, reason: object) -> BrokerUnavailable:
        """The error that says that NATS cannot be reached, where it should be, and why."""
        return BrokerUnavailable(f"NATS at {self} cannot be reached: {reason}")

    async def open(self) -> None:
        """Connect.

        Raises:
            BrokerUnavailable: It failed each time.
        """
        self._broken = asyncio.Event()
        pause = 0.2
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._client = await self._connect()
                break
            except BrokerUnavailable as error:
                # Wrong credentials stay wrong. The library has no type for this answer, and now and then
                # the connection is reset before it arrives: then another attempt finds out.
                if attempt == ATTEMPTS or "authorization violation" in str(error).lower():
                    raise
                await asyncio.sleep(pause)
                pause *= 2
        self._keeper = asyncio.create_task(self._keep(), name="connection to NATS")

    async def close(self) -> None:
        """Let go of the connection and of all subscriptions."""
        client, self._client = self._client, None
        if self._keeper is not None:
            await end(self._keeper)
            self._keeper = None
        self._give_up()
        self._handlers.clear()
        self._subscriptions.clear()
        if client is not None:
            await _close(client)
        await end(*self._flushes)

    async def ask(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Ask the server for something.

        Raises:
            BrokerUnavailable: It cannot be reached, or does not answer.
        """
        client = self.client
        try:
            async with asyncio.timeout(PATIENCE) as scope:
                self._asking.add(scope)
                return await request(client)
        except TimeoutError as error:
            raise self.unavailable("it does not answer") from error
        except (nats.errors.Error, OSError) as error:
            raise self.unavailable(error) from error
        finally:
            self._asking.discard(scope)

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Have a handler called with what is sent to a subject from now on, in order.

        Raises:
            BrokerUnavailable: It cannot be; then it is not.
        """

        async def subscribed(client: Client) -> None:
            if subject not in self._subscriptions:
                await self._subscribe(client, subject, handler)
            await self._flush(client)

        self._handlers[subject] = handler
        try:
            await self.ask(subscribed)
        except BaseException:
            # Another may have come for it meanwhile.
            if self._handlers.get(subject) is handler:
                await self.unsubscribe(subject)
            raise

    def hears(self, subject: str) -> bool:
        """Whether a handler is called with what is sent to a subject."""
        return subject in self._handlers

    async def unsubscribe(self, subject: str) -> None:
        """Have the handler of a subject called no more."""
        self._handlers.pop(subject, None)
        subscription = self._subscriptions.pop(subject, None)
        if subscription is not None and self._client is not None:
            # Without a connection there is nothing to leave.
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def _subscribe(self, client: Client, subject: str, handler: Handler) -> None:
        async def handle(message: Msg) -> None:
            handler(message)

        self._subscriptions[subject] = await client.subscribe(
            subject, cb=handle, pending_msgs_limit=PENDING_MESSAGES, pending_bytes_limit=PENDING_BYTES
        )

    async def _flush(self, client: Client) -> None:
        """Wait until the server has taken what was sent.

        Whoever waits may be cancelled, but not the library: the answer to a flush that was cancelled ends its
        connection.
        """
        flush = asyncio.ensure_future(client.flush())
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)
        await asyncio.shield(flush)

    async def _connect(self) -> Client:
        client = Client()
        problems: list[Exception] = []

        async def failed(error: Exception) -> None:
            if client is not self._client:
                problems.append(error)
            elif isinstance(error, nats.errors.SlowConsumerError):
                self._dropped()
            else:
                log.warning("NATS at %s: %s", self, error)

        async def closed() -> None:
            if client is self._client:
                self._client = None
                self._give_up()
                self._broken.set()
                self._lost(self.unavailable("the connection broke; it is tried again"))

        try:
            async with asyncio.timeout(PATIENCE):
                # Only this class connects again; an attempt is one round through the servers.
                await client.connect(
                    self._servers,
                    name="antiphon",
                    error_cb=failed,
                    closed_cb=closed,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    ping_interval=PING,
                    **self._credentials,
                )
        except Exception as error:  # whatever the library makes of what it finds there
            await _close(client)
            # That there are no servers left says nothing; why the last one was given up does.
            reason = problems[-1] if problems and isinstance(error, nats.errors.NoServersError) else error
            raise self.unavailable(reason if str(reason) else "it does not answer") from reason
        except BaseException:
            await _close(client)
            raise
        return client

    async def _keep(self) -> None:
        """Replace connections that broke, until cancelled."""
        while True:
            await self._broken.wait()
            self._broken.clear()
            pause, longest = PAUSES
            while self._client is None:
                try:
                    await self._replace()
                except BrokerUnavailable as error:
                    log.info("%s", error)
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                    pause = min(2 * pause, longest)
            self._found()

    async def _replace(self) -> None:
        client = await self._connect()
        try:
            async with asyncio.timeout(PATIENCE * 2):
                for subject, handler in list(self._handlers.items()):
                    await self._subscribe(client, subject, handler)
                await self._flush(client)
        except Exception as error:
            await _close(client)
            raise self.unavailable(error) from error
        except BaseException:
            await _close(client)
            raise
        if client.is_closed:
            raise self.unavailable("the new connection broke")
        self._client = client

    def _give_up(self) -> None:
        """Have what waits for an answer wait no longer."""
        now = asyncio.get_running_loop().time()
        for scope in self._asking:
            if not scope.expired():
                scope.reschedule(now)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: where an answer comes in the same moment, ``asyncio.wait_for`` of Python 3.11, which
    the library uses, returns it and forgets the cancellation.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.1)


def _parse(url: str) -> tuple[list[str], dict[str, Any]]:
    """Servers without credentials, and the credentials as the client takes them."""
    servers: list[str] = []
    credentials: dict[str, Any] = {}
    for each in url.split(","):
        scheme, separator, rest = each.strip().partition("://")
        userinfo, _, place = rest.rpartition("@")
        server = f"{scheme}{separator}{place}"
        try:
            parts = urlsplit(server)
            fine = scheme in ("nats", "tls", "ws", "wss") and parts.hostname and parts.port != 0
        except ValueError:
            fine = False
        if not fine:
            raise ConfigurationError(f"{server!r} is no address of NATS; write nats://host:4222")
        servers.append(server)
        if userinfo and not credentials:
            user, colon, password = userinfo.partition(":")
            credentials = {"token": unquote(user)}
            if colon:
                credentials = {"user": unquote(user), "password": unquote(password)}
    return servers, credentials


async def _close(client: Client) -> None:
    """Close a client, in whatever state it is."""
    with suppress(nats.errors.Error, OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await client.close()
