"""What stands before a receiver where an application limits how much, or how little, a peer may say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from antiphon.connection.transport import Receiver
from antiphon.errors import ProtocolError
from antiphon.wire import CloseCode

#: Seconds over which messages are counted: a peer whose messages were held up somewhere, and come
#: together, has not sent too many.
WINDOW = 10.0


class Guard:
    """Counts what a peer sends, and hands it on.

    Args:
        receiver: Whom it is for.
        most: Messages per second; None: any number.
        clock: Seconds that only grow.

    Attributes:
        heard: Whether a message came since this was last set to False.
    """

    __slots__ = ("_clock", "_count", "_most", "_receiver", "_until", "heard")

    def __init__(self, receiver: Receiver, most: int | None, clock: Callable[[], float]) -> None:
        self._receiver = receiver
        self._most = most
        self._clock = clock
        self._count = 0
        self._until = clock() + WINDOW
        self.heard = False

    def __repr__(self) -> str:
        return f"<Guard before {self._receiver!r}>"

    def messages_received(self, messages: Sequence[str | bytes]) -> None:
        """Take messages from the transport.

        Raises:
            ProtocolError: There are too many.
        """
        self.heard = True
        if self._most is not None:
            now = self._clock()
            if now >= self._until:
                self._until, self._count = now + WINDOW, 0
            self._count += len(messages)
            if self._count > self._most * WINDOW:
                raise ProtocolError(CloseCode.POLICY_VIOLATION, f"more than {self._most} messages a second")
        self._receiver.messages_received(messages)

    def connection_lost(self, code: int, reason: str) -> None:
        """Learn that the connection is over."""
        self._receiver.connection_lost(code, reason)
