"""The event loops that a server may run on."""

import asyncio

import uvloop

from antiphon.loop import with_fastnet

LOOPS = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
    "fastnet": with_fastnet(uvloop.new_event_loop),
}
