"""Who may enter a channel, and as whom."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from antiphon.channels import Authorize, Definition, Definitions
from antiphon.connection import WebSocket
from antiphon.errors import ConfigurationError, SubscriptionRefused
from antiphon.loop import WorkerThreads
from antiphon.subscription import Member


class Admission:
    """Lets one connection into channels, by their definitions' ``authorize``.

    Args:
        ws: The connection.
        definitions: What channels are like.
        threads: Where rules that are plain functions run.
    """

    def __init__(self, ws: WebSocket, definitions: Definitions, threads: WorkerThreads) -> None:
        self._ws = ws
        self._definitions = definitions
        self._threads = threads

    async def __call__(self, channel: str, definition: Definition) -> Member:
        """Let it in.

        Returns:
            As whom it is present, where the channel keeps presence.

        Raises:
            SubscriptionRefused: The rule says no.
        """
        member = Member(user_of(self._ws))
        rule = definition.authorize
        if rule is None:
            return member
        verdict = await self._ask(rule, self._definitions.values(channel))
        if verdict is False or verdict is None:
            raise SubscriptionRefused(f"channel {channel!r} does not let you in")
        if verdict is True:
            return member
        return verdict if isinstance(verdict, Member) else Member(member.user, verdict)

    async def _ask(self, rule: Authorize, parameters: dict[str, str]) -> Any:
        if inspect.iscoroutinefunction(rule):
            return await rule(self._ws, **parameters)
        verdict = await self._threads.run(_call, rule, self._ws, parameters)
        # An object with a coroutine for its call does not look like a coroutine function.
        return await verdict if inspect.isawaitable(verdict) else verdict


def user_of(ws: WebSocket) -> str:
    """Who a connection is: its authenticated user, or itself."""
    user = ws.scope.get("user")
    if user is None or not user.is_authenticated:
        return ws.id
    try:
        return str(user.identity)
    except NotImplementedError:  # Starlette's SimpleUser has no identity.
        return str(user.display_name)


def check_rule(rule: Authorize, parameters: tuple[str, ...]) -> None:
    """See that a rule can be called as it will be.

    Raises:
        ConfigurationError: It cannot; the text says with what it is called.
    """
    try:
        inspect.signature(rule).bind(None, **dict.fromkeys(parameters, ""))
    except TypeError as error:
        wanted = ", ".join(("ws", *parameters))
        name = getattr(rule, "__qualname__", repr(rule))
        raise ConfigurationError(f"authorize={name} is called with ({wanted}): {error}") from None


def _call(rule: Callable[..., Any], ws: WebSocket, parameters: dict[str, str]) -> Any:
    return rule(ws, **parameters)
