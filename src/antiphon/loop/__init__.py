"""What belongs to an event loop: its tick, its timers, tasks that begin at once, and other threads."""

from antiphon.loop.eager import EagerTasks, eager_tasks
from antiphon.loop.mailbox import Mailbox, mailbox_of
from antiphon.loop.threads import WorkerThreads, harmless
from antiphon.loop.tick import Tick, tick_of
from antiphon.loop.wheel import Wheel, wheel_of

__all__ = [
    "EagerTasks",
    "Mailbox",
    "Tick",
    "Wheel",
    "WorkerThreads",
    "eager_tasks",
    "harmless",
    "mailbox_of",
    "tick_of",
    "wheel_of",
]
