"""Bocadillo's application: routes, parameters, providers, settings and templates."""

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from antiphon.compat.bocadillo import App, Response, Templates, configure, provider, status
from antiphon.errors import BindingError, ConfigurationError
from tests.compat.live import fetched, refusal, said, said_json, serving, ws

numbers = count()


def unique(name: str) -> str:
    """A name for a provider: they are declared for the whole process."""
    return f"{name}_{next(numbers)}"


class TestRoutes:
    """Paths and the parameters of views."""

    async def test_parameters(self) -> None:
        """Path and query parameters are converted, required ones included; wrong ones refuse."""
        app = App()

        @app.websocket_route("rooms/{room}/{number:int}", send_type="json")
        async def view(ws: Any, room: str, number: int, q: int, flag: bool = False) -> None:
            await ws.send([room, number, q, flag])

        async with serving(app) as address:
            async with ws(address, "/rooms/red/7?q=3&flag=on") as client:
                assert await said_json(client) == ["red", 7, 3, True]
            assert await refusal(address, "/rooms/red/7") == 400
            assert await refusal(address, "/rooms/red/7?q=x") == 400
            assert await refusal(address, "/rooms/red/x?q=1") == 404
            assert await refusal(address, "/nowhere") == 404

    async def test_path_wins(self) -> None:
        """The query cannot take a path parameter's place."""
        app = App()

        @app.websocket_route("/{room}")
        async def view(ws: Any, room: str = "none") -> None:
            await ws.send(room)

        async with serving(app) as address, ws(address, "/red?room=blue") as client:
            assert await said(client) == "red"

    async def test_wildcard(self) -> None:
        """``{}`` takes whatever follows."""
        app = App()

        @app.websocket_route("/any/{}")
        async def view(ws: Any) -> None:
            await ws.send(ws.url.path)

        async with serving(app) as address, ws(address, "/any/a/b") as client:
            assert await said(client) == "/any/a/b"

    def test_plain_function(self) -> None:
        """A view that is no coroutine function is an error at the decorator."""
        with pytest.raises(BindingError, match="async def"):
            App().websocket_route("/ws")(lambda ws: None)

    def test_function_itself(self) -> None:
        """The decorators return the function."""
        app = App()

        async def view(ws: Any) -> None: ...

        async def page(req: Any, res: Any) -> None: ...

        assert app.websocket_route("/ws")(view) is view
        assert app.route("/")(page) is page

    def test_unknown_type(self) -> None:
        """A message type that does not exist is an error at the decorator."""
        with pytest.raises(ConfigurationError, match="xml"):
            App().websocket_route("/ws", receive_type="xml")(lambda ws: None)


