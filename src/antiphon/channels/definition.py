"""What channels are called, and what they are like: history, presence, who may enter, slow readers.

A definition holds for all channels that fit its pattern. ``Definitions`` is the list of them, in the order
of their definition: the first that fits counts. A channel that none fits is live only: server-side code
may use it, clients may not subscribe to it by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import NoneType
from typing import Any

import msgspec

from antiphon.errors import ConfigurationError, InvalidChannel

LONGEST = 200
INTERNAL = "$"

Authorize = Callable[..., Any]

#: Names whose definition is remembered, so that a publication does not look for it among patterns.
REMEMBERED = 10_000

#: Where applications tell others that use their broker what their channels are like.
RULES = f"{INTERNAL}rules"

_PARAMETER = re.compile(r"\{(\w+)\}")


def check(name: object) -> str:
    """Return the name of a channel if it can be one.

    Names are printable text of 1 to 200 bytes without spaces; those that begin with ``$`` are
    Antiphon's own.

    Raises:
        InvalidChannel: It cannot be one; the text says why.
    """
    if not isinstance(name, str) or not name:
        raise InvalidChannel(f"a channel's name is text with at least one character, not {name!r}")
    if len(name.encode("utf-8", "replace")) > LONGEST:
        raise InvalidChannel(f"a channel's name has at most {LONGEST} bytes: {name[:40]!r}…")
    if not name.isprintable() or " " in name:
        raise InvalidChannel(f"a channel's name has no spaces or control characters: {name!r}")
    if name.startswith(INTERNAL):
        raise InvalidChannel(f"channels that begin with {INTERNAL!r} are Antiphon's own: {name!r}")
    return name


def _is_number(value: object) -> bool:
    """Whether it is a whole number above 0."""
    return isinstance(value, int) and value > 0


def _is_time(value: object) -> bool:
    """Whether it is a number of seconds."""
    return isinstance(value, int | float) and 0 <= value < float("inf")


class Overflow(Enum):
    """What happens to a subscriber that reads more slowly than a channel is published to.

    Attributes:
        CLOSE: It is disconnected with 4008, and recovers by its position when it comes back.
        DROP_OLDEST: What waits longest is dropped.
        DROP_NEWEST: What comes is dropped, as long as there is no room.
        LATEST: Of what waits, only the newest of each event and key is kept; without room as DROP_OLDEST.
    """

    CLOSE = "close"
    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class History:
    """How much a channel remembers; what is forgotten cannot be recovered.

    Attributes:
        size: Publications that are kept, at most.
        ttl: Seconds for which each is kept.

    Raises:
        ConfigurationError: One of them is not positive.
    """

    size: int = 100
    ttl: float = 300.0

    def __post_init__(self) -> None:
        if not (_is_number(self.size) and _is_time(self.ttl) and self.ttl):
            raise ConfigurationError(
                f"{self!r}: size (publications) and ttl (seconds) are positive; leave it out for no history"
            )


@dataclass(frozen=True, slots=True)
class Retention:
    """What a broker keeps of a channel.

    Attributes:
        history: Its publications; None: none, and publications have no position.
        idempotency: Seconds for which the id of a publication is remembered.
    """

    history: History | None = None
    idempotency: float = 300.0


@dataclass(frozen=True, slots=True)
class Presence:
    """That a channel keeps who is subscribed.

    Attributes:
        grace: Seconds that a member whose last connection of a process ended stays, so that a reload of
            its page is no leave and join.

    Raises:
        ConfigurationError: It is no number of seconds.
    """

    grace: float = 3.0

    def __post_init__(self) -> None:
        if not _is_time(self.grace):
            raise ConfigurationError(f"{self!r}: grace is a number of seconds, 0 for none")


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """How large one channel may become.

    Attributes:
        data: Bytes of a publication's data; larger ones are refused to their publisher.
        subscribers: Subscribers in one process; None: as many as there are connections.

    Raises:
        ConfigurationError: One of them is not above 0.
    """

    data: int = 1024 * 1024
    subscribers: int | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.data) and (self.subscribers is None or _is_number(self.subscribers))):
            raise ConfigurationError(f"{self!r}: both are whole numbers above 0")


#: What the parts of a definition are, by their names; and an example for who gives something else.
_KINDS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("pattern", (str,), '"room:{room}"'),
    ("history", (History, NoneType), "History(size=100, ttl=300)"),
    ("presence", (Presence, NoneType), "True, or Presence(grace=3.0)"),
    ("overflow", (Overflow,), "Overflow.CLOSE"),
    ("limits", (ChannelLimits,), "ChannelLimits(data=4096)"),
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What the channels that fit a pattern are like.

    Attributes:
        pattern: Names, with parameters in braces, as ``room:{room}``: a parameter is any text without
            a colon.
        history: What is remembered; None: nothing.
        presence: Whether and how members are kept; None: not at all.
        overflow: What happens to slow readers.
        authorize: Called with the WebSocket and the pattern's parameters; True lets in, a ``Member`` lets
            in as that member, False refuses. None: only server-side code subscribes.
        limits: How large a channel may become.
        idempotency: Seconds within which a repeated id publishes once.
        retention: What the broker needs to know of it.

    Raises:
        ConfigurationError: One of them is of another kind.
    """

    pattern: str = "{channel}"
    history: History | None = None
    presence: Presence | None = None
    overflow: Overflow = Overflow.CLOSE
    authorize: Authorize | None = None
    limits: ChannelLimits = field(default_factory=ChannelLimits)
    idempotency: float = 300.0
    retention: Retention = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Checked here, because elsewhere a mistake would show with the first publication, or as lost ones.
        for name, kind, example in _KINDS:
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigurationError(f"{name}={value!r} of {self.pattern!r} is to be like {example}")
        if not _is_time(self.idempotency):
            raise ConfigurationError(f"idempotency={self.idempotency!r}: a number of seconds")
        object.__setattr__(self, "retention", Retention(self.history, self.idempotency))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the pattern's parameters."""
        return tuple(_PARAMETER.findall(self.pattern))


