"""What belongs to an event loop: tick, timers, eager tasks, other threads, transports, their sockets."""

from antiphon.loop.eager import EagerTasks, begin, eager_tasks, fault
from antiphon.loop.ends import local_end, remote_end
from antiphon.loop.fastnet import LoopFactory, with_fastnet
from antiphon.loop.mailbox import Mailbox, mailbox_of
from antiphon.loop.pieces import write_pieces
from antiphon.loop.spread import spread
from antiphon.loop.threads import WorkerThreads, harmless
from antiphon.loop.tick import Tick, tick_of
from antiphon.loop.wheel import Turning, Wheel, wheel_of

__all__ = [
    "EagerTasks",
    "LoopFactory",
    "Mailbox",
    "Tick",
    "Turning",
    "Wheel",
    "WorkerThreads",
    "begin",
    "eager_tasks",
    "fault",
    "harmless",
    "local_end",
    "mailbox_of",
    "remote_end",
    "spread",
    "tick_of",
    "wheel_of",
    "with_fastnet",
    "write_pieces",
]
