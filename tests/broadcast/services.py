"""Hosted services on loopback, as strict as the real ones: what they accept was signed and complete.

Each is an HTTP server in a thread that keeps connections alive, checks every request as its protocol
demands, and misbehaves as it is told: ``service.answers = [500, 200]``, ``HANG``.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgpack

HOST = "127.0.0.1"
#: An answer that never comes (until the service is closed).
HANG = 0

KEY, SECRET, APP_ID = "278d425bdf160c739803", "7ad3773142a6692b25b8", "3"


@dataclass
class Request:
    """A request that a service accepted.

    Attributes:
        path: Its path.
        headers: Its headers, in lower case.
        body: Its body, decoded.
        connection: A number for the connection it came by.
    """

    path: str
    headers: dict[str, str]
    body: Any
    connection: int


@dataclass
class Service:
    """What all services have.

    Attributes:
        answers: The statuses of the next answers; afterwards all is well.
        text: The body of an answer that is an error.
        requests: Every request that was well-formed, whatever it was answered.
        taken: Those that were answered with success.
        problems: What was wrong with requests that were not well-formed.
    """

    answers: list[int] = field(default_factory=list)
    text: str = "no"
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    last: list[Callable[[], object]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __enter__(self) -> "Service":
        self.closing = threading.Event()
        self.connections = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                service.connections += 1
                self.number = service.connections

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    problem, decoded = service.examine(self.path, headers, body)
                except Exception as error:
                    problem, decoded = f"{type(error).__name__}: {error}", None
                if problem is not None:
                    service.problems.append(problem)
                    service.arrived.release()
                    self.answer(401, problem.encode(), "text/plain")
                    return
                request = Request(urlsplit(self.path).path, headers, decoded, self.number)
                service.requests.append(request)
                status = service.answers.pop(0) if service.answers else 200
                if status == HANG:
                    service.arrived.release()
                    service.closing.wait(30)
                    self.close_connection = True
                    return
                if status < 300:
                    service.taken.append(request)
                service.arrived.release()
                self.answer(*service.reply(status, request))

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def when_closed(self, function: Callable[[], object]) -> None:
        """Call a function before this ends."""
        self.last.append(function)

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        for each in self.last:
            each()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def wait(self, requests: int = 1) -> None:
        """Wait until so many more requests have come."""
        for _ in range(requests):
            assert self.arrived.acquire(timeout=10), "no request came"

    def examine(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str | None, Any]:
        """What is wrong with a request, or None and its body."""
        raise NotImplementedError

    def reply(self, status: int, request: Request) -> tuple[int, bytes, str]:
        """Status, body and content type of an answer."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """A driver's settings that reach it."""
        raise NotImplementedError

    @property
    def sent(self) -> Iterator[tuple[str, str, Any]]:
        """Channel, event and data of all that was taken, in order."""
        raise NotImplementedError


class PusherService(Service):
    """Pusher's HTTP API, after https://pusher.com/docs/channels/library_auth_reference/rest-api/."""

    secret = SECRET

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "app_id": APP_ID,
            "client": KEY,
            "secret": SECRET,
            "host": HOST,
            "port": self.port,
            "ssl": False,
            "retry_delay": 0,
        }

    @property
    def sent(self) -> Iterator[tuple[str, str, Any]]:
        for request in self.taken:
            for each in request.body.get("batch", [request.body]):
                for channel in each.get("channels") or [each["channel"]]:
                    yield channel, each["name"], each["data"]

    def examine(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str | None, Any]:
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        signature = query.pop("auth_signature")
        signed = "&".join(f"{name.lower()}={query[name]}" for name in sorted(query))
        text = f"POST\n{parts.path}\n{signed}"
        right = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if query["auth_key"] != KEY:
            return "Unknown auth_key", None
        if not hmac.compare_digest(right, signature):
            return f'Invalid signature: you should have sent HmacSHA256Hex("{text}", your_secret_key)', None
        if query["auth_version"] != "1.0":
            return "Unknown auth_version", None
        if abs(time.time() - int(query["auth_timestamp"])) > 600:
            return "Timestamp expired", None
        if hashlib.md5(body).hexdigest() != query["body_md5"]:
            return "body_md5 does not match the body", None
        if headers["content-type"] != "application/json":
            return "Content-Type", None
        return self.examine_events(parts.path, json.loads(body)), json.loads(body)

    def examine_events(self, path: str, body: Any) -> str | None:
        if path == f"/apps/{APP_ID}/events":
            events, most = [body], 100
        elif path == f"/apps/{APP_ID}/batch_events":
            events, most = body["batch"], 1
            if not 0 < len(events) <= 10:
                return f"{len(events)} events in a batch"
        else:
            return f"there is no {path}"
        for event in events:
            channels = event.get("channels") or [event["channel"]]
            if not 0 < len(channels) <= most:
                return f"{len(channels)} channels"
            if not all(re.fullmatch(r"[-a-zA-Z0-9_=@,.;]{1,200}", each) for each in channels):
                return f"channels {channels}"
            if not isinstance(event["data"], str) or len(event["name"]) > 200:
                return f"event {event}"
        return None

    def reply(self, status: int, request: Request) -> tuple[int, bytes, str]:
        if status < 300:
            return status, b"{}", "application/json"
        return status, self.text.encode(), "text/plain"


class AblyService(Service):
    """Ably's REST API, after https://ably.com/docs/api/rest-api. A message that it has by its id is not
    published again."""

    token = "a.token"
    published: list[tuple[str, str, Any]]

    def __enter__(self) -> "AblyService":
        self.published = []
        self.ids: set[tuple[str, str]] = set()
        super().__enter__()
        return self

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": self.token, "host": HOST, "port": self.port, "ssl": False, "retry_delay": 0}

    @property
    def sent(self) -> Iterator[tuple[str, str, Any]]:
        return iter(self.published)

    def examine(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str | None, Any]:
        if not re.fullmatch(r"/channels/[^/?]+/messages", path):
            return f"there is no {path}", None
        bearer = "Bearer " + base64.b64encode(self.token.encode()).decode()
        if headers["authorization"] != bearer:
            return "Unauthorized", None
        if headers["content-type"] != "application/x-msgpack":
            return "Content-Type", None
        message = msgpack.unpackb(body)
        if not re.fullmatch(r"[A-Za-z0-9+/=]{12,}:0", message["id"]):
            return f"id {message['id']!r}", None
        return None, message

    def reply(self, status: int, request: Request) -> tuple[int, bytes, str]:
        if status >= 300:
            error = {"error": {"message": self.text, "statusCode": status, "code": status * 100}}
            return status, msgpack.packb(error), "application/x-msgpack"
        return 201, self.take(request), "application/x-msgpack"

    def take(self, request: Request) -> bytes:
        """Publish a message, unless it was before."""
        channel, message = unquote(request.path.split("/")[2]), request.body
        if (channel, message["id"]) not in self.ids:
            self.ids.add((channel, message["id"]))
            data = message.get("data")
            if message.get("encoding") == "json":
                data = json.loads(data)
            self.published.append((channel, message["name"], data))
        return msgpack.packb({"channel": channel, "messageId": message["id"], "serials": ["s"]})
