"""The channels of an application: what they are like, and how they are doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from antiphon.app.admission import check_rule
from antiphon.channels import (
    Authorize,
    ChannelLimits,
    Definition,
    History,
    Hub,
    Overflow,
    Presence,
)
from antiphon.errors import ConfigurationError


class Channels:
    """What ``app.channels`` is.

    Args:
        hub: Where they live.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __repr__(self) -> str:
        return f"<Channels of {self._hub!r}>"

    def define(
        self,
        pattern: str,
        *,
        history: History | None = None,
        presence: Presence | bool = False,
        overflow: Overflow = Overflow.CLOSE,
        authorize: Authorize | None = None,
        limits: ChannelLimits | None = None,
        idempotency: float = 300.0,
    ) -> None:
        """Say what the channels that fit a pattern are like; of several that fit, the first counts.

        Args:
            pattern: Names, with parameters in braces, as ``room:{room}``: any text without a colon.
            history: What is remembered, so that subscribers that come back get what they missed.
            presence: Whether it is known who is subscribed; a ``Presence`` says more.
            overflow: What happens to subscribers that read too slowly.
            authorize: Who may subscribe: called with the WebSocket and the pattern's parameters by name,
                coroutine or plain function. True lets in; a ``Member`` as that member; anything else but
                False and None as the connection's user with this as the member's info; False refuses.
            limits: How large a publication and its audience may be.
            idempotency: Seconds within which a publication with a repeated id is not published again.

        Raises:
            ConfigurationError: It is too late, the pattern is none or defined already, ``authorize`` cannot
                be called so, or something is of another kind than it is to be.
        """
        if self._hub.running:
            raise ConfigurationError(
                f"channels {pattern!r}: define them before the application starts, beside its endpoints"
            )
        definition = Definition(
            pattern,
            history,
            (Presence() if presence is True else None) if isinstance(presence, bool) else presence,
            overflow,
            authorize,
            limits or ChannelLimits(),
            idempotency,
        )
        if authorize is not None:
            check_rule(authorize, definition.parameters)
        self._hub.definitions.add(definition)

    def statistics(self) -> dict[str, Any]:
        """How they are doing in this process: channels, subscribers, and counts since it started."""
        names = list(self._hub.channels)
        return {
            "broker": repr(self._hub.broker),
            "channels": len(names),
            "subscribers": sum(map(self._hub.subscribers, names)),
            **asdict(self._hub.statistics),
        }
