"""What a channel may be called."""

from __future__ import annotations

from antiphon.errors import InvalidChannel

LONGEST = 200
INTERNAL = "$"


def check(name: str) -> str:
    """Return the name of a channel if it can be one.

    Names are printable text of 1 to 200 bytes without spaces; those that begin with ``$`` are
    Antiphon's own.

    Raises:
        InvalidChannel: It cannot be one; the text says why.
    """
    if not name:
        raise InvalidChannel(f"a channel's name is text with at least one character, not {name!r}")
    if len(name.encode("utf-8", "replace")) > LONGEST:
        raise InvalidChannel(f"a channel's name has at most {LONGEST} bytes: {name[:40]!r}…")
    if not name.isprintable() or " " in name:
        raise InvalidChannel(f"a channel's name has no spaces or control characters: {name!r}")
    if name.startswith(INTERNAL):
        raise InvalidChannel(f"channels that begin with {INTERNAL!r} are Antiphon's own: {name!r}")
    return name
