"""Plain ASGI events over our own transport: those that cannot be are errors which say why."""

from pathlib import Path

import pytest

from tests.hostile.peer import Peer, request
from tests.servers import LiveServer

APP = """
START = {{"type": "websocket.http.response.start", "status": 429}}
BODY = {{"type": "websocket.http.response.body", "body": b"later"}}
ACCEPT = {{"type": "websocket.accept"}}


async def app(scope, receive, send):
    await receive()
    for event in ({before}):
        await send(event)
    try:
        await send({event})
    except Exception as error:
        print("told:", repr(error), flush=True)
    for event in ({after}):
        await send(event)
"""


@pytest.mark.parametrize(
    ("before", "event", "after", "status", "told"),
    [
        ("START,", "ACCEPT", "BODY,", 429, "'websocket.accept' cannot come now"),
        ("START,", "{'type': 'websocket.close'}", "BODY,", 429, "'websocket.close' cannot come now"),
        ("START,", "START", "BODY,", 429, "'websocket.http.response.start' cannot come now"),
        ("START,", "ACCEPT", "BODY, {'type': 'websocket.close'}", 429, "cannot come now"),
        ("", "BODY", "START, BODY", 429, "websocket.http.response.body before"),
        ("", "{'type': 'websocket.send', 'text': 'x'}", "ACCEPT,", 101, "before websocket.accept"),
        ("ACCEPT,", "ACCEPT", "", 101, "'websocket.accept' cannot come now"),
        ("ACCEPT,", "{'type': 'websocket.send'}", "", 101, "neither text nor bytes"),
        (
            "ACCEPT,",
            "{'type': 'websocket.send', 'text': None, 'bytes': None}",
            "",
            101,
            "neither text nor bytes",
        ),
    ],
)
async def test_events_that_cannot_be(
    before: str, event: str, after: str, status: int, told: str, tmp_path: Path
) -> None:
    """An event at the wrong time, or without what it is for, is an error of who sent it, and does nothing."""
    (tmp_path / "events.py").write_text(APP.format(before=before, event=event, after=after))
    with LiveServer.antiphon("events:app", env={"PYTHONPATH": f"{tmp_path}:."}) as server:
        async with Peer.raw(server) as peer:
            await peer.send(request("/"))
            assert await peer.status() == status
            assert await peer.gone() if status == 429 else await peer.closed() == 1000
    assert "told: RuntimeError(" in server.output()
    assert "Traceback" not in server.output()
    assert told in server.output()
