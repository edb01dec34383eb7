"""What belongs to an event loop: one for each, whoever asks in between."""

import asyncio
import gc
import weakref

from antiphon.loop.each import ForEachLoop


class Thing:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop


def test_one_for_each() -> None:
    """Each event loop has its own, made once, also when loops take turns in asking."""
    made: list[Thing] = []

    def make(loop: asyncio.AbstractEventLoop) -> Thing:
        made.append(Thing(loop))
        return made[-1]

    thing_of = ForEachLoop(make)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        for loop in (first, second, first, first, second):
            assert thing_of(loop).loop is loop
            assert thing_of(loop) is thing_of(loop)
        assert [thing.loop for thing in made] == [first, second]
        assert repr(thing_of).startswith("<ForEachLoop of <function")
    finally:
        first.close()
        second.close()


def test_forgotten() -> None:
    """A closed event loop does not stay in memory, nor does what was made for it."""
    thing_of = ForEachLoop(Thing)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loops.append(weakref.ref(loop))
        thing_of(loop)
        loop.close()
    del loop
    gc.collect()
    # The last one stays until there is another.
    assert sum(each() is not None for each in loops) == 1
