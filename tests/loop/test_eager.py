"""Tasks that begin at once: what they share with whoever starts them."""

import asyncio
import contextvars

from antiphon.loop import eager_tasks

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def test_begins_in_an_empty_context() -> None:
    """What one connection sets is seen by no handler of another, whoever's call happens to start it."""
    loop = asyncio.get_running_loop()
    eager, seen = eager_tasks(), []

    async def handler(name: str | None) -> None:
        seen.append(user.get())
        if name is not None:
            user.set(name)
        await asyncio.sleep(0)
        seen.append(user.get() if name is None else "-")

    async def starts(name: str | None) -> None:
        """Start a handler as a transport does: in a callback, here with the context of who asked for it."""
        called = loop.create_future()

        def callback() -> None:
            called.set_result(eager.start(handler(name)))

        context = contextvars.copy_context()
        context.run(user.set, "Alice")
        loop.call_soon(callback, context=context)
        if (task := await called) is not None:
            await task

    for name in (None, "Bob", None, None):
        await starts(name)
    user.set("Carol")
    task = eager.start(handler(None))
    assert task is not None
    await task
    assert set(seen) == {"nobody", "-"}
