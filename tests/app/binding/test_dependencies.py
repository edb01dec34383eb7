"""Dependencies: made when a connection begins, each once, and torn down when it ends."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from starlette.exceptions import HTTPException

from antiphon import Antiphon, Depends, WebSocket
from antiphon.errors import BindingError
from antiphon.testing import HandshakeRefused, TestClient
from tests.app.calls import Call


@pytest.fixture
def app() -> Antiphon:
    return Antiphon()


@pytest.fixture
async def client(app: Antiphon) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


class Log(list[str]):
    """What happened, in order."""

    def named(self, name: str) -> Any:
        """An async generator dependency that logs its making and its end."""

        async def make() -> AsyncIterator[str]:
            self.append(f"+{name}")
            yield name
            self.append(f"-{name}")

        return make


class TestDepends:
    """`Annotated[T, Depends(f)]`, and `= Depends(f)`."""

    async def test_sub_dependencies(self, app: Antiphon, client: TestClient) -> None:
        """Dependencies depend on others, on the connection, and on path and query parameters."""

        async def page(number: int, size: int = 10) -> dict[str, int]:
            return {"number": number, "size": size}

        def user(ws: WebSocket, token: Annotated[str, Depends(lambda headers: headers["x-token"])]) -> str:
            return f"{token}@{ws.url.path}"

        @app.websocket("/{number}")
        async def view(
            ws: WebSocket, user: Annotated[str, Depends(user)], page: dict[str, int] = Depends(page)
        ) -> None:
            await ws.send([user, page])

        async with client.websocket("/5?size=3", headers={"X-Token": "t"}) as ws:
            assert await ws.receive_json() == ["t@/5", {"number": 5, "size": 3}]

    async def test_once_for_each_connection(self, app: Antiphon, client: TestClient) -> None:
        """One connection's handlers share a dependency's value; another connection has its own."""
        made = []

        def number() -> int:
            made.append(len(made))
            return made[-1]

        Number = Annotated[int, Depends(number)]  # noqa: N806
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(n: Number, again: Number) -> list[int]:
            return [n, again]

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str, n: Number) -> int:
            return n

        for expected in (0, 1):
            async with client.websocket("/") as ws:
                assert await ws.receive_json() == [expected, expected]
                await ws.send("x")
                assert await ws.receive() == str(expected)
        assert made == [0, 1]

    async def test_kinds(self, app: Antiphon, client: TestClient) -> None:
        """Sync and async functions, generators of both kinds, classes, and callable objects."""
        main = threading.get_ident()
        threads = {}

        def plain() -> str:
            threads["plain"] = threading.get_ident()
            return "plain"

        async def coroutine() -> str:
            threads["coroutine"] = threading.get_ident()
            return "coroutine"

        def generator() -> Iterator[str]:
            threads["generator"] = threading.get_ident()
            yield "generator"

        async def async_generator() -> AsyncIterator[str]:
            yield "async generator"

        class Class:
            def __init__(self, ws: WebSocket) -> None:
                self.path = ws.url.path

        class Callable_:  # noqa: N801
            async def __call__(self) -> str:
                return "object"

        @app.websocket("/")
        async def view(
            ws: WebSocket,
            a: Annotated[str, Depends(plain)],
            b: Annotated[str, Depends(coroutine)],
            c: Annotated[str, Depends(generator)],
            d: Annotated[str, Depends(async_generator)],
            e: Annotated[Class, Depends(Class)],
            f: Annotated[str, Depends(Callable_())],
        ) -> None:
            await ws.send([a, b, c, d, e.path, f])

        async with client.websocket("/") as ws:
            assert await ws.receive_json() == [
                "plain", "coroutine", "generator", "async generator", "/", "object",
            ]  # fmt: skip
        assert threads["coroutine"] == main
        assert main not in (threads["plain"], threads["generator"])

    async def test_refusing(self, app: Antiphon, client: TestClient) -> None:
        """What a dependency raises refuses the handshake, before any handler runs."""

        async def user() -> str:
            raise HTTPException(401, "who are you?")

        @app.websocket("/view")
        async def view(ws: WebSocket, user: Annotated[str, Depends(user)]) -> None:
            raise AssertionError("never reached")

        endpoint = app.events("/events")

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str, user: Annotated[str, Depends(user)]) -> None:
            raise AssertionError("never reached")

        for path in ("/view", "/events"):
            with pytest.raises(HandshakeRefused) as caught:
                async with client.websocket(path):
                    pass
            assert (caught.value.status, caught.value.body) == (401, b"who are you?")

    async def test_circle(self, app: Antiphon) -> None:
        """Factories that need one another fail at registration, showing the circle."""

        def hen(egg: object) -> None: ...

        def egg(hen: object) -> None: ...

        app.provide("hen", hen)
        app.provide("egg", egg)
        with pytest.raises(BindingError, match=r"needs itself.*hen .* → .*egg .* → .*hen "):

            @app.websocket("/")
            async def view(ws: WebSocket, hen: object) -> None: ...


class TestTeardown:
    """Behind the `yield`, at the end of the connection, the last made first."""

    @pytest.mark.parametrize("end", ["return", "error", "client", "abort", "refuse"])
    async def test_view(self, app: Antiphon, end: str) -> None:
        """However a view ends, its dependencies are torn down after it, in reverse order."""
        log = Log()

        @app.websocket("/")
        async def view(
            ws: WebSocket,
            a: Annotated[str, Depends(log.named("a"))],
            b: Annotated[str, Depends(log.named("b"))],
        ) -> None:
            try:
                if end == "refuse":
                    await ws.reject(402)
                await ws.send("ready")
                if end == "error":
                    raise LookupError
                if end != "return":
                    await ws.receive()
            finally:
                log.append("view")

        async with TestClient(app, raise_exceptions=False) as client:
            if end == "refuse":
                with pytest.raises(HandshakeRefused):
                    async with client.websocket("/"):
                        pass
            else:
                async with client.websocket("/") as ws:
                    await ws.receive()
                    if end == "abort":
                        await ws.abort()
            assert log == ["+a", "+b", "view", "-b", "-a"]

    @pytest.mark.parametrize("end", ["client", "abort", "connect fails", "message fails"])
    async def test_events(self, app: Antiphon, end: str) -> None:
        """An event endpoint's are torn down after its close handler."""
        log = Log()
        endpoint = app.events("/")

        @endpoint.on("connect")
        async def joined(ws: WebSocket, a: Annotated[str, Depends(log.named("a"))]) -> None:
            log.append("connect")
            if end == "connect fails":
                raise LookupError

        @endpoint.on("message")
        async def said(ws: WebSocket, message: str, b: Annotated[str, Depends(log.named("b"))]) -> None:
            raise LookupError

        @endpoint.on("close")
        async def left() -> None:
            log.append("close")

        async with TestClient(app, raise_exceptions=False) as client:
            if end == "connect fails":
                with pytest.raises(HandshakeRefused):
                    async with client.websocket("/"):
                        pass
            else:
                async with client.websocket("/") as ws:
                    if end == "message fails":
                        await ws.send("x")
                        await ws.receive_close()
                    elif end == "abort":
                        await ws.abort()
            assert log == ["+a", "+b", "connect", "close", "-b", "-a"]

    async def test_http(self, app: Antiphon) -> None:
        """A request's are torn down when it is answered, also by an error."""
        log = Log()

        @app.get("/{fail}")
        def handler(fail: bool, a: Annotated[str, Depends(log.named("a"))]) -> str:
            log.append("handler")
            return str(1 // (not fail))

        async with TestClient(app, raise_exceptions=False) as client:
            assert (await client.get("/false")).status == 200
            assert (await client.get("/true")).status == 500
        assert log == ["+a", "handler", "-a"] * 2

    async def test_sync_generator_in_a_thread(self, app: Antiphon, client: TestClient) -> None:
        """A plain generator is torn down in a worker thread, as it was made."""
        threads = []

        def resource() -> Iterator[str]:
            threads.append(threading.get_ident())
            yield "x"
            threads.append(threading.get_ident())

        @app.websocket("/")
        async def view(ws: WebSocket, resource: Annotated[str, Depends(resource)]) -> None: ...

        async with client.websocket("/"):
            pass
        assert len(threads) == 2
        assert threading.get_ident() not in threads

    @pytest.mark.parametrize("kind", ["view", "events", "http"])
    async def test_that_fails(self, app: Antiphon, kind: str) -> None:
        """A teardown that fails keeps no other from being torn down, and nobody waiting."""
        log = Log()

        async def broken(a: Annotated[str, Depends(log.named("a"))]) -> AsyncIterator[str]:
            yield "b"
            raise LookupError("broken teardown")

        Broken = Annotated[str, Depends(broken)]  # noqa: N806

        @app.websocket("/view")
        async def view(ws: WebSocket, broken: Broken) -> None: ...

        @app.events("/events").on("connect")
        async def joined(ws: WebSocket, broken: Broken) -> None: ...

        @app.get("/http")
        async def handler(broken: Broken) -> str:
            return "x"

        async def talk(client: TestClient) -> None:
            if kind == "http":
                await client.get("/http")
            else:
                async with client.websocket(f"/{kind}"):
                    pass

        async with TestClient(app) as client:
            with pytest.raises(LookupError, match="broken teardown"):
                await talk(client)
        assert log == ["+a", "-a"]
        assert not app.endpoints["/view"].connections

    async def test_made_partly(self, app: Antiphon) -> None:
        """When one cannot be made, those made before it are torn down."""
        log = Log()

        def fails() -> str:
            raise LookupError("cannot be made")

        @app.websocket("/")
        async def view(
            ws: WebSocket, a: Annotated[str, Depends(log.named("a"))], b: Annotated[str, Depends(fails)]
        ) -> None: ...

        async with TestClient(app) as client:
            with pytest.raises(LookupError, match="cannot be made"):
                async with client.websocket("/"):
                    pass
        assert log == ["+a", "-a"]

    @pytest.mark.parametrize("times", [1, 2])
    async def test_entered_too_late(self, app: Antiphon, times: int) -> None:
        """What a worker thread enters when nobody waits for it any more is torn down all the same."""
        begun, gate, left, log = threading.Event(), threading.Event(), threading.Event(), []

        def resource() -> Iterator[int]:
            begun.set()
            assert gate.wait(10)
            log.append("entered")
            yield 1
            log.append("torn down")
            left.set()

        @app.websocket("/")
        async def view(number: Annotated[int, Depends(resource)]) -> None:
            """Not reached."""

        call = Call(app).task
        assert await asyncio.to_thread(begun.wait, 10)
        for _ in range(times):
            call.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        gate.set()
        await asyncio.wait([call], timeout=10)
        assert call.cancelled()
        assert await asyncio.to_thread(left.wait, 10)
        assert log == ["entered", "torn down"]

    async def test_task_groups_and_context(self, app: Antiphon, client: TestClient) -> None:
        """A view's dependency may hold a task group or a time-out, and set context variables for it."""
        name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

        async def resource() -> AsyncIterator[asyncio.TaskGroup]:
            name.set("Ada")
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                yield group

        @app.websocket("/")
        async def view(ws: WebSocket, group: Annotated[asyncio.TaskGroup, Depends(resource)]) -> None:
            sent = group.create_task(ws.send(name.get()))
            await sent

        async with client.websocket("/") as ws:
            assert await ws.receive() == "Ada"


class TestAppScope:
    """`scope="app"`: made once, torn down when the application stops."""

    async def test_once(self, app: Antiphon) -> None:
        """Many connections that come at the same time share one value; the end tears it down."""
        log = Log()
        go = asyncio.Event()

        async def pool() -> AsyncIterator[str]:
            log.append("+pool")
            await go.wait()
            yield "pool"
            log.append("-pool")

        app.provide("pool", pool, scope="app")

        @app.websocket("/")
        async def view(ws: WebSocket, pool: str) -> None:
            await ws.send(pool)

        @app.get("/")
        async def page(pool: str) -> str:
            return pool

        async def talk(client: TestClient) -> object:
            async with client.websocket("/") as ws:
                return await ws.receive()

        async with TestClient(app) as client:
            talks = [asyncio.create_task(talk(client)) for _ in range(20)]
            await asyncio.sleep(0)
            go.set()
            assert await asyncio.gather(*talks) == ["pool"] * 20
            assert (await client.get("/")).text == "pool"
            assert log == ["+pool"]
        assert log == ["+pool", "-pool"]

    async def test_failure_is_not_kept(self, app: Antiphon) -> None:
        """What could not be made is tried again by the next who asks."""
        tries = []

        def flaky() -> str:
            tries.append(1)
            if len(tries) == 1:
                raise LookupError("not yet")
            return "made"

        app.provide("flaky", flaky, scope="app")

        @app.get("/")
        async def page(flaky: str) -> str:
            return flaky

        async with TestClient(app, raise_exceptions=False) as client:
            assert (await client.get("/")).status == 500
            assert (await client.get("/")).text == "made"
            assert (await client.get("/")).text == "made"
        assert len(tries) == 2

    async def test_one_that_leaves_does_not_cancel_it(self, app: Antiphon) -> None:
        """A request that gives up while it waits does not take the value from the others."""
        go = asyncio.Event()

        async def slow() -> str:
            await go.wait()
            return "made"

        app.provide("slow", slow, scope="app")

        @app.get("/")
        async def page(slow: str) -> str:
            return slow

        async with TestClient(app) as client:
            first = asyncio.create_task(client.get("/"))
            second = asyncio.create_task(client.get("/"))
            await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.wait([first])
            go.set()
            assert (await second).text == "made"

    @pytest.mark.parametrize(
        "factory",
        [
            lambda ws: None,
            lambda request: None,
            lambda headers: None,
            lambda unknown: None,
        ],
    )
    async def test_needs_a_connection(self, app: Antiphon, factory: Any) -> None:
        """What is made for the application cannot ask for a connection; registration says so."""
        app.provide("thing", factory, scope="app")
        with pytest.raises(BindingError, match=r"made once for the application.*scope='connection'"):

            @app.websocket("/{room}")
            async def view(ws: WebSocket, thing: object) -> None: ...

    async def test_query_of_one_client(self, app: Antiphon, client: TestClient) -> None:
        """No client's query or path fills a parameter of what all share: it keeps its default."""

        def settings(room: str = "default", size: int = 1) -> list[object]:
            return [room, size]

        app.provide("settings", settings, scope="app")

        @app.websocket("/{room}")
        async def view(ws: WebSocket, settings: object) -> None:
            await ws.send(settings)

        async with client.websocket("/lobby?size=1000") as ws:
            assert await ws.receive_json() == ["default", 1]
