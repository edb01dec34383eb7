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
from antiphon.app.binding.handler import Handler
from antiphon.app.binding.paths import names_in
from antiphon.app.binding.plan import Plan, Site, plan
from antiphon.app.binding.signature import describe

__all__ = [
    "Depends",
    "Handler",
    "Plan",
    "Provider",
    "Providers",
    "Scope",
    "Session",
    "Site",
    "describe",
    "is_async",
    "names_in",
    "plan",
    "run",
]