UNDEFINED = Definition()


class _Rule(msgspec.Struct):
    pattern: str
    retention: Retention
    data: int


class Definitions:
    """The definitions of one application's channels."""

    def __init__(self) -> None:
        self._all: list[tuple[_Pattern, Definition]] = []
        self._remembered: dict[str, Definition] = {}

    def __repr__(self) -> str:
        return f"<Definitions {[each.pattern for _, each in self._all]}>"

    def __iter__(self) -> Iterator[Definition]:
        return (definition for _, definition in self._all)

    def add(self, definition: Definition) -> None:
        """Add a definition; it counts where none before it fits.

        Raises:
            ConfigurationError: Its pattern is there already, or no pattern.
        """
        if any(each.pattern == definition.pattern for _, each in self._all):
            raise ConfigurationError(f"channels {definition.pattern!r} are defined already")
        self._all.append((_Pattern(definition.pattern), definition))
        self._remembered.clear()

    def of(self, channel: str) -> Definition:
        """The definition of a channel."""
        definition = self._remembered.get(channel)
        if definition is None:
            definition = next((each for _, each in self._fitting(channel)), UNDEFINED)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[channel] = definition
        return definition

    def to_json(self) -> str:
        """What whoever publishes from outside of the application has to know, as JSON."""
        rules = [_Rule(each.pattern, each.retention, each.limits.data) for each in self]
        return msgspec.json.encode(rules).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Definitions:
        """Definitions as far as ``to_json`` tells.

        Raises:
            ValueError: It is something else.
        """
        definitions = cls()
        for rule in msgspec.json.decode(text, type=list[_Rule]):
            keeps, limits = rule.retention, ChannelLimits(data=rule.data)
            definitions.add(
                Definition(rule.pattern, keeps.history, limits=limits, idempotency=keeps.idempotency)
            )
        return definitions

    def values(self, channel: str) -> dict[str, str]:
        """What a channel's name has for the parameters of its pattern, by their names."""
        return next((values for values, _ in self._fitting(channel)), {})

    def _fitting(self, channel: str) -> Iterator[tuple[dict[str, str], Definition]]:
        # Antiphon's own channels are as they are, whatever a pattern says.
        if not channel.startswith(INTERNAL):
            for pattern, definition in self._all:
                values = pattern.values(channel)
                if values is not None:
                    yield values, definition


class _Pattern:
    """A pattern, taken apart into what stands between its parameters.

    Clients choose names. A regular expression would try every way to divide one among several parameters;
    here each text before a parameter is looked for once, from the end: as far to the right as it can be, so
    that earlier parameters are as long as they can be.
    """

    def __init__(self, pattern: str) -> None:
        if not pattern:
            raise ConfigurationError("a channel's pattern is text with at least one character")
        *parts, self._end = _PARAMETER.split(pattern)
        self._before, self._names = parts[::2], parts[1::2]
        if any(set("{}") & set(text) for text in (*self._before, self._end)):
            raise ConfigurationError(
                f"{pattern!r} is no pattern of channels: braces hold a parameter's name, as in room:{{room}}"
            )
        if len({*self._names}) < len(self._names) or not all(map(str.isidentifier, self._names)):
            raise ConfigurationError(
                f"{pattern!r} is no pattern of channels: each parameter has a name of its own"
            )

    def values(self, name: str) -> dict[str, str] | None:
        """What a name has for the parameters; None: it does not fit."""
        if not self._names:
            return {} if name == self._end else None
        if not name.endswith(self._end):
            return None
        values = {}
        stop = len(name) - len(self._end)
        for at in reversed(range(len(self._names))):
            before = self._before[at]
            start = (name.rfind(before, 0, stop - 1) if at else 0) + len(before)
            value = name[start:stop]
            if start < len(before) or not value or ":" in value:
                return None
            values[self._names[at]] = value
            stop = start - len(before)
        return values if name.startswith(self._before[0]) else None
