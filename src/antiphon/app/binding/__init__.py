"""From a handler's signature to a way of calling it."""

from antiphon.app.binding.dependencies import (
    Depends,
    Provider,
    Providers,
    Scope,
    Session,
    is_async,
    run,
)
from antiphon.app.binding.plan import Plan, Site, plan
from antiphon.app.binding.signature import describe

__all__ = [
    "Depends",
    "Plan",
    "Provider",
    "Providers",
    "Scope",
    "Session",
    "Site",
    "describe",
    "is_async",
    "plan",
    "run",
]
