"""The chat mounted in another application, for the test that asks whether it minds."""

from starlette.applications import Starlette
from starlette.routing import Mount

from examples.chat.app import app as chat

app = Starlette(routes=[Mount("/some/where", chat)])
