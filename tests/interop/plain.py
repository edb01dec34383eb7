"""An application of plain ASGI that does, on each path, one thing that is seldom done."""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected

#: What an application was told, by the key of its connection.
seen: dict[str, asyncio.Future[Any]] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        key = scope["path"].rpartition("/")[2]
        event = await seen.setdefault(key, asyncio.get_running_loop().create_future())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(event).encode()})
    elif scope["type"] == "websocket":
        key = scope["query_string"].decode()
        future = seen.setdefault(key, asyncio.get_running_loop().create_future())
        try:
            future.set_result(await PATHS[scope["path"]](receive, send))
        except BaseException as error:
            future.set_result(isinstance(error, OSError) or type(error).__name__)
            raise


async def raises_first(receive: Any, send: Any) -> None:
    raise LookupError("secret")


async def raises_after_accept(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    raise LookupError("secret")


async def cancelled_first(receive: Any, send: Any) -> None:
    """What it waits for is cancelled, not it."""
    raise asyncio.CancelledError


async def cancelled_after_accept(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    raise asyncio.CancelledError


async def cancels_itself_first(receive: Any, send: Any) -> None:
    """Somebody cancels its task, who is not the server."""
    await receive()
    await cancels_itself()


async def cancels_itself_after_accept(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await cancels_itself()


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def exits_first(receive: Any, send: Any) -> None:
    raise SystemExit(3)


async def exits_after_accept(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    raise SystemExit(3)


async def another_is_gone(receive: Any, send: Any) -> None:
    """It lets through that somebody else's client is gone."""
    await receive()
    await send({"type": "websocket.accept"})
    raise ClientDisconnected


async def waits_first(receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def returns_first(receive: Any, send: Any) -> None:
    await receive()


async def returns_after_accept(receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})


async def bad_code(receive: Any, send: Any) -> None:
    """1006 may not be sent."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1006})


async def no_code(receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": None, "reason": None})


async def wrong_subprotocol(receive: Any, send: Any) -> None:
    """The client has not offered it."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "v9"})


async def listens(receive: Any, send: Any) -> Any:
    """Give what ends it."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
    return event["type"], int(event["code"]), event.get("reason")


async def sends_for_ever(receive: Any, send: Any) -> None:
    """Until the client is gone, which ends it by an OSError."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "bytes": bytes(100_000)})


async def reads_late(receive: Any, send: Any) -> int:
    """Read only when the client has had enough: count until the last message."""
    await receive()
    await send({"type": "websocket.accept"})
    await gate.wait()
    count = 0
    while (await receive()).get("text") != "last":
        count += 1
    return count


async def opens_gate(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    gate.set()


gate = asyncio.Event()
PATHS = {
    f"/{each.__name__}": each
    for each in (
        raises_first,
        raises_after_accept,
        cancelled_first,
        cancelled_after_accept,
        cancels_itself_first,
        cancels_itself_after_accept,
        exits_first,
        exits_after_accept,
        another_is_gone,
        waits_first,
        returns_first,
        returns_after_accept,
        bad_code,
        no_code,
        wrong_subprotocol,
        listens,
        sends_for_ever,
        reads_late,
        opens_gate,
    )
}
