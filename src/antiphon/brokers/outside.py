"""What a program outside of an application needs: the broker that the application uses, and its rules."""

from __future__ import annotations

import os

from antiphon.brokers.choice import broker_of
from antiphon.channels import RULES, RULES_KEPT, Broker, Definitions
from antiphon.errors import AntiphonError, ConfigurationError

_HOW = "as redis://host, that of the application: name it, or set ANTIPHON_BROKER in the environment"


def shared_broker(url: str | None) -> Broker:
    """Make a broker that this program shares with an application.

    Args:
        url: Its URL; None: that of ``ANTIPHON_BROKER`` in the environment.

    Raises:
        ConfigurationError: There is none, nobody else can be reached by it, or something in it is wrong.
        MissingExtra: The package for it is not installed.
    """
    url = url or os.environ.get("ANTIPHON_BROKER")
    if not url:
        raise ConfigurationError(f"no broker is known: its URL is needed, {_HOW}")
    broker = broker_of(url)
    if not broker.spans_processes:
        raise ConfigurationError(
            f"{broker!r} is this program's own, so nobody else is reached by it: a URL is needed, {_HOW}"
        )
    return broker


async def rules_of(broker: Broker) -> Definitions:
    """What the channels are like, as the application that uses this broker has announced when it started.

    Without such an application nothing is defined.

    Raises:
        BrokerUnavailable: The broker's server cannot be reached.
        AntiphonError: What was announced is of another version.
    """
    page = await broker.history(RULES, RULES_KEPT, limit=1)
    if not page.publications:
        return Definitions()
    try:
        return Definitions.from_json(page.publications[-1].payload)
    except ValueError as error:
        raise AntiphonError(
            f"an application of another version of Antiphon uses {broker!r}: what it says of its channels is "
            f"not understood here: {error}"
        ) from None
