"""Where one channel stands in this process: what goes on to its subscribers, and in what order.

A bus between processes may lose a publication, or bring one twice. A stream that remembers finds out: each
publication names the one before it. While one is missing, what comes waits; what the broker's history says
fills the gap, or says that it cannot be filled. Knows no broker, no subscribers and no clock.

::

    joining ── the history says where the channel stands ──> level
    level ──── a publication that does not follow ─────────> missing
    missing ── the history fills the gap ──────────────────> level
    missing ── it cannot ──────────────────────────────────> level, and ``lost``
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.channels.publication import Page, Publication
from antiphon.subscription import Position

#: Publications that may wait for what is missing before them; what comes then is read from the history.
WAITING = 1000


class Stream:
    """The continuity of one channel with history.

    Attributes:
        position: That of the last publication that was passed on; None while joining.
        level: Whether nothing is missing.
        lost: How often a gap could not be filled.
    """

    __slots__ = ("_waiting", "level", "lost", "position")

    def __init__(self) -> None:
        self.position: Position | None = None
        self.level = False
        self.lost = 0
        self._waiting: list[Publication] = []

    def __repr__(self) -> str:
        state = "level" if self.level else f"{len(self._waiting)} waiting"
        return f"<Stream at {self.position}, {state}>"

    def received(self, publication: Publication) -> Sequence[Publication]:
        """Take what the bus brought.

        Returns:
            What is to be passed on now; nothing while something is missing before it.
        """
        position, here = publication.position, self.position
        if position is None:
            # From a publisher that does not know that this channel has a history.
            return (publication,)
        if (
            self.level
            and here is not None
            and publication.previous == here.offset
            and position.epoch == here.epoch
        ):
            self.position = position
            return (publication,)
        if not self._is_known(publication):
            self.level = False
            if len(self._waiting) < WAITING:
                self._waiting.append(publication)
        return ()

    def caught_up(self, page: Page, since: Position | None) -> Sequence[Publication]:
        """Take what the history says.

        Args:
            page: All that came after a position, or that it cannot be had.
            since: That position: this stream's own when it was asked for; None if it had none.

        Returns:
            What is to be passed on now, that which waited included.
        """
        passed = []
        if self.position is None:
            self.position = page.position
        elif page.complete:
            for publication in page.publications:
                if not self._is_known(publication):
                    assert publication.position is not None
                    self.position = publication.position
                    passed.append(publication)
        elif since == self.position:
            self.lost += 1
            self.position = page.position
        waiting, self._waiting = self._waiting, []
        self.level = True
        for publication in waiting:
            passed += self.received(publication)
        return passed

    def _is_known(self, publication: Publication) -> bool:
        """Whether it was passed on before."""
        position, here = publication.position, self.position
        return (
            position is not None
            and here is not None
            and position.epoch == here.epoch
            and position.offset <= here.offset
        )
