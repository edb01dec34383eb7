"""The programs of Ravyn's page, with only their import line changed."""

import asyncio
from types import ModuleType

import pytest

from tests.compat.live import program, said, sample, serving, vanish, ws


def loaded(name: str) -> ModuleType:
    """A sample with its import line changed."""
    text = sample(f"ravyn/{name}.py")
    assert text.count("from ravyn import") == 1
    return program(text.replace("from ravyn import", "from antiphon.compat.ravyn import"))


async def test_v1(capsys: pytest.CaptureFixture[str]) -> None:
    """Echo with the id of the path; the client's leaving is caught by the class that was imported."""
    module = loaded("v1_ws")
    async with serving(module.app) as address, ws(address, "/ws/7") as client:
        for message in ("hi", "ho"):
            await client.send(message)
            assert await said(client) == f"Message from 7: {message}"
    assert capsys.readouterr().out == "Client 7 disconnected\n"


async def test_v2() -> None:
    """Who breaks off is the one who is taken off the list; the others go on."""
    module = loaded("v2_broadcast")
    connections = module.manager.active_connections
    async with serving(module.app) as address, ws(address, "/chat") as a, ws(address, "/chat") as c:
        async with ws(address, "/chat") as b:
            await b.send("all here?")
            for client in (a, b, c):
                assert await said(client) == "Broadcast: all here?"
            vanish(b)
        # It may arrive before the server knows that B has gone, or after.
        await a.send("x")
        for client in (a, c):
            assert await said(client) == "Broadcast: x"
        await a.send("still served")
        for client in (a, c):
            assert await said(client) == "Broadcast: still served"
        assert len(connections) == 2
    assert connections == []


async def test_v2_under_churn() -> None:
    """While clients come and break off all the time, those who stay miss nothing."""
    module = loaded("v2_broadcast")

    async with serving(module.app) as address:

        async def come_and_go(number: int) -> None:
            for _ in range(10):
                async with ws(address, "/chat") as client:
                    await client.send(f"noise {number}")
                    vanish(client)

        # They are read in the end only: nothing must hold them back.
        patient = {"max_queue": None}
        async with ws(address, "/chat", **patient) as stays, ws(address, "/chat", **patient) as speaks:
            churn = asyncio.gather(*map(come_and_go, range(5)))
            for number in range(50):
                await speaks.send(str(number))
            await churn
            for client in (stays, speaks):
                heard = []
                while len(heard) < 50:
                    message = await said(client)
                    if "noise" not in message:
                        heard.append(message)
                assert heard == [f"Broadcast: {number}" for number in range(50)]
    assert module.manager.active_connections == []
