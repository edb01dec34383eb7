"""What an application gives to each of its endpoints, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.app.binding import Providers, Session
from antiphon.app.security import OriginCheck
from antiphon.channels import Hub
from antiphon.connection import Farewell, Terms
from antiphon.loop import WorkerThreads
from antiphon.signals import Observer


@dataclass(slots=True)
class Services:
    """What endpoints share.

    Attributes:
        hub: The channels.
        threads: Where plain functions run.
        providers: What handlers can ask for.
        session: What lives as long as the application.
        allows_origin: Which browsers' pages may connect.
        terms: What a peer may use, and how long to wait for it; set anew where the server changes it.
        observer: Who is told what happens.
        farewell: What whoever is accepted is told at once, because the application stops.
    """

    hub: Hub
    threads: WorkerThreads
    providers: Providers
    session: Session
    allows_origin: OriginCheck
    terms: Terms
    observer: Observer
    farewell: Farewell | None = None
