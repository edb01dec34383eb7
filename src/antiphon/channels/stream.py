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

#: Answers of the history after which a publication of an epoch that it does not know is taken to be late.
ANSWERS = 2


class Stream:
    """The continuity of one channel with history.

    Attributes:
        position: That of the last publication that was passed on; None while joining.
        level: Whether nothing is missing.
        lost: How often a gap could not be filled.
    """

    __slots__ = ("_answers", "_overrun", "_waiting", "level", "lost", "position")

    def __init__(self) -> None:
        self.position: Position | None = None
        self.level = False
        self.lost = 0
        # Each with the number of the history's answers before it came.
        self._waiting: list[tuple[Publication, int]] = []
        self._answers = 0
        self._overrun = False

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
        if not self._is_known(position):
            self.level = False
            if len(self._waiting) < WAITING:
                self._waiting.append((publication, self._answers))
            else:
                self._overrun = True
        return ()

    def caught_up(self, page: Page, since: Position | None) -> Sequence[Publication]:
        """Take what the history says.

        Args:
            page: All that came after a position, or that it cannot be had.
            since: That position; None: only where the channel stands was asked for, to join it.

        Returns:
            What is to be passed on now, that which waited included.
        """
        here, passed = self.position, []
        if here is None:
            self.position = page.position
        elif not page.complete:
            if since != here:
                # That another position is lost says nothing about this one.
                return ()
            self.lost += 1
            self.position = page.position
        elif page.position.epoch != here.epoch:
            # It was asked from a position of another epoch, so nothing in it continues this one.
            return ()
        else:
            for publication in page.publications:
                if publication.position is not None and not self._is_known(publication.position):
                    self.position = publication.position
                    passed.append(publication)
        self._answers += 1
        passed += self._place_waiting()
        return passed

    def is_behind(self, position: Position) -> bool:
        """Whether somebody has been told a position that this stream does not know yet."""
        return not self._is_known(position)

    def _place_waiting(self) -> Sequence[Publication]:
        """Take what waited and follows now; keep what may follow later."""
        waiting, self._waiting = self._waiting, []
        overrun, self._overrun = self._overrun, False
        passed = []
        for publication, answers in waiting:
            if self._follows(publication):
                self.position = publication.position
                passed.append(publication)
            elif not self._is_over(publication, answers):
                self._waiting.append((publication, answers))
        self.level = not (self._waiting or overrun)
        return passed

    def _follows(self, publication: Publication) -> bool:
        position, here = publication.position, self.position
        return (
            position is not None
            and here is not None
            and publication.previous == here.offset
            and position.epoch == here.epoch
        )

    def _is_over(self, publication: Publication, answers: int) -> bool:
        """Whether what waits since so many answers will never be passed on."""
        position, here = publication.position, self.position
        if position is None or here is None or position.epoch == here.epoch:
            return position is not None and self._is_known(position)
        # A server that lost its memory may have had publications of its old epoch under way. The first
        # answer may be older than the publication; the next one is not.
        return self._answers - answers >= ANSWERS

    def _is_known(self, position: Position) -> bool:
        """Whether it was passed on before."""
        here = self.position
        return here is not None and position.epoch == here.epoch and position.offset <= here.offset
