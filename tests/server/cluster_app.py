"""An application that several workers serve, for tests: endpoint, channels and presence across processes.

Its broker is that of ANTIPHON_BROKER. Each connection to /desk is told first in which process it is.
"""

import os
import time
from typing import Any

from antiphon import Antiphon, Position, WebSocket
from antiphon.channels import History, Member, Presence
from antiphon.errors import BrokerUnavailable

app = Antiphon()
app.health_check()
app.channels.define("room:{room}", history=History(), presence=Presence(grace=0))

desk = app.events("/desk")


@desk.on("connect")
async def joined(ws: WebSocket) -> dict[str, Any]:
    """Say where the connection is."""
    return {"process": os.getpid(), "id": ws.id}


@desk.on("message")
async def said(ws: WebSocket, message: list[Any]) -> Any:
    """Do what the message says, in this connection's process."""
    match message:
        case ["subscribe", since, user]:
            subscription = await ws.subscribe(
                "room:red",
                since=since and Position.parse(since),
                envelope=True,
                member=Member(user) if user else False,
            )
            return {"recovered": subscription.recovered}
        case ["broadcast", text]:
            await desk.broadcast(text)
        case ["send_to", id, text]:
            return await desk.send_to(id, text)
        case ["send_to_nowait", id, text]:
            return desk.send_to_nowait(id, text)
        case ["publish", data]:
            try:
                return {"position": str(await app.channel("room:red").publish(data))}
            except BrokerUnavailable:
                return {"unavailable": True}
        case ["members"]:
            return sorted(member.user for member in await app.channel("room:red").members())
        case ["hang"]:
            time.sleep(1000)  # noqa: ASYNC251 - on purpose: nothing in this process goes on
    return None
