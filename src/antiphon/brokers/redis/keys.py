"""The names of what is kept in Redis.

All begin with the prefix. On a cluster the number of a partition follows in braces: Redis takes a key's slot
from what is in braces, so all keys of a channel lie in one slot, on one server, where a script may use them
together. There are as many partitions as `PARTITIONS`, the same in every process.
"""

from __future__ import annotations

from zlib import crc32

from antiphon.channels import shown_channel
from antiphon.errors import ConfigurationError

#: Partitions of a cluster; a cluster of more masters than that leaves some idle.
PARTITIONS = 64

#: Channels whose keys are remembered, so that they are not put together for each publication.
REMEMBERED = 10_000


class ChannelKeys:
    """The keys of one channel.

    Attributes:
        partition: Where they lie.
        meta: A hash: the epoch, the newest offset, and what publish.lua says more.
        stream: A list: the history, the oldest first.
        bus: The Pub/Sub channel.
        users: A sorted set: the members, for reading them in parts.
        infos: A hash: what may be known of each user, as JSON.
        counts: A hash: the number of each user's connections.
    """

    __slots__ = ("_channel", "_root", "bus", "counts", "infos", "meta", "partition", "stream", "users")

    def __init__(self, root: str, partition: int, channel: str) -> None:
        self._root = root
        self._channel = channel
        self.partition = partition
        self.meta = self._name("meta")
        self.stream = self._name("stream")
        self.bus = self._name("bus")
        self.users = self._name("users")
        self.infos = self._name("infos")
        self.counts = self._name("counts")

    def id(self, id: str) -> bytes:
        """A string: the position of the publication of that id."""
        # Channels have no spaces, so no two pairs are alike.
        return self._name("id") + b" " + id.encode()

    def held(self, hub: str) -> bytes:
        """A hash: the connections that a hub holds in the channel, with their users."""
        return f"{self._root}held:{hub}:{self._channel}".encode()

    def _name(self, kind: str) -> bytes:
        return f"{self._root}{kind}:{self._channel}".encode()


class Keys:
    """All keys.

    Args:
        prefix: What they begin with.
        partitions: Into how many partitions channels are spread; 1: no braces, for a single server.

    Raises:
        ConfigurationError: The prefix has braces, or is empty.
    """

    def __init__(self, prefix: str, partitions: int) -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigurationError(f"a prefix of Redis keys is text without braces, not {prefix!r}")
        self._prefix = prefix
        self.partitions = range(partitions)
        self._remembered: dict[str, ChannelKeys] = {}

    def of(self, channel: str) -> ChannelKeys:
        """The keys of a channel."""
        keys = self._remembered.get(channel)
        if keys is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            # Scripts publish a channel's joins and leaves, so these lie where the channel does.
            partition = crc32(shown_channel(channel).encode()) % len(self.partitions)
            keys = self._remembered[channel] = ChannelKeys(self.root(partition), partition, channel)
        return keys

    def root(self, partition: int) -> str:
        """What the keys of a partition begin with."""
        return f"{self._prefix}:" if len(self.partitions) == 1 else f"{self._prefix}:{{{partition}}}:"

    def leases(self, partition: int) -> bytes:
        """A sorted set: the hubs, by the time when their lease runs out."""
        return f"{self.root(partition)}leases".encode()

    def dead(self, partition: int) -> bytes:
        """A set: the hubs whose lease has run out, until what they held is swept."""
        return f"{self.root(partition)}dead".encode()

    def holds(self, partition: int, hub: str) -> bytes:
        """A set: the channels in which a hub holds connections."""
        return f"{self.root(partition)}holds:{hub}".encode()
