"""What belongs to an event loop: tick, timers, tasks that begin at once, other threads, transports."""

from antiphon.loop.eager import EagerTasks, eager_tasks
from antiphon.loop.fastnet import LoopFactory, with_fastnet
from antiphon.loop.mailbox import Mailbox, mailbox_of
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
    "eager_tasks",
    "harmless",
    "mailbox_of",
    "spread",
    "tick_of",
    "wheel_of",
    "with_fastnet",
]
