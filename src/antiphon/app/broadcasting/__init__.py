"""Broadcasting in an application: its facade, and who may subscribe to private channels."""

from antiphon.app.broadcasting.application import Broadcasts
from antiphon.app.broadcasting.auth import ChannelAuth
from antiphon.app.broadcasting.facade import Broadcasting

__all__ = ["Broadcasting", "Broadcasts", "ChannelAuth"]
