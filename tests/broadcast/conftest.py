"""What keeps one test's configuration from another's."""

import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test depends on the environment it is run in, nor on a module that another one wrote."""
    for name in list(os.environ):
        if name.startswith(("ANTIPHON_", "PUSHER_", "ABLY_")):
            monkeypatch.delenv(name)
    yield
    for name in ("config.broadcast", "config"):
        sys.modules.pop(name, None)
