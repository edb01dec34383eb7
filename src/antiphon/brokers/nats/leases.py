"""That this process lives, and what becomes of those that do not.

Each hub that holds members has its name in the stream of members, and a lease that it renews; a lease is a
message that goes by itself. A hub whose name is there without a lease is dead: somebody takes away what it
held, then its name. A hub that finds its own name gone was thought dead, takes a new one, and says again who
is present.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from secrets import token_hex

from antiphon.brokers.nats.link import end
from antiphon.brokers.nats.pipeline import Conflict, Message, Pipeline
from antiphon.brokers.nats.presence import EXPECTED, Members
from antiphon.brokers.nats.streams import Stream, Streams
from antiphon.brokers.nats.subjects import source
from antiphon.errors import AntiphonError

log = logging.getLogger("antiphon.brokers.nats")

#: What part of a lease its message stays; the rest is for finding out that it went, and for sweeping.
STAYS = 2 / 3

#: What part of a lease passes between renewals, and between looks at the others'.
BETWEEN = 1 / 6


class Leases:
    """The lease of this process, and those of the others.

    Args:
        streams: Where leases are kept.
        pipeline: What puts them there.
        members: What is swept.
        prefix: What subjects begin with.
        lease: Seconds for which a hub holds what it holds after it was heard of last.
        swept: Called when this process was thought dead.
    """

    def __init__(
        self,
        streams: Streams,
        pipeline: Pipeline,
        members: Members,
        prefix: str,
        lease: float,
        swept: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._pipeline = pipeline
        self._members = members
        self._prefix = prefix
        self._lease = lease
        self._swept = swept
        self.hub = token_hex(8)
        self._named = False
        self._naming = asyncio.Lock()
        self._patient_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Leases hub={self.hub} lease={self._lease:g} s>"

    def start(self) -> None:
        """Renew from now on, and sweep what others leave behind."""
        self.hub = token_hex(8)
        self._named = False
        self.be_patient()
        self._task = asyncio.create_task(self._keep(), name="leases at NATS")

    async def stop(self) -> None:
        """Renew no more; what this process holds goes when its lease has run out."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    def be_patient(self) -> None:
        """Let the others renew before they are thought dead: the server may have been away for all."""
        self._patient_until = asyncio.get_running_loop().time() + self._lease

    async def hold(self) -> str:
        """Make sure that this process is known to hold members; return its hub's name."""
        async with self._naming:
            if not self._named:
                await self._renew()
                await self._name(self.hub)
                self._named = True
        return self.hub

    async def _keep(self) -> None:
        while True:
            try:
                await self._look()
            except AntiphonError as error:
                log.info("leases are not renewed for now: %s", error)
            await asyncio.sleep(self._lease * BETWEEN)

    async def _look(self) -> None:
        named = self._named
        if named:
            await self._renew()
        hubs = await self._names(await self._streams.presence(), "hubs")
        # Only now: whoever has a name had a lease before.
        alive = await self._names(await self._streams.leases(), "leases")
        if named and self.hub not in hubs:
            await self._begin_anew()
        elif asyncio.get_running_loop().time() > self._patient_until:
            for hub in sorted(hubs - alive - {self.hub}):
                await self._sweep(hub)

    async def _renew(self) -> None:
        await self._pipeline.put(Message(self._streams.leases, (self.hub,), b"", origin="leases"))

    async def _name(self, hub: str) -> None:
        await self._pipeline.put(Message(self._streams.presence, (hub,), b"", origin="hubs"))

    async def _names(self, stream: Stream, of: str) -> set[str]:
        pattern = source(self._prefix, of, "*")
        return {subject.rpartition(".")[2] for subject in await self._streams.subjects(stream, pattern)}

    async def _begin_anew(self) -> None:
        log.warning("this process was thought dead, and says again who is present")
        # What was noted under the old name after the sweep is swept once more.
        await self._name(self.hub)
        self.hub = token_hex(8)
        self._named = False
        self._members.forget()
        self._swept()

    async def _sweep(self, hub: str) -> None:
        claim = Message(self._streams.leases, (hub,), b"", {EXPECTED: "0"}, "sweeps")
        try:
            await self._pipeline.put(claim)
        except Conflict:
            # Another sweeps it; should that one die of it, the claim goes as leases do.
            return
        held = await self._members.sweep(hub)
        await self._streams.clear(await self._streams.presence(), source(self._prefix, "hubs", hub))
        log.info("a process is gone; %d members had connections there", held)
