"""examples/rooms.py carries what is said in a room to those in it, and to nobody else."""

import httpx
from websockets.sync.client import connect

from tests.servers import LiveServer


def test_a_room_hears_its_people_and_no_other_room() -> None:
    """Coming, speaking and going reach the others; an announcement by HTTP reaches all in the room."""
    with (
        LiveServer.antiphon("examples.rooms:app") as server,
        connect(server.ws("/rooms/kitchen?name=Ann")) as ann,
        connect(server.ws("/rooms/cellar?name=Cy")) as cy,
    ):
        with connect(server.ws("/rooms/kitchen?name=Ben")) as ben:
            assert ann.recv(timeout=5) == "Ben is here"
            ben.send("hello")
            assert ann.recv(timeout=5) == "Ben: hello"
            answer = httpx.post(server.http("/rooms/kitchen"), params={"text": "Dinner is ready"})
            assert answer.json() == {"listeners": 2}
            assert ben.recv(timeout=5) == ann.recv(timeout=5) == "Dinner is ready"
        assert ann.recv(timeout=5) == "Ben is gone"
        httpx.post(server.http("/rooms/cellar"), params={"text": "Lights out"})
        assert cy.recv(timeout=5) == "Lights out"
