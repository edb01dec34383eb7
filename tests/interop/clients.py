"""One manner of speaking for many clients: what `Conversation` says, each does with its own means."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import picows
import websocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE = 15
LARGEST = 16 * 1024 * 1024

Message = str | bytes


class Closed(Exception):
    """The server has closed: (code, reason)."""


class Conversation(Protocol):
    """An open connection of some client."""

    compressed: bool

    async def send(self, message: Message) -> None:
        """Send a message."""

    async def send_parts(self, parts: Sequence[Any]) -> None:
        """Send one message in several frames."""

    async def receive(self) -> Message:
        """The next message.

        Raises:
            Closed: There is none.
        """

    async def ping(self) -> None:
        """Send a ping with a payload, and wait for the pong with the same."""

    async def close(self, code: int, reason: str) -> None:
        """Close and wait for the server's answer."""


Connect = Callable[..., AbstractAsyncContextManager[Conversation]]


@dataclass(frozen=True)
class Client:
    """A client, and what it can do beside text, binary and closing."""

    name: str
    how: Connect
    fragments: bool = True
    deflates: bool = True
    pings: bool = True

    def __str__(self) -> str:
        return self.name

    @asynccontextmanager
    async def connect(self, url: str, **options: Any) -> AsyncIterator[Conversation]:
        """A connection that nobody waits for without end."""
        async with asyncio.timeout(PATIENCE), self.how(url, **options) as conversation:
            yield conversation


# --- websockets ----------------------------------------------------------------------------------------


class Websockets:
    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.compressed = "permessage-deflate" in ws.response.headers.get("Sec-WebSocket-Extensions", "")

    async def send(self, message: Message) -> None:
        await self.ws.send(message)

    async def send_parts(self, parts: Sequence[Any]) -> None:
        await self.ws.send(parts)

    async def receive(self) -> Message:
        try:
            return await self.ws.recv()
        except ConnectionClosed:
            raise Closed(self.ws.close_code, self.ws.close_reason) from None

    async def ping(self) -> None:
        await (await self.ws.ping(b"payload"))

    async def close(self, code: int, reason: str) -> None:
        await self.ws.close(code, reason)
        assert (self.ws.close_code, self.ws.protocol.close_rcvd is not None) == (code, True)


@asynccontextmanager
async def websockets_client(url: str, deflate: bool = False, **options: Any) -> AsyncIterator[Conversation]:
    compression = "deflate" if deflate else None
    async with connect(url, compression=compression, max_size=LARGEST, **options) as ws:
        yield Websockets(ws)


# --- aiohttp -------------------------------------------------------------------------------------------


class Aiohttp:
    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.compressed = bool(ws.compress)

    async def send(self, message: Message) -> None:
        if isinstance(message, str):
            await self.ws.send_str(message)
        else:
            await self.ws.send_bytes(message)

    async def send_parts(self, parts: Sequence[Any]) -> None:
        raise NotImplementedError

    async def receive(self) -> Message:
        message = await self.ws.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            raise Closed(message.data, message.extra)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        data: Message = message.data
        return data

    async def ping(self) -> None:
        await self.ws.ping(b"payload")
        message = await self.ws.receive()
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"payload")

    async def close(self, code: int, reason: str) -> None:
        await self.ws.close(code=code, message=reason.encode())
        assert self.ws.close_code == code


@asynccontextmanager
async def aiohttp_client(url: str, deflate: bool = False, **options: Any) -> AsyncIterator[Conversation]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            url,
            compress=15 if deflate else 0,
            max_msg_size=LARGEST,
            autoping=False,
            autoclose=True,
            **options,
        ) as ws,
    ):
        yield Aiohttp(ws)


