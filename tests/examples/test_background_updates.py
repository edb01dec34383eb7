"""examples/background_updates.py sends the time by itself, and counts down beside it."""

import json

from websockets.sync.client import connect

from tests.servers import LiveServer


def test_a_task_and_a_thread_publish_to_everybody() -> None:
    """Who only listens hears the countdown that somebody else asked for, and the time between."""
    with (
        LiveServer.antiphon("examples.background_updates:app") as server,
        connect(server.ws("/updates")) as asking,
        connect(server.ws("/updates")) as listening,
    ):
        asking.send("7")
        heard = []
        while {"left": 0} not in heard:
            heard.append(json.loads(listening.recv(timeout=5)))
        assert [each["left"] for each in heard if "left" in each] == [7, 6, 5, 4, 3, 2, 1, 0]
        assert any("time" in each for each in heard)
