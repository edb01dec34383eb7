"""A hub: what it tells others of its channels."""

import asyncio

import pytest

from antiphon.channels import RULES, RULES_KEPT, Definition, Definitions, Hub
from antiphon.channels import hub as module
from tests.channels.lossy import LossyServer


async def test_announces_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What channels are like is said again from time to time, before a broker forgets it."""
    monkeypatch.setattr(module, "CHECK", 0.001)
    monkeypatch.setattr(module, "ANNOUNCE", 0.0)
    definitions = Definitions()
    definitions.add(Definition("news"))
    (broker,) = LossyServer(1).brokers
    hub = Hub(broker, definitions)
    await hub.start()
    try:
        async with asyncio.timeout(5):
            while (page := await broker.history(RULES, RULES_KEPT)).position.offset < 3:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.001)
        assert [each.payload for each in page] == [definitions.to_json()]
    finally:
        await hub.stop()
