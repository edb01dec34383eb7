"""examples/dependency_injection.py keeps each user's last notes and tells when a user has left."""

import json
import re

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers import LiveServer


def test_dependencies_live_as_long_as_they_should() -> None:
    """The notebook lives with the application, a visit with its connection."""
    with LiveServer.antiphon("examples.dependency_injection:app") as server:
        with connect(server.ws("/notes?user=ann")) as first:
            for number in range(4):
                first.send(f"note {number}")
                first.recv(timeout=5)
        with connect(server.ws("/notes?user=ann")) as second, connect(server.ws("/notes?user=ben")) as other:
            second.send("note 4")
            second.send("note 5")
            second.recv(timeout=5)
            assert json.loads(second.recv(timeout=5)) == [f"note {number}" for number in range(1, 6)]
            other.send("mine")
            assert json.loads(other.recv(timeout=5)) == ["mine"]
        with pytest.raises(InvalidStatus) as refused, connect(server.ws("/notes")):
            pass
        assert refused.value.response.status_code == 400
        assert b"user" in refused.value.response.body
    assert len(re.findall(r"ann stayed for \d\.\d s", server.output())) == 2
