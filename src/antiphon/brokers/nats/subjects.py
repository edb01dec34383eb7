"""What things are called on NATS.

A publication goes in at one subject and comes out at another: JetStream stores what it finds at the first,
and republishes it to the second, which hubs subscribe to::

    PREFIX.in.EPOCH.CHANNEL            PREFIX.to.EPOCH.CHANNEL._            a channel with history
    PREFIX.in.live-MS.CHANNEL          PREFIX.to.live.CHANNEL._             a channel without
    PREFIX.in.presence.CHANNEL.USER    PREFIX.to.presence.CHANNEL.USER      who is present
    PREFIX.in.hubs.HUB, PREFIX.in.leases.HUB      which processes hold members, and which live

The epoch is part of the subjects: what is published into a stream that has been replaced finds nobody there,
and what comes out says by itself of which life it is.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256

from antiphon.errors import ConfigurationError

LIVE = "live"
PRESENCE = "presence"

#: Stands where a delivery is not about a user.
NOBODY = "_"

#: Bytes of a text that becomes a token as it is; of a longer one only the hash does, since a server refuses
#: lines above 4 KiB.
LONGEST = 300


def check_prefix(prefix: str) -> str:
    """Return a prefix that can be part of subjects and of streams' names.

    Raises:
        ConfigurationError: It cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", prefix):
        raise ConfigurationError(f"the prefix {prefix!r} has to be 1 to 64 letters, digits, '-' and '_'")
    return prefix


def token(text: str) -> str:
    """Any text as one token of a subject, another for each."""
    encoded = text.encode()
    if len(encoded) > LONGEST:
        return "~" + sha256(encoded).hexdigest()
    # Neither '~' nor '=' is a digit of base 64 as it is used here.
    return urlsafe_b64encode(encoded).decode().rstrip("=") or "="


def source(prefix: str, *tokens: str) -> str:
    """The subject at which something is stored."""
    return ".".join((prefix, "in", *tokens))


def delivery(prefix: str, *tokens: str) -> str:
    """The subject at which something is heard."""
    return ".".join((prefix, "to", *tokens))


def origin(subject: str) -> str:
    """Where something that was heard comes from: ``LIVE``, ``PRESENCE``, or an epoch."""
    return subject.split(".", 3)[2]
