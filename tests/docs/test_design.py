"""docs/topics/design.md: its tables are those of the code."""

import re

import pytest
from starlette.exceptions import HTTPException

from antiphon import Antiphon, InvalidMessage, WebSocket, WebSocketException
from antiphon.codec import WrongKind
from antiphon.errors import BrokerUnavailable, InvalidParameter, SubscriptionRefused
from antiphon.testing import TestClient
from tests.docs.markdown import table
from tests.docs.test_endpoints import refusal
from tests.test_layers import ROWS

PAGE = "docs/topics/design.md"

ERRORS = {
    "InvalidParameter": InvalidParameter("q", "is wrong"),
    "SubscriptionRefused": SubscriptionRefused("no"),
    "BrokerUnavailable": BrokerUnavailable("away"),
    "WrongKind": WrongKind("binary"),
    "InvalidMessage": InvalidMessage("no JSON"),
    "WebSocketException": WebSocketException(4123),
    "HTTPException": HTTPException(418),
    "any": RuntimeError(),
}


def test_layers() -> None:
    """The table of layers is the one that the suite holds."""
    rows = [(int(row), tuple(re.findall(r"`(\w+)`", names))) for row, names, _ in table(PAGE, "layers")]
    assert rows == list(enumerate(ROWS))


@pytest.mark.parametrize(("exception", "before", "after"), table(PAGE, "outcome"))
async def test_outcome(exception: str, before: str, after: str) -> None:
    """Each exception ends a connection as the table says."""
    error = ERRORS[re.findall(r"\w+", exception)[0]]
    app = Antiphon()

    @app.websocket("/before")
    async def early(ws: WebSocket) -> None:
        raise error

    @app.websocket("/after")
    async def late(ws: WebSocket) -> None:
        await ws.accept()
        raise error

    status = {"`status`": 418}.get(before) or int(before)
    code = {"`code`": 4123, "4000 + `status`": 4418}.get(after) or int(after)
    async with TestClient(app, raise_exceptions=False) as client:
        assert (await refusal(client, "/before"))[0] == status
        async with client.websocket("/after") as ws:
            assert (await ws.receive_close()).code == code


def test_every_row_is_tried() -> None:
    """No exception above is missing in the table."""
    assert len(table(PAGE, "outcome")) == len(ERRORS)