class TestHTTP:
    """HTTP views fill in a response, or return one."""

    async def test_bodies(self) -> None:
        """Text, HTML, JSON, a status, headers; plain functions too."""
        app = App()

        @app.route("/text")
        async def text(req: Any, res: Response) -> None:
            res.text = "plain"
            res.headers["x-made-by"] = req.method

        @app.route("/html")
        def html(req: Any, res: Any) -> None:
            res.html = "<p>hi"
            res.status_code = status.HTTP_201_CREATED

        @app.route("/json/{number}", methods=["post"])
        async def json(req: Any, res: Any, number: int, q: str = "none") -> None:
            res.json = [number, q]

        @app.route("/returned")
        async def returned(req: Any, res: Any) -> dict[str, int]:
            return {"a": 1}

        @app.route("/empty")
        async def empty() -> None: ...

        async with serving(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as http:
            response = await http.get("/text")
            assert (response.text, response.headers["x-made-by"]) == ("plain", "GET")
            response = await http.get("/html")
            assert (response.status_code, response.headers["content-type"][:9]) == (201, "text/html")
            assert (await http.post("/json/7?q=x")).json() == [7, "x"]
            assert (await http.get("/json/7")).status_code == 405
            assert (await http.get("/returned")).json() == {"a": 1}
            assert (await http.get("/empty")).status_code == 204


class TestProviders:
    """What views ask for by name."""

    async def test_scopes(self) -> None:
        """One for the application, shared by sockets and HTTP; one a connection, torn down after it."""
        shared, own = unique("shared"), unique("own")
        torn_down = asyncio.Event()

        @provider(scope="session", name=shared)
        async def make_shared() -> list[str]:
            return []

        app = App()
        namespace: dict[str, Any] = {"app": app}
        exec(
            f"""
@app.websocket_route("/ws", send_type="json")
async def view(ws, {shared}, {own}):
    {shared}.append({own})
    await ws.send([{own}, len({shared})])
    await ws.receive()

@app.route("/")
async def index(req, res, {shared}):
    res.json = len({shared})
""",
            namespace,
        )

        # Declared after the views that ask for it, and asking for the other.
        @provider(name=own)
        async def make_own() -> AsyncIterator[str]:
            yield f"own {next(numbers)}"
            torn_down.set()

        async with serving(app) as address:
            async with ws(address, "/ws") as one, ws(address, "/ws") as two:
                first, second = await said_json(one), await said_json(two)
                assert first[0] != second[0]
                assert {first[1], second[1]} == {1, 2}
                assert (await fetched(f"http://{address}/")).json() == 2
                assert not torn_down.is_set()
            await asyncio.wait_for(torn_down.wait(), 5)
        async with serving(App()) as address:
            assert await refusal(address, "/ws") == 404

    async def test_each_application_its_own(self) -> None:
        """What is made once for an application is not another's."""

        @provider(scope="app")
        def log_of_this_application() -> list[int]:
            return []

        async def view(ws: Any, log_of_this_application: list[int]) -> None:
            log_of_this_application.append(1)
            await ws.send(str(len(log_of_this_application)))

        for _ in range(2):
            app = App()
            app.websocket_route("/ws")(view)
            async with serving(app) as address, ws(address, "/ws") as client:
                assert await said(client) == "1"

    async def test_path_wins(self) -> None:
        """A path parameter comes before a provider of its name."""

        @provider
        def colour() -> str:
            return "provided"

        app = App()

        @app.websocket_route("/path/{colour}")
        async def path(ws: Any, colour: str) -> None:
            await ws.send(colour)

        @app.websocket_route("/provided")
        async def provided(ws: Any, colour: str) -> None:
            await ws.send(colour)

        async with serving(app) as address:
            async with ws(address, "/path/red") as client:
                assert await said(client) == "red"
            async with ws(address, "/provided?colour=query") as client:
                assert await said(client) == "provided"

    def test_mistakes(self) -> None:
        """A scope that does not exist, a name that means something else."""
        with pytest.raises(ConfigurationError, match="scope 'week'"):
            provider(scope="week")
        with pytest.raises(ConfigurationError, match="'ws'"):
            provider(name="ws")(lambda: None)

    async def test_missing(self) -> None:
        """A view that asks for what nobody provides is told so at the start, not to its first client."""
        app = App()

        @app.websocket_route("/ws")
        async def view(ws: Any, nobody_provides_this) -> None: ...  # type: ignore[no-untyped-def]

        with pytest.raises(BindingError, match="nobody_provides_this"):
            async with app.router.lifespan_context(app):
                """Never entered."""


class TestConfigure:
    """``configure`` makes of settings what they stand for."""

    async def test_provider_modules(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Modules with providers are imported, from settings in a module as well."""
        (tmp_path / "compat_providerconf.py").write_text(
            "from antiphon.compat.bocadillo import provider\n"
            "@provider\n"
            "def from_providerconf():\n"
            "    return 'found'\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        app = App("named")

        @app.websocket_route("/ws")
        async def view(ws: Any, from_providerconf: str) -> None:
            await ws.send(from_providerconf)

        settings = SimpleNamespace(PROVIDER_MODULES=["compat_providerconf"], OF_MY_OWN=1, ignored=2)
        assert configure(app, settings) is app
        assert "compat_providerconf" in sys.modules
        async with serving(app) as address, ws(address, "/ws") as client:
            assert await said(client) == "found"

    async def test_allowed_hosts(self) -> None:
        """What protects is in force."""
        app = configure(
            App(), {"ALLOWED_HOSTS": ["example.org"], "CORS": {"allow_origins": ["*"]}}, GZIP=True
        )

        @app.route("/")
        async def index(req: Any, res: Any) -> None:
            res.text = "x" * 1000

        async with serving(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as http:
            assert (await http.get("/")).status_code == 400
            response = await http.get("/", headers={"host": "example.org", "origin": "https://x.org"})
            assert response.headers["content-encoding"] == "gzip"
            assert response.headers["access-control-allow-origin"] == "*"

    @pytest.mark.parametrize("sessions", [True, {"max_age": 1}])
    def test_sessions_without_key(self, sessions: Any) -> None:
        """Sessions need a key to be signed with."""
        with pytest.raises(ConfigurationError, match="secret_key"):
            configure(App(), SESSIONS=sessions)


class TestTemplates:
    """Templates, from files and from text."""

    async def test_render(self, tmp_path: Path) -> None:
        """With their own variables and those of all; what is inserted is escaped."""
        (tmp_path / "page.html").write_text("{{ site }}: {{ text }} {{ url_for('page') }}")
        app = App()

        @app.route("/page")
        async def page(req: Any, res: Any) -> None: ...

        templates = Templates(app, tmp_path, {"site": "here"})
        assert await templates.render("page.html", text="<b>") == "here: &lt;b&gt; /page"
        assert templates.render_sync("page.html", text="x", site="there") == "there: x /page"
        assert templates.render_string("{{ site }}") == "here"
