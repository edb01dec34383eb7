"""What belongs to an event loop: its tick, its timer wheel, its mailbox for other threads."""

from antiphon.loop.mailbox import Mailbox, mailbox_of
from antiphon.loop.tick import Tick, tick_of
from antiphon.loop.wheel import Wheel, wheel_of

__all__ = ["Mailbox", "Tick", "Wheel", "mailbox_of", "tick_of", "wheel_of"]
