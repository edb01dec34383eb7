"""Every exception a user of Antiphon can meet, in one tree.

``ConfigurationError`` and what is below it is *ours to mend*: it is raised at start-up, by code that is
wrong, and its text says what to change. The rest happens *to* a running application: a peer leaves, sends
what it should not, or a part behind it fails. Codes and reasons are data, never text to be parsed.

::

    AntiphonError
    ├── ConfigurationError          something was set up wrongly
    │   ├── BindingError            a handler's parameter can be bound to nothing (also a TypeError)
    │   ├── AddressInUse            the port to listen on is taken (also an OSError)
    │   ├── MissingExtra            an optional package is not installed (also an ImportError)
    │   │   └── DriverLibraryNotFound   … one that a broadcast driver stands on
    │   ├── DriverNotFound          no broadcast driver has that name (also a LookupError)
    │   └── UnacceptableDriverType  a broadcast driver is chosen by what cannot be one (also a TypeError)
    ├── WebSocketDisconnect         the connection is gone: (code, reason)
    │   ├── ConnectionClosed        … because this side closed it (also a RuntimeError)
    │   └── HandshakeRejected       … because this side refused the handshake
    ├── WebSocketException          raise it in a handler to close with (code, reason)
    ├── InvalidMessage              a message does not fit the declared type (also a ValueError)
    ├── InvalidParameter            a path or query value does not fit (also a ValueError)
    ├── InvalidChannel              a channel name that cannot be (also a ValueError)
    ├── PublicationTooLarge         a publication's data is above its channel's limit (also a ValueError)
    ├── SubscriptionRefused         a channel does not let this connection in
    ├── PositionLost                a subscriber cannot be brought up to date: publications are missing
    ├── BrokerUnavailable           what carries channels between processes cannot be reached
    ├── InvalidBroadcast            a message or event name that a service cannot take (also a ValueError)
    ├── ServiceError                a hosted service refused a request, or could not be reached
    ├── BacklogFull                 more waits to be sent in the background than may
    ├── BroadcastFailed             what was not sent, by driver and channel
    └── ProtocolError               the peer broke the WebSocket protocol: (code, reason)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import starlette.exceptions
import starlette.websockets


class AntiphonError(Exception):
    """The root of every exception Antiphon raises."""


class ConfigurationError(AntiphonError):
    """Something was set up wrongly; the text says what to change."""


class BindingError(ConfigurationError, TypeError):
    """A handler has a parameter that nothing can fill.

    Raised when the handler is registered, naming handler, parameter and remedy.
    """


class AddressInUse(ConfigurationError, OSError):
    """The address to listen on is taken by another program."""

    def __str__(self) -> str:
        return str(self.strerror)


class MissingExtra(ConfigurationError, ImportError):
    """An optional package is needed and not installed; the text says which extra brings it."""


class DriverLibraryNotFound(MissingExtra):
    """A broadcast driver stands on a package that is not installed; the text says how to get it."""


class DriverNotFound(ConfigurationError, LookupError):
    """No broadcast driver has that name; the text lists those there are."""


class UnacceptableDriverType(ConfigurationError, TypeError):
    """A broadcast driver is chosen by its name or its class, and this is neither."""


class WebSocketDisconnect(AntiphonError, starlette.websockets.WebSocketDisconnect):
    """The connection is gone: receiving from it, or sending to it, is over.

    It is also Starlette's exception of that name, so either import catches it.

    Attributes:
        code: The close code (RFC 6455 § 7.1.5); 1005 when the peer sent none, 1006 when the
            connection broke without a close frame.
        reason: The close reason, empty when there was none.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        starlette.websockets.WebSocketDisconnect.__init__(self, code, reason)
        self.args = (code, reason)

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


class ConnectionClosed(WebSocketDisconnect, RuntimeError):
    """The connection was closed by this side, and is used again all the same."""


class HandshakeRejected(WebSocketDisconnect):
    """The handshake was refused by this side, and the WebSocket is used again all the same."""


class WebSocketException(AntiphonError, starlette.exceptions.WebSocketException):
    """Raise it in a handler to close that connection with a code and a reason of your choice.

    Before the connection is accepted, it refuses the handshake instead.

    Attributes:
        code: A code that may be sent (1000-1003, 1007-1014, 3000-4999; RFC 6455 § 7.4).
        reason: At most 123 bytes of UTF-8; the client sees it.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        starlette.exceptions.WebSocketException.__init__(self, code, reason)
        self.args = (code, reason)


class InvalidMessage(AntiphonError, ValueError):
    """A received message does not fit the type that was declared for it.

    Unhandled, it closes the connection with 1007 and this text as the reason.
    """


class InvalidParameter(AntiphonError, ValueError):
    """A path or query parameter of a request does not fit; the request is refused with 400.

    Attributes:
        name: The parameter.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class InvalidChannel(AntiphonError, ValueError):
    """A channel name is empty, too long, or holds a character that no channel name may hold."""


class PublicationTooLarge(AntiphonError, ValueError):
    """A publication has more data than its channel allows; nothing was published."""


class SubscriptionRefused(AntiphonError):
    """A channel does not let this connection in.

    Unhandled, it refuses the handshake with 403, or closes the connection with 4403.
    """


class PositionLost(AntiphonError):
    """Publications are missing that cannot be had any more: the subscription has ended.

    Whoever subscribes anew starts from where the channel stands then.
    """


class BrokerUnavailable(AntiphonError):
    """The server that carries channels between processes cannot be reached.

    It is tried again in the background; connections stay open meanwhile. Unhandled, it refuses a handshake
    with 503, or closes the connection with 1013.
    """


class InvalidBroadcast(AntiphonError, ValueError):
    """A message or an event name is one that the driver's service cannot take."""


class ServiceError(AntiphonError):
    """A hosted service refused a request, failed, or could not be reached.

    Attributes:
        service: Who, as ``"pusher"``.
        status: The HTTP status that it answered with; None if there was no answer.
        may_retry: Whether sending the same again is right. Not where the service refused it (4xx), and
            not where it may have been taken and would be published twice.
    """

    def __init__(self, service: str, status: int | None, problem: str, *, may_retry: bool) -> None:
        super().__init__(f"{service}: {problem}" if status is None else f"{service}: {status} {problem}")
        self.service = service
        self.status = status
        self.may_retry = may_retry


class BacklogFull(AntiphonError):
    """As much waits to be sent in the background as may; what was to be added is not sent."""


class BroadcastFailed(AntiphonError):
    """A message did not reach some of its channels; it was sent to all others.

    Attributes:
        failures: Each with ``driver``, ``channel`` and ``error``.
    """

    def __init__(self, failures: Sequence[Any]) -> None:
        super().__init__("not sent: " + "; ".join(map(str, failures)))
        self.failures = tuple(failures)


class ProtocolError(AntiphonError):
    """The peer broke the WebSocket protocol.

    Attributes:
        code: The close code that the rule demands (RFC 6455 § 7.4.1).
        reason: The broken rule in a few words, with its section.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code} {self.reason}"
