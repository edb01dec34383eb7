"""What Robyn's handlers are injected with, and from where."""

from typing import Any

import pytest

from antiphon.compat.robyn import DependencyMap, Robyn, WebSocket
from antiphon.errors import BindingError, ConfigurationError
from tests.compat.live import said, serving, ws


def asking(app: Robyn, path: str, **options: Any) -> WebSocket:
    """An endpoint that answers with the dependency ``value``."""
    endpoint = WebSocket(app, path, **options)
    endpoint.on("message")(lambda ws, msg, value: value)
    return endpoint


async def answer(address: str, path: str) -> Any:
    """What such an endpoint answers."""
    async with ws(address, path) as client:
        await client.send("")
        return await said(client)


async def test_precedence() -> None:
    """An endpoint's own, then its map's, then the application's."""
    app = Robyn(__file__)
    app.inject_global(value="application")
    asking(app, "/app")
    everywhere, here = asking(app, "/map"), asking(app, "/own")
    everywhere.inject_global(value="map")
    here.inject_global(value="map")
    here.inject(value="own")
    async with serving(app) as address:
        assert await answer(address, "/app") == "application"
        assert await answer(address, "/map") == "map"
        assert await answer(address, "/own") == "own"


async def test_late() -> None:
    """What is injected after the handlers, even while the server runs, is found."""
    app = Robyn(__file__)
    endpoint = asking(app, "/ws")
    endpoint.inject(value="early")
    async with serving(app) as address:
        assert await answer(address, "/ws") == "early"
        endpoint.inject(value="late")
        assert await answer(address, "/ws") == "late"


async def test_shared_map() -> None:
    """Endpoints with one map share what is global in it, and keep their own apart."""
    app, shared = Robyn(__file__), DependencyMap()
    first, second = asking(app, "/1", dependencies=shared), asking(app, "/2", dependencies=shared)
    first.inject_global(value="shared")
    second.inject(value="mine")
    async with serving(app) as address:
        assert await answer(address, "/1") == "shared"
        assert await answer(address, "/2") == "mine"


def test_no_leak() -> None:
    """Without a map of its own an endpoint shares nothing, in its application or another."""
    app, other = Robyn(__file__), Robyn(__file__)
    asking(app, "/1").inject_global(value="private")
    neighbour, stranger = asking(app, "/2"), asking(other, "/1")
    for endpoint in (neighbour, stranger):
        with pytest.raises(BindingError, match="'value'"):
            endpoint.bind()


def test_map() -> None:
    """A map can be filled and read by itself."""
    dependencies = DependencyMap()
    dependencies.add_global_dependency(a=1)
    dependencies.add_router_dependency("router", b=2)
    assert dependencies.get_global_dependencies() == {"a": 1}
    assert dependencies.get_router_dependencies("router") == {"b": 2}
    assert dependencies.get_router_dependencies("other") == {}
    assert repr(dependencies) == "<DependencyMap ['a'], 2 endpoints>"


@pytest.mark.parametrize("name", ["ws", "message", "msg", "websocket_connector", "global_dependencies"])
def test_reserved(name: str) -> None:
    """A name that means something in handlers cannot be injected."""
    endpoint = WebSocket(Robyn(__file__), "/ws")
    for inject in (endpoint.inject, endpoint.inject_global):
        with pytest.raises(ConfigurationError, match=f"'{name}'"):
            inject(**{name: 1})