@asynccontextmanager
async def aiohttp_answering(url: str) -> AsyncIterator[Conversation]:
    """It either answers pings or shows pongs."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        yield Aiohttp(ws)


# --- picows --------------------------------------------------------------------------------------------


class Picows(picows.WSListener):  # type: ignore[misc]
    compressed = False

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Message | Closed] = asyncio.Queue()
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None
        self.parts: list[bytes] = []

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        match frame.msg_type:
            case picows.WSMsgType.TEXT:
                assert frame.fin
                self.arrived.put_nowait(frame.get_payload_as_utf8_text())
            case picows.WSMsgType.BINARY:
                assert frame.fin
                self.arrived.put_nowait(frame.get_payload_as_bytes())
            case picows.WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            case picows.WSMsgType.PONG:
                self.pongs.put_nowait(frame.get_payload_as_bytes())
            case picows.WSMsgType.CLOSE:
                code, reason = frame.get_close_code(), frame.get_close_message() or b""
                self.arrived.put_nowait(Closed(int(code), bytes(reason).decode()))
                transport.send_close(code)
                transport.disconnect()

    async def send(self, message: Message) -> None:
        kind = picows.WSMsgType.TEXT if isinstance(message, str) else picows.WSMsgType.BINARY
        self.transport.send(kind, message.encode() if isinstance(message, str) else message)

    async def send_parts(self, parts: Sequence[Any]) -> None:
        kind = picows.WSMsgType.TEXT if isinstance(parts[0], str) else picows.WSMsgType.BINARY
        for number, part in enumerate(parts, start=1):
            payload = part.encode() if isinstance(part, str) else part
            self.transport.send(kind, payload, fin=number == len(parts))
            kind = picows.WSMsgType.CONTINUATION

    async def receive(self) -> Message:
        event = await self.arrived.get()
        if isinstance(event, Closed):
            raise event
        return event

    async def ping(self) -> None:
        self.transport.send_ping(b"payload")
        assert await self.pongs.get() == b"payload"

    async def close(self, code: int, reason: str) -> None:
        self.transport.send_close(code, reason.encode())
        event = await self.arrived.get()
        assert isinstance(event, Closed)
        assert event.args[0] == code


@asynccontextmanager
async def picows_client(url: str, deflate: bool = False, **options: Any) -> AsyncIterator[Conversation]:
    assert not deflate
    transport, listener = await picows.ws_connect(Picows, url, max_frame_size=LARGEST, **options)
    try:
        yield listener
    finally:
        transport.disconnect()
        await transport.wait_disconnected()


# --- websocket-client ------------------------------------------------------------------------------------


class WebsocketClient:
    """A blocking client: each call is made in a thread."""

    compressed = False

    def __init__(self, ws: websocket.WebSocket) -> None:
        self.ws = ws

    async def send(self, message: Message) -> None:
        opcode = websocket.ABNF.OPCODE_TEXT if isinstance(message, str) else websocket.ABNF.OPCODE_BINARY
        await asyncio.to_thread(self.ws.send, message, opcode)

    async def send_parts(self, parts: Sequence[Any]) -> None:
        text = isinstance(parts[0], str)
        opcode = websocket.ABNF.OPCODE_TEXT if text else websocket.ABNF.OPCODE_BINARY
        for number, part in enumerate(parts, start=1):
            payload = part.encode() if text else part
            frame = websocket.ABNF.create_frame(payload, opcode, fin=int(number == len(parts)))
            await asyncio.to_thread(self.ws.send_frame, frame)
            opcode = websocket.ABNF.OPCODE_CONT

    async def receive(self) -> Message:
        opcode, data = await asyncio.to_thread(self.ws.recv_data)
        match opcode:
            case websocket.ABNF.OPCODE_TEXT:
                return bytes(data).decode()
            case websocket.ABNF.OPCODE_BINARY:
                return bytes(data)
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        raise Closed(int.from_bytes(data[:2], "big"), bytes(data[2:]).decode())

    async def ping(self) -> None:
        self.ws.ping("payload")
        opcode, data = await asyncio.to_thread(self.ws.recv_data, True)
        assert (opcode, bytes(data)) == (websocket.ABNF.OPCODE_PONG, b"payload")

    async def close(self, code: int, reason: str) -> None:
        await asyncio.to_thread(self.ws.send_close, code, reason.encode())
        opcode, data = await asyncio.to_thread(self.ws.recv_data)
        assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, code)


@asynccontextmanager
async def websocket_client(url: str, deflate: bool = False, **options: Any) -> AsyncIterator[Conversation]:
    assert not deflate
    ws = await asyncio.to_thread(websocket.create_connection, url, timeout=PATIENCE, **options)
    try:
        yield WebsocketClient(ws)
    finally:
        ws.shutdown()


PYTHON = (
    Client("websockets", websockets_client),
    Client("aiohttp", aiohttp_client, fragments=False),
    Client("picows", picows_client, deflates=False),
    Client("websocket-client", websocket_client, deflates=False),
)
