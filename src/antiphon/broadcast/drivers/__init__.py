"""Where ``Broadcast`` sends: the contract of a driver, and the drivers there are."""

from antiphon.broadcast.drivers.ably import AblyDriver
from antiphon.broadcast.drivers.contract import Driver, Failures
from antiphon.broadcast.drivers.hosted import HostedDriver, library
from antiphon.broadcast.drivers.local import LocalDriver
from antiphon.broadcast.drivers.log import LogDriver
from antiphon.broadcast.drivers.null import NullDriver
from antiphon.broadcast.drivers.pusher import PusherDriver
from antiphon.broadcast.drivers.registry import GROUP, driver_class, names
from antiphon.broadcast.drivers.retry import Retry

__all__ = [
    "GROUP",
    "AblyDriver",
    "Driver",
    "Failures",
    "HostedDriver",
    "LocalDriver",
    "LogDriver",
    "NullDriver",
    "PusherDriver",
    "Retry",
    "driver_class",
    "library",
    "names",
]
