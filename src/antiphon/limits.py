"""What a peer may cost: sizes and counts in ``Limits``, waiting in ``Timeouts``.

Both are frozen value objects with defaults that protect. They are passed whole, from the application or
the command line to the place of use; nothing in between takes them apart. Sizes are bytes, times are
seconds, and ``None`` means *no limit* where a field allows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from antiphon.errors import ConfigurationError

Number = int | float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one peer, and all peers together, may use.

    Attributes:
        message: Largest received message, in bytes, decompressed; a larger one closes with 1009.
        head: Largest head of a request, in bytes; a larger one is refused with 431. Trailers, and what
            stands beside a body in its chunks, may be as large; then the connection is cut off.
        frame: Largest payload of a received frame, in bytes; ``None``: as large as a message, and what
            deflating adds to one that cannot be compressed.
        fragments: Most frames that one received message may come in.
        inbound_messages: Messages of one connection that may wait for its handler; when as many wait,
            reading from that peer pauses.
        inbound: Bytes of such messages; when as many wait, reading pauses as well.
        messages_per_second: Messages of one connection in a second, averaged over ten seconds; more
            close it with 1008.
        subscriptions: Channels that one connection may be subscribed to; one more closes it with 1008.
        outbox: Bytes that may wait to be sent to one peer; when more would, the connection closes
            with 4008 (or does what its channel's overflow policy says).
        high_water: Bytes in the outbox above which ``await ws.send(...)`` waits for the peer.
        connections: Open connections in all, HTTP included; more are refused with 503.
        connections_per_address: Open connections of one address (IPv6: of one /64 network); more are
            refused with 503. Trusted proxies are not counted, but those they speak for.
        connections_per_second: New connections of one address in a second, likewise.
        worker_threads: Handlers that are plain functions and run at the same time; more wait, so that
            blocking handlers stall others only when there are as many of them.

    Raises:
        ConfigurationError: A value is not positive, or ``high_water`` is above ``outbox``.
    """

    message: int = 1024 * 1024
    head: int = 32 * 1024
    frame: int | None = None
    fragments: int = 4096
    inbound_messages: int = 64
    inbound: int = 4 * 1024 * 1024
    messages_per_second: int | None = None
    subscriptions: int = 1000
    outbox: int = 4 * 1024 * 1024
    high_water: int = 64 * 1024
    connections: int | None = 20_000
    connections_per_address: int | None = 1000
    connections_per_second: int | None = 100
    worker_threads: int = 1000

    def __post_init__(self) -> None:
        _check(self)
        if self.high_water > self.outbox:
            raise ConfigurationError(
                f"Limits.high_water ({self.high_water}) is above Limits.outbox ({self.outbox}):"
                " sending would never wait; lower the first or raise the second"
            )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds; those that count from a peer's silence are kept to a few seconds.

    Attributes:
        accept: A view that accepts by itself and has neither used nor refused its WebSocket for so
            long is accepted, so that no client hangs.
        handshake: TLS that is not agreed on for so long is cut off, a request whose head is not
            complete refused with 408, one whose body does not go on cut off, and a handshake that the
            application neither accepts nor refuses refused with 503.
        message: A message that has begun and is not complete for so long, up to twice as long, closes
            with 1008.
        idle: A peer that has sent no message for so long is closed with 1001; ``None``: it may be silent.
        ping_interval: Time between the pings that keep a connection alive, whoever sends meanwhile;
            ``None``: no pings.
        ping: Time a peer has to answer a ping before it counts as gone.
        close: Time a peer has to answer a close frame.
        drain: Time that a stopping server gives its connections and handlers to end; the lifespan has as
            much behind them.
        spread: Part of ``drain`` over which a stopping server spreads its close frames, so that its
            clients do not all come back at once; 0: no time at all.

    Raises:
        ConfigurationError: A value is not positive, or ``spread`` is not below ``drain``.
    """

    accept: float = 1.0
    handshake: float = 10.0
    message: float = 60.0
    idle: float | None = None
    ping_interval: float | None = 30.0
    ping: float = 20.0
    close: float = 5.0
    drain: float = 3.5
    spread: float = 0.0

    def __post_init__(self) -> None:
        _check(self, may_be_zero=("spread",))
        if self.spread >= self.drain:
            raise ConfigurationError(
                f"Timeouts.spread ({self.spread}) is not below Timeouts.drain ({self.drain}):"
                " the last would be told when there is no time left; raise the second"
            )


Values = TypeVar("Values", Limits, Timeouts)


def changed(values: Values, changes: Mapping[str, Number]) -> Values:
    """The same values but for some fields.

    Raises:
        ConfigurationError: There is no such field, or it cannot have that value.
    """
    for name in changes:
        if name not in (names := [field.name for field in fields(values)]):
            raise ConfigurationError(f"{type(values).__name__} has no {name!r}; it has {', '.join(names)}")
    return replace(values, **changes)  # type: ignore[arg-type]


def _check(values: Limits | Timeouts, may_be_zero: tuple[str, ...] = ()) -> None:
    for field in fields(values):
        value: Any = getattr(values, field.name)
        where = f"{type(values).__name__}.{field.name}"
        if value is None:
            if "None" not in str(field.type):
                raise ConfigurationError(f"{where} cannot be None: it protects the server")
        elif not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigurationError(f"{where} must be a number, not {value!r}")
        elif value < 0 or (value == 0 and field.name not in may_be_zero):
            raise ConfigurationError(f"{where} must be positive, not {value}")
