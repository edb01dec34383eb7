"""How an application is, for those who look whether it still serves: load balancers, probes, people.

It tells of this process alone, and no secrets: a broker's address is shown without its password.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.app.http import JSONResponse
from antiphon.channels import INTERNAL, Hub

#: What tells caches and proxies to ask each time.
FRESH = {"cache-control": "no-store"}


def health_of(hub: Hub, connections: int) -> dict[str, Any]:
    """What an application says of itself; see ``Antiphon.health``."""
    outage = hub.statistics.outage
    # Endpoints have channels of their own, which are nobody's business.
    channels = [name for name in hub.channels if not name.startswith(INTERNAL)]
    return {
        "ok": hub.running and outage is None,
        "running": hub.running,
        "broker": repr(hub.broker),
        "outage": outage,
        "connections": connections,
        "channels": len(channels),
        "subscribers": sum(map(hub.subscribers, channels)),
    }


def health_route(path: str, health: Callable[[], dict[str, Any]]) -> Route:
    """A route that answers with an application's health: 200 if it is well, 503 if not."""

    async def answer(request: Request) -> Response:
        said = health()
        return JSONResponse(said, 200 if said["ok"] else 503, headers=FRESH)

    return Route(path, answer, name="health")
