"""Event loops with aiofastnet's transports."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from antiphon.errors import MissingExtra
from antiphon.loop import with_fastnet
from antiphon.loop.fastnet import HANDSHAKE_FAILED

LOOPS = [uvloop.new_event_loop, None]


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(f"{type(self.transport).__module__} ".encode() + data)


@pytest.mark.parametrize("below", LOOPS)
def test_sockets(below: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
    """Sockets of the loop, whichever it is, are aiofastnet's."""

    async def talk() -> bytes:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            heard = await reader.readuntil(b"hello")
            writer.close()
            await writer.wait_closed()
            return heard

    with asyncio.Runner(loop_factory=with_fastnet(below)) as runner:
        assert runner.run(talk()).startswith(b"aiofastnet.")
        assert isinstance(runner.get_loop(), uvloop.Loop) == (below is not None)


@pytest.mark.parametrize(
    ("context", "heard"),
    [
        # As the library tells it: with the exception's class.
        ({"message": HANDSHAKE_FAILED, "exception": ConnectionResetError}, ["INFO"]),
        (
            {"message": "Exception in callback <resume_reading>", "exception": RuntimeError("closed")},
            ["INFO"],
        ),
        ({"message": "Exception in callback <resume_reading>", "exception": ValueError("ours")}, ["ERROR"]),
        ({"message": "Exception in callback <ours>", "exception": RuntimeError("ours")}, ["ERROR"]),
    ],
)
def test_failures(context: dict[str, Any], heard: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """A TLS handshake that fails is a line; every other failure is told as without aiofastnet."""
    loop = with_fastnet(None)()
    with caplog.at_level("INFO"):
        loop.call_exception_handler(context)
    loop.close()
    assert [record.levelname for record in caplog.records] == heard


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install."""
    monkeypatch.setitem(sys.modules, "aiofastnet", None)
    with pytest.raises(MissingExtra, match=r'needs aiofastnet: pip install "antiphon\[fastnet\]"'):
        with_fastnet(None)
