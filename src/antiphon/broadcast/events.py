"""Events as classes: what happened knows by itself where, as what and with what it is broadcast."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Self

import msgspec

from antiphon.broadcast.config import Choices
from antiphon.broadcast.delivery import Names, Origin, connection_id

_ORIGIN = "_broadcast_origin"


class PrivateChannel(str):
    """The name of a private channel: ``PrivateChannel("orders.7")`` is ``"private-orders.7"``.

    A client is let in by the authorisation route only.
    """

    __slots__ = ()
    prefix = "private-"

    def __new__(cls, name: str) -> Self:
        return super().__new__(cls, cls.prefix + name)


class PresenceChannel(PrivateChannel):
    """The name of a presence channel: a private one whose members see one another."""

    __slots__ = ()
    prefix = "presence-"


class EncryptedChannel(PrivateChannel):
    """The name of a private channel whose messages Pusher itself cannot read."""

    __slots__ = ()
    prefix = "private-encrypted-"


class BroadcastEvent:
    """Something that happened, and is broadcast: ``await broadcast.publish(OrderShipped(order))``.

    Only ``broadcast_on`` must be there. A dataclass or a ``msgspec.Struct`` may be one too.
    """

    def broadcast_on(self) -> Names:
        """The channel or channels."""
        raise NotImplementedError(f"{type(self).__name__}.broadcast_on returns the channels it is sent to")

    def broadcast_as(self) -> str:
        """The event's name; the class's, unless you say otherwise."""
        return type(self).__name__

    def broadcast_with(self) -> Any:
        """The message; by default all attributes that do not begin with an underscore."""
        return {name: getattr(self, name) for name in _attributes(self) if not name.startswith("_")}

    def broadcast_when(self) -> bool:
        """Whether it is broadcast at all."""
        return True

    def broadcast_via(self) -> Choices:
        """The driver or drivers; None: those of the facade that is told to broadcast it."""
        return None

    def to_others(self, origin: Origin) -> Self:
        """The same event for everybody but one connection: whoever caused it knows already.

        Args:
            origin: The WebSocket; or the HTTP request, whose header ``X-Socket-ID`` says which one
                (pusher-js and Laravel Echo know theirs); or its id.
        """
        other = copy.copy(self)
        # Past the guard of frozen classes, into the dictionary that this base gives to slotted ones too.
        vars(other)[_ORIGIN] = connection_id(origin)
        return other


def origin_of(event: BroadcastEvent) -> str | None:
    """Who shall not get an event, as ``to_others`` was told."""
    origin: str | None = getattr(event, _ORIGIN, None)
    return origin


def _attributes(event: object) -> Sequence[str]:
    if isinstance(event, msgspec.Struct):
        return event.__struct_fields__
    if is_dataclass(event):
        return [each.name for each in fields(event)]
    return list(vars(event))
