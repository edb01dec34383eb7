"""A hub: what it tells others of its channels, and what it does in the background."""

import asyncio

import pytest

from antiphon.brokers import MemoryBroker
from antiphon.channels import RULES, RULES_KEPT, Definition, Definitions, Hub, Publication
from antiphon.channels import hub as module
from antiphon.errors import BacklogFull
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


async def test_background_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in the background to be published is bounded; beyond that the caller is told."""
    hub = Hub(MemoryBroker())
    await hub.start()
    publication = Publication("news", "x" * 100)
    monkeypatch.setattr(module, "WAITING", 3 * (module.OVERHEAD + 100))
    try:
        for _ in range(3):
            hub.publish_nowait(publication)
        with pytest.raises(BacklogFull, match="'news'"):
            hub.publish_nowait(publication)
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.to_thread(hub.publish_nowait, publication)
    finally:
        await hub.stop()
    assert hub._waiting == 0


async def test_since_a_text() -> None:
    """A position that still is a text is refused, with a word on what makes one of it."""
    hub = Hub(MemoryBroker())
    with pytest.raises(TypeError, match=r"Position\.parse"):
        await hub.subscribe("news", None, "1.abc")  # type: ignore[arg-type]
    assert list(hub.channels) == []
