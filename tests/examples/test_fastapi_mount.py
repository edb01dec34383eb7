"""examples/fastapi_mount.py shows on Antiphon's sockets what FastAPI's handler takes."""

import json

import httpx
from websockets.sync.client import connect

from tests.servers import LiveServer


def test_an_order_by_http_appears_on_the_sockets() -> None:
    """An order that FastAPI validates is published; one that it refuses is not."""
    with (
        LiveServer.antiphon("examples.fastapi_mount:app") as server,
        connect(server.ws("/live/orders")) as ws,
    ):
        tea = {"item": "tea", "quantity": 2}
        assert httpx.post(server.http("/orders"), json={"item": "tea", "quantity": 0}).status_code == 422
        assert httpx.post(server.http("/orders"), json=tea).status_code == 201
        assert json.loads(ws.recv(timeout=5)) == tea
