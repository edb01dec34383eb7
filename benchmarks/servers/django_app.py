"""Django Channels: a consumer for each connection; fan-out: ``group_send``, in memory or through Redis.

BENCH_LAYER says which of the layers for Redis.
"""

import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path
from publications import publications

if "BENCH_REDIS" in os.environ:
    layer = {"BACKEND": os.environ["BENCH_LAYER"], "CONFIG": {"hosts": [os.environ["BENCH_REDIS"]]}}
else:
    layer = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
settings.configure(
    SECRET_KEY="only for a benchmark on loopback",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": layer},
    LOGGING_CONFIG=None,
)
django.setup()


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data)


class Subscribe(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("news", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("news", self.channel_name)

    async def published(self, event):
        await self.send(text_data=event["text"])


class Publish(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        for publication in publications(text_data):
            await get_channel_layer().group_send("news", {"type": "published", "text": publication})


application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("echo", Echo.as_asgi()),
                path("subscribe", Subscribe.as_asgi()),
                path("publish", Publish.as_asgi()),
            ]
        )
    }
)
