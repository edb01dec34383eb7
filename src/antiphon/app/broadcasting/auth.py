"""The route that lets clients into private and presence channels.

pusher-js and Laravel Echo ask it, with the cookies and headers of the page, for a signature over their
socket and the channel; the server of the channel lets in who has one. Rules say who gets one. Where no
rule allows it the answer is 403, whatever the reason.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.convertors import Convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, compile_path
from starlette.types import Message

from antiphon.app.binding import Plan, Session, Site, is_async, names_in, plan
from antiphon.app.services import Services
from antiphon.broadcast import Credentials
from antiphon.broadcast.auth import PRESENCE, PRIVATE
from antiphon.broadcast.drivers.pusher import CHANNEL, SOCKET_ID
from antiphon.errors import ConfigurationError, InvalidParameter
from antiphon.subscription import Member

logger = logging.getLogger("antiphon.broadcast")

H = TypeVar("H", bound=Callable[..., Any])

#: Bytes of a question; it holds two short names.
LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may subscribe to the channels of one pattern."""

    pattern: re.Pattern[str]
    convertors: dict[str, Convertor[Any]]
    plan: Plan

    def parameters(self, channel: str) -> dict[str, Any] | None:
        """What the pattern's names stand for in a channel's name; None if it does not fit."""
        match = self.pattern.match(f"/{channel}")
        if match is None:
            return None
        return {name: self.convertors[name].convert(value) for name, value in match.groupdict().items()}


class ChannelAuth:
    """Answers who may subscribe to private and presence channels.

    Args:
        path: The route's path.
        credentials: What answers are signed with.
        services: The application's.

    Attributes:
        route: The route.
    """

    def __init__(self, path: str, credentials: Credentials, services: Services) -> None:
        self._credentials = credentials
        self._services = services
        self._rules: list[Rule] = []
        self.route = Route(path, self._respond, methods=["POST"], name="channel_auth")

    def __repr__(self) -> str:
        return f"<ChannelAuth {self.route.path} {len(self._rules)} rules>"

    def rule(self, pattern: str) -> Callable[[H], H]:
        """Make a function the rule of all channels of a pattern; the first that fits decides.

        It has parameters as an HTTP handler's, and returns True, a ``Member``, or False. A presence
        channel needs a ``Member``.

        Args:
            pattern: A name with parameters, as ``private-orders.{order:int}``.

        Raises:
            ConfigurationError: No private or presence channel has such a name.
            BindingError: A parameter of the function can be bound to nothing.
        """
        if not pattern.startswith((PRIVATE, PRESENCE)):
            raise ConfigurationError(
                f"rules are for channels that begin with {PRIVATE!r} or {PRESENCE!r}, not {pattern!r}; any "
                "client may subscribe to others"
            )
        site = Site(path_names=names_in(f"/{pattern}"), providers=self._services.providers)
        compiled, _, convertors = compile_path(f"/{pattern}")

        def register(function: H) -> H:
            self._rules.append(Rule(compiled, convertors, plan(function, site)))
            return function

        return register

    async def _respond(self, request: Request) -> Response:
        body = await _body(request)
        asked = _question(body, request.headers.get("content-type", ""))
        if asked is None:
            return JSONResponse({"error": "a socket_id and a channel_name are needed"}, 400)
        socket_id, channel = asked
        member = await self._allowed(Request(request.scope, partial(_again, body)), channel)
        if member is None:
            return JSONResponse({"error": "this channel is not for you"}, 403)
        answer = self._credentials.answer(socket_id, channel, member if isinstance(member, Member) else None)
        # It is for this client and this moment.
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _allowed(self, request: Request, channel: str) -> Member | bool | None:
        """Who enters, or True for somebody; None for nobody."""
        for rule in self._rules:
            parameters = rule.parameters(channel)
            if parameters is not None:
                verdict = await self._ask(rule, request, parameters)
                break
        else:
            return None
        if isinstance(verdict, Member) or (verdict is True and not channel.startswith(PRESENCE)):
            return verdict
        if verdict is not False and verdict is not None:
            needed = "a Member" if channel.startswith(PRESENCE) else "True or a Member"
            kind = type(verdict).__name__
            logger.error(
                "the rule of %r returns a %s; to let somebody in it returns %s", channel, kind, needed
            )
        return None

    async def _ask(self, rule: Rule, request: Request, parameters: dict[str, Any]) -> Any:
        # For the rule the channel's name is what the path is for a handler.
        about = Request({**request.scope, "path_params": parameters}, request.receive)
        session = Session(about, self._services.threads, self._services.session)
        try:
            call = await rule.plan.bind(session)
            if is_async(rule.plan.handler):
                return await call(about, None)
            return await self._services.threads.run(call, about, None)
        except InvalidParameter:
            return False
        finally:
            await session.close()


async def _body(request: Request) -> bytes:
    """The body, or no more than shows that it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return b""
    return bytes(body)


async def _again(body: bytes) -> Message:
    """Lets a rule read the body that was read already."""
    return {"type": "http.request", "body": body, "more_body": False}


def _question(body: bytes, content_type: str) -> tuple[str, str] | None:
    """The socket and the channel that a client asks for; None if it does not ask properly."""
    try:
        if content_type.startswith("application/json"):
            fields = json.loads(body)
        else:
            fields = dict(parse_qsl(body.decode()))
        socket_id, channel = fields["socket_id"], fields["channel_name"]
    # RecursionError: JSON that is nothing but brackets.
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(socket_id, str) or not isinstance(channel, str):
        return None
    # What is signed is joined with colons: a name that held one could mean something else.
    if not SOCKET_ID.fullmatch(socket_id) or not CHANNEL.fullmatch(channel):
        return None
    return socket_id, channel
