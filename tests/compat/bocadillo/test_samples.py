"""The programs and fragments of Bocadillo's page, behind the lines that the page takes for granted."""

import asyncio
import json
import random
import re
from types import ModuleType

import pytest
import websockets
from websockets.asyncio.client import connect

from tests.compat.live import ended, fetched, program, refusal, said, said_json, sample, serving, ws
from tests.servers import LiveServer

# Codes of RFC 6455 § 7.4.1 that a client can send, and 1006 for breaking off.
STANDARD = (1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010, 1011)

PRELUDE = """\
from antiphon.compat.bocadillo import App, configure, WebSocket
app = App()
configure(app)
"""


def loaded(name: str) -> ModuleType:
    """A sample behind the prelude."""
    return program(PRELUDE + sample(f"bocadillo/{name}.py"))


def view(options: str, body: str) -> ModuleType:
    """A fragment: a decorator's options and the body of a view, as the page shows them one by one."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return program(f'{PRELUDE}@app.websocket_route("/ws"{options})\nasync def view(ws):\n{lines}')


async def test_b1_echo() -> None:
    """One message, one answer, and the view's end closes."""
    async with serving(loaded("b01_echo").app) as address, ws(address, "/echo") as client:
        await client.send("hi")
        assert await said(client) == "You said: hi"
        assert await ended(client) == (1000, "")


async def test_b3_channel() -> None:
    """The path, the query and a header say who speaks; messages are JSON both ways."""
    async with serving(loaded("b03_channel").app) as address:
        async with ws(address, "/chat/red?anonymous=1") as client:
            await client.send('{"a": 1}')
            assert await said_json(client) == {"user": "Anonymous", "message": {"a": 1}}
        async with ws(address, "/chat/red", additional_headers={"user": "Ann"}) as client:
            await client.send("[]")
            assert await said_json(client) == {"user": "Ann", "message": []}
        assert await refusal(address, "/chat/red?anonymous=maybe") == 400


