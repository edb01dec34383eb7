"""What a peer may cost: sizes and counts in ``Limits``, waiting in ``Timeouts``.

Both are frozen value objects with defaults that protect. They are passed whole, from the application or
the command line to the place of use; nothing in between takes them apart. Sizes are bytes, times are
seconds, and ``None`` means *no limit* where a field allows it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from antiphon.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one peer, and all peers together, may use.

    Attributes:
        message: Largest received message, in bytes; a larger one closes with 1009.
        head: Largest head of a handshake's request, in bytes; a larger one is refused with 431.
        frame: Largest payload of a received frame, in bytes.
        fragments: Most frames that one received message may come in.
        inbound_messages: Messages of one connection that may wait for its handler; when as many wait,
            reading from that peer pauses.
        outbox: Bytes that may wait to be sent to one peer; when more would, the connection closes
            with 4008 (or does what its channel's overflow policy says).
        high_water: Bytes in the outbox above which ``await ws.send(...)`` waits for the peer.
        worker_threads: Handlers that are plain functions and run at the same time; more wait.

    Raises:
        ConfigurationError: A value is not positive, or ``high_water`` is above ``outbox``.
    """

    message: int = 1024 * 1024
    head: int = 32 * 1024
    frame: int = 1024 * 1024
    fragments: int = 4096
    inbound_messages: int = 64
    outbox: int = 4 * 1024 * 1024
    high_water: int = 64 * 1024
    worker_threads: int = 64

    def __post_init__(self) -> None:
        _all_positive(self)
        if self.high_water > self.outbox:
            raise ConfigurationError(
                f"Limits.high_water ({self.high_water}) is above Limits.outbox ({self.outbox}):"
                " sending would never wait; lower the first or raise the second"
            )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        accept: A view that accepts by itself and has neither used nor refused its WebSocket for so
            long is accepted, so that no client hangs.
        handshake: A handshake that is neither accepted nor refused for so long is refused.
        ping_interval: Time between the pings that keep a connection alive; ``None``: no pings.
        ping: Time a peer has to answer a ping before it counts as gone.
        close: Time a peer has to answer a close frame.
        drain: Time that a stopping server gives its connections and handlers to end.

    Raises:
        ConfigurationError: A value is not positive.
    """

    accept: float = 1.0
    handshake: float = 10.0
    ping_interval: float | None = 20.0
    ping: float = 20.0
    close: float = 5.0
    drain: float = 3.5

    def __post_init__(self) -> None:
        _all_positive(self)


def _all_positive(values: Limits | Timeouts) -> None:
    for field in fields(values):
        value = getattr(values, field.name)
        if value is not None and value <= 0:
            raise ConfigurationError(f"{type(values).__name__}.{field.name} must be positive, not {value}")
