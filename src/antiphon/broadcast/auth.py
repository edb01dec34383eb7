"""Proof that a client may subscribe: the signatures of Pusher's protocol.

https://pusher.com/docs/channels/library_auth_reference/auth-signatures/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from antiphon.broadcast.config import Config
from antiphon.broadcast.drivers.pusher import check_master_key
from antiphon.broadcast.settings import Settings
from antiphon.codec import encode_json
from antiphon.errors import ConfigurationError
from antiphon.subscription import Member

PRIVATE = "private-"
PRESENCE = "presence-"
ENCRYPTED = "private-encrypted-"


def channel_data(member: Member) -> str:
    """A member as the text that is signed, and that the client hands on as it is."""
    # Clients take a user's id for text; a number from a database may have been put there.
    data = {"user_id": str(member.user)}
    return encode_json(data if member.info is None else {**data, "user_info": member.info})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key and secret of an app, as Pusher's dashboard or your own server has them.

    Attributes:
        key: Known to every client.
        secret: Known to servers only.
        encryption_master_key: 32 bytes in base64, for encrypted channels.
    """

    key: str
    secret: str = field(repr=False)
    encryption_master_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_config(cls, config: Config, driver: str = "pusher") -> Credentials:
        """Those of a driver's settings: ``client`` (or ``key``) and ``secret``.

        Raises:
            ConfigurationError: One is missing.
        """
        settings = Settings(driver, config.drivers.get(driver, {}))
        check_master_key(settings)
        master = settings.text("encryption_master_key")
        return cls(settings.required("client", "key"), settings.required("secret"), master)

    def sign(self, socket_id: str, channel: str, channel_data: str | None = None) -> str:
        """The proof that a connection may subscribe to a channel."""
        parts = [socket_id, channel] if channel_data is None else [socket_id, channel, channel_data]
        digest = hmac.new(self.secret.encode(), ":".join(parts).encode(), hashlib.sha256)
        return f"{self.key}:{digest.hexdigest()}"

    def verify(self, auth: str, socket_id: str, channel: str, channel_data: str | None = None) -> bool:
        """Whether a proof is one, in a time that says nothing about the right one."""
        return hmac.compare_digest(self.sign(socket_id, channel, channel_data).encode(), auth.encode())

    def answer(self, socket_id: str, channel: str, member: Member | None = None) -> dict[str, str]:
        """What the authorisation route answers to a client that may subscribe.

        Args:
            socket_id: The client's connection.
            channel: The channel.
            member: Who enters; needed by presence channels.

        Raises:
            ConfigurationError: The channel is encrypted and there is no master key.
        """
        data = channel_data(member) if member is not None and channel.startswith(PRESENCE) else None
        answer = {"auth": self.sign(socket_id, channel, data)}
        if data is not None:
            answer["channel_data"] = data
        if channel.startswith(ENCRYPTED):
            answer["shared_secret"] = self._shared_secret(channel)
        return answer

    def _shared_secret(self, channel: str) -> str:
        if self.encryption_master_key is None:
            raise ConfigurationError(
                f"{channel} is encrypted: set encryption_master_key, 32 random bytes in base64"
            )
        master = base64.b64decode(self.encryption_master_key)
        return base64.b64encode(hashlib.sha256(channel.encode() + master).digest()).decode()
