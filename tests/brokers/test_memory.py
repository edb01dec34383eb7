"""The broker of a single process."""

from antiphon.brokers import MemoryBroker
from antiphon.channels import Publication


async def test_carries_in_order() -> None:
    """What is published is delivered at once, in order, and has no position."""
    delivered: list[object] = []
    broker = MemoryBroker()
    await broker.start(lambda publication: delivered.append(publication.data))
    results = [broker.publish(Publication("news", n, str(n))) for n in range(3)]
    assert delivered == [0, 1, 2]
    assert [await each for each in results] == [None] * 3


async def test_subscribing_is_nothing() -> None:
    """Every publication passes by anyway."""
    broker = MemoryBroker()
    await broker.subscribe("news")
    await broker.unsubscribe("news")
    assert repr(broker) == "<MemoryBroker>"


async def test_stopped() -> None:
    """After it stopped nothing is delivered, and publishing is no error; it can start again."""
    delivered: list[object] = []
    broker = MemoryBroker()
    for _ in range(2):
        await broker.publish(Publication("news", "lost", "lost"))
        await broker.start(lambda publication: delivered.append(publication.data))
        await broker.publish(Publication("news", "kept", "kept"))
        await broker.stop()
    assert delivered == ["kept", "kept"]
