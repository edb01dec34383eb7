"""The scripts that run within Redis, where nothing comes between their steps.

Each is a file of `lua/`, with `common.lua` before it. Redis keeps scripts by their hash: every connection for
commands loads them when it is made, so that a call sends the hash only.
"""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files

_FOLDER = files(__package__) / "lua"
_COMMON = (_FOLDER / "common.lua").read_text(encoding="utf-8")


class Script:
    """One script.

    Attributes:
        text: What it is.
        call: The beginning of a command that calls it, with its number of keys to follow.
    """

    __slots__ = ("call", "text")

    def __init__(self, name: str) -> None:
        self.text = (_COMMON + (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")).encode()
        self.call = (b"EVALSHA", sha1(self.text, usedforsecurity=False).hexdigest().encode())


PUBLISH = Script("publish")
HISTORY = Script("history")
ATTEND = Script("attend")
LEASE = Script("lease")
SWEEP = Script("sweep")
MEMBERS = Script("members")

#: The commands that load them all.
LOAD = tuple(
    (b"SCRIPT", b"LOAD", script.text) for script in (PUBLISH, HISTORY, ATTEND, LEASE, SWEEP, MEMBERS)
)
