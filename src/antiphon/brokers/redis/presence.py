"""Who is present, by leases.

Every broker has a name as a hub, and a lease under that name, which one task renews. What connections a hub
holds is noted under its name, so that any other broker can sweep it when the lease has run out. A broker
that finds its lease gone, because it was paused, or because Redis lost its memory, takes another name, and
says so: its hub says again who is present.

Nobody is declared dead by a broker whose own links have not been there for as long as a lease: after an
outage all hubs come back with leases that have run out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from secrets import token_hex
from typing import Any

import msgspec

from antiphon.brokers.redis.keys import Keys
from antiphon.brokers.redis.pipe import Command
from antiphon.brokers.redis.scripts import ATTEND, LEASE, MEMBERS, SWEEP
from antiphon.brokers.redis.servers import Servers
from antiphon.channels import Attendance, Member, Roll, presence_channel
from antiphon.errors import BrokerUnavailable

logger = logging.getLogger("antiphon")

#: Changes that one call of a script notes, and connections that it sweeps: Redis does nothing else meanwhile.
AT_ONCE = 200

#: Of a lease: whether it could be renewed, milliseconds until the next one runs out, who is dead.
Lease = tuple[int, int, list[str]]


class Attending:
    """What this process says of who is present, and what it sweeps of others.

    Args:
        servers: Where it is kept.
        keys: Under which names.
        command: How to publish there.
        lease: Seconds for which a hub is trusted to be alive.
        forgotten: Called when what was noted is lost, and has to be said again.
    """

    def __init__(
        self, servers: Servers, keys: Keys, command: bytes, lease: float, forgotten: Callable[[], None]
    ) -> None:
        self._servers = servers
        self._keys = keys
        self._command = command
        self._lease = lease
        self._forgotten = forgotten
        self._hub = token_hex(8)
        self._registered = False
        self._up_since: float | None = None
        self._renewing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Attending as {self._hub}>"

    def start(self) -> None:
        """Renew from now on."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let the lease run out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def lost(self) -> None:
        """The servers cannot be reached: judge nobody for a while."""
        self._up_since = None

    async def regained(self) -> None:
        """They can be reached again: have a lease before anything is noted.

        Raises:
            BrokerUnavailable: They cannot.
        """
        self._up_since = asyncio.get_running_loop().time()
        await self._renew(self._hub)

    async def attend(self, changes: Sequence[Attendance]) -> None:
        """See `Broker.attend`."""
        hub = self._hub
        if not all(await self._note(changes)):
            # The lease is gone, and with it all that was noted, so the hub is to say everything again.
            if await self._renew(hub):
                self._forgotten()
            if not all(await self._note(changes)):
                raise BrokerUnavailable("this process has no lease for its members")

    async def members(self, channel: str, limit: int, cursor: str | None) -> Roll:
        """See `Broker.members`."""
        keys = self._keys.of(channel)
        _, _, dead = await self._ask_for_lease(keys.partition)
        for hub in dead:
            await self._sweep(keys.partition, hub)
        after = () if cursor is None else (cursor.encode(),)
        command = (*MEMBERS.call, 3, keys.users, keys.infos, keys.counts, limit, *after)
        roll: Roll = await self._servers.link(keys.partition).send(command, _roll)
        return roll

    async def _note(self, changes: Sequence[Attendance]) -> list[int]:
        replies: list[Awaitable[int]] = []
        for channel, all_of_one in groupby(changes, lambda each: each.channel):
            of_one = list(all_of_one)
            link = self._servers.link(self._keys.of(channel).partition)
            for start in range(0, len(of_one), AT_ONCE):
                replies.append(link.send(self._noting(channel, of_one[start : start + AT_ONCE])))
        return await asyncio.gather(*replies)

    def _noting(self, channel: str, changes: Sequence[Attendance]) -> Command:
        said: list[bytes] = []
        for each in changes:
            info = msgspec.json.encode(each.info) if each.present else b""
            # A user that is no proper text shall not keep those noted with it from coming.
            said += (each.connection.encode(), each.user.encode(errors="replace"), info)
        leases = self._keys.leases(self._keys.of(channel).partition)
        keys = self._keys_of(channel, leases, self._hub)
        return (*ATTEND.call, len(keys), *keys, self._command, self._hub, channel.encode(), *said)

    def _keys_of(self, channel: str, leases: bytes, hub: str) -> Command:
        keys = self._keys.of(channel)
        bus = self._keys.of(presence_channel(channel)).bus
        holds = self._keys.holds(keys.partition, hub)
        return keys.users, keys.infos, keys.counts, bus, leases, holds, keys.held(hub)

    async def _keep(self) -> None:
        pause = self._lease / 3
        while True:
            await asyncio.sleep(pause)
            try:
                pause = await self._beat()
            except (BrokerUnavailable, ValueError) as error:
                pause = self._lease / 3
                if self._up_since is not None:
                    logger.error("the lease of this process's members was not renewed: %s", error)

    async def _beat(self) -> float:
        """Renew, sweep who is dead, and return the seconds until that is due again."""
        hub = self._hub
        answers = await self._ask_for_leases()
        if not all(has for has, _, _ in answers) and await self._renew(hub):
            self._forgotten()
        for partition, (_, _, dead) in zip(self._keys.partitions, answers, strict=True):
            for each in dead:
                await self._sweep(partition, each)
        soonest = min(remaining for _, remaining, _ in answers) / 1000
        return min(self._lease / 3, max(soonest, 0) + 0.01)

    async def _renew(self, hub: str) -> bool:
        """Have a lease, under another name if the one of this name is gone; return whether it was."""
        async with self._renewing:
            if hub != self._hub:
                return False
            gone = self._registered and not all(has for has, _, _ in await self._ask_for_leases())
            if gone:
                self._hub, self._registered = token_hex(8), False
            if not self._registered:
                await self._ask_for_leases()
                self._registered = True
            return gone

    async def _ask_for_leases(self) -> list[Lease]:
        return await asyncio.gather(*map(self._ask_for_lease, self._keys.partitions))

    async def _ask_for_lease(self, partition: int) -> Lease:
        """Renew in one partition; return whether that could be, when the next runs out, and who is dead."""
        since = self._up_since
        judge = since is not None and asyncio.get_running_loop().time() - since >= self._lease
        command = (*LEASE.call, 2, self._keys.leases(partition), self._keys.dead(partition), self._hub)
        options = (int(self._lease * 1000), int(not self._registered), int(judge))
        answer: Lease = await self._servers.link(partition).send((*command, *options), _leases)
        return answer

    async def _sweep(self, partition: int, hub: str) -> None:
        """Take away what a dead hub held; others may do it at the same time, each leave is told once."""
        link = self._servers.link(partition)
        holds, dead = self._keys.holds(partition, hub), self._keys.dead(partition)
        for name in await link.send((b"SMEMBERS", holds)):
            keys = self._keys_of(name.decode(), dead, hub)
            command = (*SWEEP.call, len(keys), *keys, self._command, hub, name, AT_ONCE)
            try:
                while await link.send(command):
                    pass
            except BrokerUnavailable as error:
                if not link.up:
                    raise
                # Something else lies under one of the keys; that shall not keep other channels from it.
                logger.error("the members of %r are not swept: %s", name, error)
                await link.send((b"SREM", holds, name))
        await link.send((b"SREM", dead, hub))


def _leases(said: Any) -> Lease:
    has, remaining, dead = said
    return has, remaining, [each.decode() for each in dead]


def _roll(said: Any) -> Roll:
    count, more, *found = said
    members = tuple(
        Member(user.decode(), None if info is None else msgspec.json.decode(info), int(connections or 1))
        for user, info, connections in zip(found[::3], found[1::3], found[2::3], strict=True)
    )
    return Roll(members, count, members[-1].user if more and members else None)
