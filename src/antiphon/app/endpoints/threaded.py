"""Handlers that are plain functions: a worker thread is handed all the messages that wait together."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from antiphon.codec import Decoder, encode
from antiphon.connection import Prepared, WebSocket
from antiphon.loop import WorkerThreads, harmless

Call = Callable[[Any, Any], Any]

#: Messages handed over together, at most.
TOGETHER = 64

#: Bytes of answers after which a worker thread lets the connection drain.
ENOUGH = 64 * 1024


async def hand_over(
    threads: WorkerThreads,
    ws: WebSocket,
    call: Call,
    decode: Decoder,
    failed: Callable[[Exception], Awaitable[Any]],
) -> None:
    """Have a worker thread handle messages that wait, in order; those behind one that failed wait again.

    Args:
        threads: The worker threads.
        ws: Whose messages they are.
        call: Calls the handler.
        decode: From a message to what the handler takes.
        failed: Deals with what the handler raised.
    """
    inbox = ws.inbox
    messages = inbox.waiting[:TOGETHER]
    del inbox.waiting[:TOGETHER]
    inbox.relax()
    try:
        handled, error = await threads.run(_handle, ws, messages, call, decode)
    except asyncio.CancelledError:
        # The thread goes on with the message it has, and begins with no other.
        messages.clear()
        raise
    except Exception:
        # There is no thread: one message fails, the others wait.
        inbox.waiting[:0] = messages[1:]
        raise
    inbox.waiting[:0] = messages[handled:]
    if error is not None:
        await failed(error)
    await ws.drained()


def _handle(
    ws: WebSocket, messages: Sequence[str | bytes], call: Call, decode: Decoder
) -> tuple[int, Exception | None]:
    """Handle messages in this thread, until one fails or the answers should be waited for.

    Returns:
        How many were handled, and what the last of them raised.
    """
    answered = 0
    for number, message in enumerate(messages, 1):
        if ws.closed_here:
            break
        try:
            value = contextvars.copy_context().run(call, ws, decode(message))
            if value is not None:
                answer = encode(value)
                ws.call_soon(ws.write_nowait, Prepared((answer,)))
                answered += len(answer)
        except BaseException as error:
            return number, harmless(error)
        if answered > ENOUGH:
            return number, None
    return len(messages), None
