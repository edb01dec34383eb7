"""What an endpoint decides for all of its WebSockets, as one value."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from antiphon.codec import Decoder, Encoder, MessageType, decoder, encoder
from antiphon.errors import ConfigurationError
from antiphon.subscription import Member, Position, Subscription

CaughtCloseCodes = Container[int] | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """In what way a WebSocket wants to be subscribed.

    Attributes:
        since: Send first what came after this position.
        envelope: Send each publication as an object with all that is known of it.
        presence: Send joins and leaves as well, and say who is present.
        member: As whom it is present; None: as its user. False: not at all.
    """

    since: Position | None = None
    envelope: bool = False
    presence: bool = False
    member: Member | Literal[False] | None = None


class Subscriptions(Protocol):
    """The channels that one WebSocket is subscribed to."""

    async def add(self, channel: str, asked: Asked) -> Subscription:
        """Subscribe to a channel; a second time changes nothing and is no error."""

    async def remove(self, channel: str) -> None:
        """Unsubscribe from a channel; one that was not subscribed is no error."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the WebSockets of one endpoint behave.

    Attributes:
        receive_type: What ``receive`` and ``async for`` yield.
        send_type: What ``send`` takes.
        auto_accept: Whether the first use accepts.
        caught_close_codes: Close codes that end a view quietly; the built-in ``all`` for every code.
        decode: From a message to a value of the receive type.
        encode: From a value of the send type to a message.

    Raises:
        ConfigurationError: A message type is unknown, or the codes are neither codes nor ``all``.
    """

    receive_type: MessageType = None
    send_type: MessageType = None
    auto_accept: bool = True
    caught_close_codes: CaughtCloseCodes = builtins.all
    decode: Decoder = field(init=False, repr=False)
    encode: Encoder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        codes = self.caught_close_codes
        if codes is not builtins.all and not isinstance(codes, Container):
            raise ConfigurationError(
                f"caught_close_codes takes close codes, as in (1000, 1001), or all; not {codes!r}"
            )
        object.__setattr__(self, "decode", decoder(self.receive_type))
        object.__setattr__(self, "encode", encoder(self.send_type))

    def catches(self, code: int) -> bool:
        """Whether a disconnect with this code ends a view quietly."""
        codes = self.caught_close_codes
        return codes is builtins.all or (isinstance(codes, Container) and code in codes)