async def test_b3_without_user(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's name is an error of the view: 1011."""
    async with serving(loaded("b03_channel").app) as address, ws(address, "/chat/red") as client:
        assert await ended(client) == (1011, "")


async def test_b4_request() -> None:
    """The request's URL, headers, query and session."""
    module = view(
        ', send_type="json"',
        'await ws.send([str(ws.url), ws.headers["X-Key"], ws.query_parameters["a"], ws.session])',
    )
    module.configure(module.app, SESSIONS={"secret_key": "s3kr3t"})
    key = {"x-key": "k"}
    async with serving(module.app) as address, ws(address, "/ws?a=1&a=2", additional_headers=key) as client:
        assert await said_json(client) == [f"ws://{address}/ws?a=1&a=2", "k", "2", {}]


@pytest.mark.parametrize(
    ("options", "received", "sent"),
    [
        ("", "x", "x"),
        (', receive_type="json"', "[1]", TypeError),
        (', send_type="json"', "x", '"x"'),
        (', value_type="json"', '{"a": 1}', '{"a":1}'),
        (', receive_type="json", send_type="json"', "[1]", "[1]"),
        (', value_type="bytes"', b"x", b"x"),
        (', value_type="json", receive_type="bytes", send_type="bytes"', "1", "1"),
    ],
)
async def test_b5_b6_b9_to_b12_types(options: str, received: str, sent: object) -> None:
    """``receive`` and ``send``, with the types of the decorator; ``value_type`` stands for both."""
    module = view(options, "message = await ws.receive()\nawait ws.send(message)")
    async with serving(module.app) as address, ws(address, "/ws") as client:
        await client.send(received)
        if sent is TypeError:
            assert await ended(client) == (1011, "")
        else:
            assert await said(client) == sent
            assert await ended(client) == (1000, "")


@pytest.mark.parametrize(
    "loop", ["async for message in ws:", "while True:\n    message = await ws.receive()"], ids=["b7", "b8"]
)
async def test_b7_b8_loops(loop: str) -> None:
    """Iterating, and receiving for ever: the same, up to what ends them."""
    module = view(
        "",
        f"try:\n    {loop.replace(chr(10), chr(10) + '    ')}\n        await ws.send(message)\n"
        "except BaseException as error:\n    app.error = error\n    raise\nfinally:\n    app.ended.set()",
    )
    module.app.ended = asyncio.Event()
    async with serving(module.app) as address:
        async with ws(address, "/ws") as client:
            for message in ("a", "b"):
                await client.send(message)
                assert await said(client) == message
        await asyncio.wait_for(module.app.ended.wait(), 5)
    assert (type(module.app.error).__name__, module.app.error.code) == ("WebSocketDisconnect", 1000)


async def test_b13_asgi_events() -> None:
    """Raw ASGI events."""
    async with serving(loaded("b13_asgi_events").app) as address, ws(address, "/echo") as client:
        await client.send("hi")
        assert await said(client) == "You said: hi"


@pytest.mark.parametrize(
    ("name", "last"), [("b14_manual", "Connection closed!"), ("b15_context", "Connection closed normally!")]
)
async def test_b14_b15_accepting_by_hand(name: str, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``accept`` and ``close``, or ``async with``."""
    async with serving(loaded(name).app) as address, ws(address, "/hello") as client:
        assert await ended(client) == (1000, "")
    assert capsys.readouterr().out.splitlines() == ["Going to accept connection…", last]


async def test_b16_reject() -> None:
    """Without the key there is no connection, and the protected block is not entered; with it there is."""
    text = sample("bocadillo/b16_reject.py")
    module = program(PRELUDE + "entered = []\n" + text.replace("...  #", "entered.append(ws)  #"))
    async with serving(module.app) as address:
        assert await refusal(address, "/hello") == 403
        assert await refusal(address, "/hello", additional_headers={"api-key": "wrong"}) == 403
        assert module.entered == []
        async with ws(address, "/hello", additional_headers={"api-key": "s3kr3t"}) as client:
            assert await ended(client) == (1000, "")
        assert len(module.entered) == 1


async def test_b17_close_code() -> None:
    """A close code of one's own choice."""
    module = view("", "await ws.accept()\nawait ws.close(1003)")
    async with serving(module.app) as address, ws(address, "/ws") as client:
        assert await ended(client) == (1003, "")


async def test_b18_dangerous() -> None:
    """A hundred messages at most; chance closes with 4003, and nothing follows."""
    module = loaded("b18_dangerous")
    async with serving(module.app) as address:
        for seed in range(5):
            module.random = random.Random(seed)
            chance = random.Random(seed)
            answers = next(n for n in range(101) if n == 100 or chance.random() < 0.1)
            async with ws(address, "/dangerous") as client:
                for _ in range(answers):
                    await client.send("x")
                    assert await said(client) == "OK"
                if answers < 100:
                    await client.send("x")
                assert await ended(client) == (4003 if answers < 100 else 1000, "")


async def test_b18_the_end() -> None:
    """After a hundred lucky messages the view closes with 1000, and so does nobody a second time."""
    module = loaded("b18_dangerous")
    module.random = ModuleType("random")
    module.random.random = lambda: 1.0
    async with serving(module.app) as address, ws(address, "/dangerous") as client:
        for _ in range(100):
            await client.send("x")
            assert await said(client) == "OK"
        assert await ended(client) == (1000, "")


@pytest.mark.parametrize(
    ("codes", "caught"),
    [
        ("", {1000: True, 1001: True, 1006: False, 1011: False, 4000: False}),
        (", caught_close_codes=(1000, 1001, 1006)", {1000: True, 1006: True, 1011: False}),
        (", caught_close_codes=all", {**dict.fromkeys(STANDARD, True), 4000: False}),
        (", caught_close_codes=()", dict.fromkeys(STANDARD, False)),
    ],
)
async def test_b19_caught_close_codes(codes: str, caught: dict[int, bool]) -> None:
    """The codes that end a view quietly: in ``async with``, and at the end of the view."""
    module = view(
        codes,
        "ws.state.after = False\n"
        "try:\n    async with ws:\n        await ws.receive()\n    ws.state.after = True\n"
        "finally:\n    app.outcomes.put_nowait(ws.state.after)",
    )
    module.app.outcomes = asyncio.Queue()
    failures: list[object] = []
    module.app.observe(lambda signal: failures.append(signal) if "Failed" in repr(signal) else None)
    async with serving(module.app) as address:
        for code in caught:
            async with ws(address, "/ws") as client:
                if code == 1006:
                    client.transport.abort()
                else:
                    await client.close(code)
                assert await asyncio.wait_for(module.app.outcomes.get(), 5) is caught[code]
    assert len(failures) == list(caught.values()).count(False)


async def test_b20_chat_room() -> None:
    """The chat room: everyone sees everything, newcomers what was said before; one may leave any way."""
    hello = {"type": "message", "user": "Ann", "text": "<b>hello</b>"}
    with LiveServer.antiphon("tests.compat.bocadillo.chat.app:app") as server:
        page = await fetched(server.http("/"))
        assert page.headers["content-type"].startswith("text/html")
        assert "<h1>Chat room</h1>" in page.text
        assert re.search(r"innerHTML", page.text) is None
        async with connect(server.ws("/chat")) as ann:
            await ann.send(json.dumps(hello))
            assert await said_json(ann) == hello
            async with connect(server.ws("/chat")) as bob:
                assert await said_json(bob) == hello
                assert (await fetched(server.http("/clients"))).json() == {"count": 2}
                bob.transport.abort()
            async with connect(server.ws("/chat")) as cid:
                assert await said_json(cid) == hello
                await cid.send(json.dumps({**hello, "user": "Cid"}))
                for client in (ann, cid):
                    assert (await said_json(client))["user"] == "Cid"


async def test_unaccepted_view_is_refused() -> None:
    """A view that accepts by hand and forgets to is no connection."""
    async with serving(view(", auto_accept=False", "pass").app) as address:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with ws(address, "/ws"):
                pass
