"""A plain ASGI application that sends what its path names: events before, one that cannot be, some after."""

from typing import Any

Event = dict[str, Any]

START: Event = {"type": "websocket.http.response.start", "status": 429}
BODY: Event = {"type": "websocket.http.response.body", "body": b"later"}
ACCEPT: Event = {"type": "websocket.accept"}
CLOSE: Event = {"type": "websocket.close"}
SEND: Event = {"type": "websocket.send", "text": "x"}
NOTHING: Event = {"type": "websocket.send"}
NEITHER: Event = {"type": "websocket.send", "text": None, "bytes": None}

#: By path: what is sent before, what cannot be, what is sent after.
CASES: dict[str, tuple[list[Event], Event, list[Event]]] = {
    "/accept-after-start": ([START], ACCEPT, [BODY]),
    "/close-after-start": ([START], CLOSE, [BODY]),
    "/start-twice": ([START], START, [BODY]),
    "/close-after-body": ([START], START, [BODY, CLOSE]),
    "/body-before-start": ([], BODY, [START, BODY]),
    "/send-before-accept": ([], SEND, [ACCEPT]),
    "/accept-twice": ([ACCEPT], ACCEPT, []),
    "/send-nothing": ([ACCEPT], NOTHING, []),
    "/send-neither": ([ACCEPT], NEITHER, []),
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    before, event, after = CASES[scope["path"]]
    await receive()
    for each in before:
        await send(each)
    try:
        await send(event)
    except RuntimeError as error:
        print(scope["path"], "was told:", error, flush=True)
    for each in after:
        await send(each)
