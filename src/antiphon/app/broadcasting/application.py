"""The part of an application that is about broadcasting."""

from __future__ import annotations

from starlette.applications import Starlette

from antiphon.app.broadcasting.auth import ChannelAuth
from antiphon.app.broadcasting.facade import Broadcasting
from antiphon.app.services import Services
from antiphon.broadcast import Broadcast, Credentials


class Broadcasts(Starlette):
    """A Starlette application that broadcasts, and says who may subscribe to private channels.

    Attributes:
        services: What its endpoints share.
    """

    services: Services
    _broadcasting: Broadcasting

    @property
    def broadcast(self) -> Broadcast:
        """The facade that handlers are given; set one of your own to configure it in the program."""
        return self._broadcasting.facade

    @broadcast.setter
    def broadcast(self, facade: Broadcast) -> None:
        self._broadcasting.facade = facade

    def channel_auth(
        self, path: str = "/broadcasting/auth", credentials: Credentials | None = None
    ) -> ChannelAuth:
        """Answer clients that ask whether they may subscribe to a private or presence channel.

        Args:
            path: Where pusher-js and Laravel Echo ask.
            credentials: What answers are signed with; None: those of the driver ``pusher``.

        Returns:
            What the rules are registered with; without one that allows it, nobody may.

        Raises:
            ConfigurationError: There are no credentials.
        """
        auth = ChannelAuth(path, credentials or self.broadcast.credentials(), self.services)
        self.router.routes.append(auth.route)
        return auth
