"""From a handler's signature to a way of calling it: worked out once, when it is registered.

For each parameter the first rule that fits decides where its value comes from:

1. ``Annotated[T, Depends(f)]``, or ``= Depends(f)``: what ``f`` makes;
2. an annotation that is a connection class (a WebSocket, a Request): the connection;
3. a reserved name: ``ws``, ``websocket``, ``request``; ``message`` in a message handler, ``error`` in an
   error handler;
4. ``headers``, ``cookies``, ``query_params``, ``path_params``, ``state``, unless the annotation makes it
   a query parameter: of the connection;
5. a name in the path: the path parameter, converted;
6. a provider by name, then by type;
7. an annotation that text can be converted to: the query parameter, converted;
8. what is left, in order: the first is the connection, the second what the handler is about (the message,
   the error);
9. a default value: itself.

What nothing fits is a ``BindingError``. What is made once for the application has no connection: only 1
and 6 and 9 apply to it. Sources 1 and 5-7 are constant for a connection and resolved once.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, get_args, get_origin

from starlette.requests import HTTPConnection

from antiphon.app.binding.convert import Convert, converter
from antiphon.app.binding.dependencies import ATTRIBUTES, Depends, Provider, Providers, Session
from antiphon.app.binding.signature import describe, parameters_of
from antiphon.errors import BindingError, InvalidParameter

_MISSING = inspect.Parameter.empty

Resolve = Callable[[Session], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Site:
    """Where handlers are registered: what their parameters can mean there.

    Attributes:
        path_names: The names in the path.
        providers: Who provides by name and type.
        subject: What the handler is about besides the connection: ``"message"``, ``"error"``, or None.
        connection_names: Names that always mean the connection.
        subject_names: Further names that mean the subject.
        connected: Whether there is a connection; none where something is made for the application.
        makers: The factories whose parameters are being bound, each for the one before it.
    """

    path_names: Collection[str] = ()
    providers: Providers = field(default_factory=Providers)
    subject: str | None = None
    connection_names: Collection[str] = ("ws", "websocket", "request")
    subject_names: Collection[str] = ()
    connected: bool = True
    makers: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How to call one handler.

    Attributes:
        handler: The handler.
        connection: The parameter that takes the connection, if any.
        subject: The parameter that takes the message or error, if any.
        subject_type: That parameter's annotation, or None.
        constants: For each other parameter, how to find its value for a connection.
        positional: Whether the first two are passed by position, which is the faster way.
    """

    handler: Callable[..., Any]
    connection: str | None
    subject: str | None
    subject_type: Any
    constants: dict[str, Resolve]
    positional: bool

    async def bind(self, session: Session) -> Callable[[Any, Any], Any]:
        """Resolve all that is constant for a connection.

        Returns:
            A function of the connection and the subject that calls the handler.

        Raises:
            InvalidParameter: The client sent a path or query value that does not fit.
        """
        if not self.constants:
            return self.call(self.handler)
        values = {name: await find(session) for name, find in self.constants.items()}
        return self.call(partial(self.handler, **values))

    def call(self, handler: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """A function of the connection and the subject that calls the handler, or a partial of it."""
        connection, subject = self.connection, self.subject
        if not self.positional:
            return lambda ws, about: handler(
                **({connection: ws} if connection else {}), **({subject: about} if subject else {})
            )
        if connection and subject:
            return handler
        if connection:
            return lambda ws, about: handler(ws)
        if subject:
            return lambda ws, about: handler(about)
        return lambda ws, about: handler()


def plan(handler: Callable[..., Any], site: Site) -> Plan:
    """Work out how to call a handler.

    Raises:
        BindingError: A parameter can be bound to nothing, naming handler, parameter and remedy.
    """
    connection: str | None = None
    subject: str | None = None
    subject_type: Any = None
    constants: dict[str, Resolve] = {}
    left: list[inspect.Parameter] = []
    parameters = parameters_of(handler)
    for parameter in parameters:
        if _is_connection(parameter, site) and connection is None:
            connection = parameter.name
        elif _is_subject(parameter, site) and subject is None:
            subject, subject_type = parameter.name, parameter.annotation
        elif (resolve := _source(handler, parameter, site)) is not None:
            constants[parameter.name] = resolve
        elif parameter.default is _MISSING:
            left.append(parameter)
    for parameter in left:
        if connection is None and parameter.annotation is _MISSING and site.connected:
            connection = parameter.name
        elif subject is None and site.subject is not None:
            subject, subject_type = parameter.name, parameter.annotation
        else:
            raise BindingError(_unbound(handler, parameter, site))
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.name in constants:
            raise BindingError(
                f"{describe(handler)}: the parameter {parameter.name!r} is positional-only, and is filled "
                "by its name; move the '/' before it"
            )
    return Plan(
        handler=handler,
        connection=connection,
        subject=subject,
        subject_type=None if subject_type is _MISSING else subject_type,
        constants=constants,
        positional=_in_order(parameters, connection, subject),
    )


def _is_connection(parameter: inspect.Parameter, site: Site) -> bool:
    annotation = parameter.annotation
    if not site.connected:
        return False
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if inspect.isclass(annotation) and issubclass(annotation, HTTPConnection):
        return True
    return parameter.name in site.connection_names


def _is_subject(parameter: inspect.Parameter, site: Site) -> bool:
    if site.subject is None:
        return False
    return parameter.name == site.subject or parameter.name in site.subject_names


def _in_order(parameters: list[inspect.Parameter], connection: str | None, subject: str | None) -> bool:
    """Whether connection and subject may be passed by position: they come first, in that order."""
    wanted = [name for name in (connection, subject) if name is not None]
    first = parameters[: len(wanted)]
    return [each.name for each in first if each.kind is not each.KEYWORD_ONLY] == wanted


def _source(handler: Callable[..., Any], parameter: inspect.Parameter, site: Site) -> Resolve | None:
    name, annotation = parameter.name, parameter.annotation
    depends = _depends(parameter)
    if depends is not None:
        return _made_by(depends.function, site)
    if name in ATTRIBUTES and site.connected and name not in site.path_names:
        if annotation is _MISSING or converter(annotation) is None:
            return partial(_attribute, name)
    elif name in site.path_names:
        return _path(handler, parameter)
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    provider = site.providers.find(name)
    if provider is None and inspect.isclass(plain):
        provider = site.providers.find(plain)
    if provider is not None:
        return _provided(provider, site)
    if not site.connected:
        return None
    if annotation is _MISSING:
        # Without an annotation it is a query parameter only if its default says of what type.
        annotation = str if isinstance(parameter.default, str) else type(parameter.default)
        if parameter.default is _MISSING or parameter.default is None:
            return None
    convert = converter(annotation)
    if convert is None:
        return None
    return partial(_query, parameter.name, convert, parameter.default)


def _depends(parameter: inspect.Parameter) -> Depends | None:
    if isinstance(parameter.default, Depends):
        return parameter.default
    if get_origin(parameter.annotation) is Annotated:
        for extra in get_args(parameter.annotation)[1:]:
            if isinstance(extra, Depends):
                return extra
    return None


def _made_by(function: Callable[..., Any], site: Site) -> Resolve:
    if function in site.makers:
        circle = " → ".join(map(describe, (*site.makers, function)))
        raise BindingError(f"{describe(function)} needs itself to be made: {circle}")
    inner = plan(function, replace(site, subject=None, makers=(*site.makers, function)))

    async def resolve(session: Session) -> Any:
        bound = await inner.bind(session)
        return await session.make(function, partial(bound, session.connection, None))

    return resolve


def _provided(provider: Provider, site: Site) -> Resolve:
    if provider.factory is None:
        return partial(_constant, provider.value)
    if provider.scope == "connection":
        return _made_by(provider.factory, site)
    make = _made_by(provider.factory, replace(site, path_names=(), connected=False))

    async def resolve(session: Session) -> Any:
        return await make(session.app or session)

    return resolve


def _path(handler: Callable[..., Any], parameter: inspect.Parameter) -> Resolve:
    annotation = parameter.annotation
    convert = _convert_str if annotation is _MISSING else converter(annotation)
    if convert is None:
        raise BindingError(
            f"{describe(handler)}: the path parameter {parameter.name!r} cannot become "
            f"{annotation!r}; annotate it with str, int, float, bool, an enum, a UUID or a date"
        )
    name = parameter.name

    async def resolve(session: Session) -> Any:
        assert session.connection is not None
        value = session.connection.path_params[name]
        # The router's own converter ({n:int}) may have made of it already what is asked for.
        if annotation in (_MISSING, Any) or (inspect.isclass(annotation) and isinstance(value, annotation)):
            return value
        return _converted(name, convert, [str(value)])

    return resolve


def _convert_str(values: Any) -> Any:
    return values[-1]


async def _query(name: str, convert: Convert, default: Any, session: Session) -> Any:
    assert session.connection is not None
    values = session.connection.query_params.getlist(name)
    if values:
        return _converted(name, convert, values)
    if default is _MISSING:
        raise InvalidParameter(name, "this query parameter is required")
    return default


async def _attribute(name: str, session: Session) -> Any:
    return getattr(session.connection, name)


async def _constant(value: Any, session: Session) -> Any:
    return value


def _converted(name: str, convert: Convert, values: list[str]) -> Any:
    try:
        return convert(values)
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error


def _unbound(handler: Callable[..., Any], parameter: inspect.Parameter, site: Site) -> str:
    known = ", ".join(site.providers.names) or "none"
    if not site.connected:
        return (
            f"{describe(handler)}: nothing can fill the parameter {parameter.name!r}. This is made once for "
            f"the application, where there is no connection or request: give it a default, provide it "
            f"(provide({parameter.name!r}, factory), Annotated[T, Depends(f)]), or make this with "
            f"scope='connection'. Provided by name: {known}."
        )
    return (
        f"{describe(handler)}: nothing can fill the parameter {parameter.name!r}. Give it a default, "
        f"annotate it with a type that a query parameter can become (str, int, bool, …), add "
        f"{{{parameter.name}}} to the path, or provide it before this handler is registered: "
        f"inject({parameter.name}=…), provide(Type, factory), Annotated[T, Depends(f)]. "
        f"Provided by name: {known}."
    )
