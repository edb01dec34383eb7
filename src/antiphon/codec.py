"""Between the messages of the wire (``str``, ``bytes``) and the values of handlers.

A *message type* is None (a message as it came), ``"text"``, ``"bytes"``, ``"json"``, or a Python type
that msgspec or pydantic can validate. ``decoder`` and ``encoder`` turn one into a function, once, when an
endpoint is made; nothing is looked up per message.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

import msgspec

from antiphon.errors import ConfigurationError, InvalidMessage

MessageType = Any
Decoder = Callable[[str | bytes], Any]
Encoder = Callable[[Any], str | bytes]

_KINDS = ("text", "bytes", "json")


class WrongKind(InvalidMessage):
    """A binary message where text is due, or the other way round (RFC 6455 § 7.4.1, 1003)."""


def decoder(message_type: MessageType) -> Decoder:
    """Make the function that turns a received message into a value of the type.

    Raises:
        ConfigurationError: Nothing can decode this type.

    The function raises:
        InvalidMessage: The message does not fit.
    """
    if message_type is None:
        return _as_it_is
    if message_type == "text" or message_type is str:
        return _text
    if message_type == "bytes" or message_type is bytes:
        return _bytes
    if message_type == "json":
        return _json_decoder(Any)
    if isinstance(message_type, str):
        raise ConfigurationError(
            f"unknown message type {message_type!r}: use one of {', '.join(_KINDS)}, or a type"
        )
    if _is_pydantic(message_type):
        return _pydantic_decoder(message_type)
    return _json_decoder(message_type)


def encoder(message_type: MessageType) -> Encoder:
    """Make the function that turns a value into a message: text is ``str``, binary ``bytes``.

    Raises:
        ConfigurationError: The type is unknown.
    """
    if message_type == "text" or message_type is str:
        return _expect_text
    if message_type == "bytes" or message_type is bytes:
        return _expect_bytes
    if message_type is None:
        return encode
    if isinstance(message_type, str) and message_type != "json":
        raise ConfigurationError(
            f"unknown message type {message_type!r}: use one of {', '.join(_KINDS)}, or a type"
        )
    return encode_json


def encode(value: Any) -> str | bytes:
    """Encode by what the value is: ``str`` is text, bytes are binary, all else is JSON text.

    Raises:
        TypeError: The value has a part that JSON cannot hold.
        ValueError: The text has half a character (a lone surrogate), which UTF-8 cannot hold.
    """
    if isinstance(value, str):
        return value if value.isascii() else _sendable(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return encode_json(value)


def encode_json(value: Any) -> str:
    """Encode as JSON text (compact, UTF-8 as it is).

    Raises:
        TypeError: The value has a part that JSON cannot hold.
    """
    return msgspec.json.encode(value, enc_hook=_encode_model).decode()


def _as_it_is(message: str | bytes) -> str | bytes:
    return message


def _text(message: str | bytes) -> str:
    if isinstance(message, str):
        return message
    raise WrongKind("a text message is due, this one is binary")


def _bytes(message: str | bytes) -> bytes:
    if isinstance(message, bytes):
        return message
    raise WrongKind("a binary message is due, this one is text")


def _expect_text(value: Any) -> str:
    if isinstance(value, str):
        return _sendable(value)
    raise TypeError(f"this WebSocket sends text, not {type(value).__name__}; see send_json")


def _sendable(text: str) -> str:
    # Found out here it is the sender's error; found out later it would cost every receiver's connection.
    text.encode()
    return text


def _expect_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"this WebSocket sends bytes, not {type(value).__name__}; see send_text")


def _json_decoder(message_type: Any) -> Decoder:
    try:
        decode = msgspec.json.Decoder(message_type).decode
        _refuse_unknown(msgspec.inspect.type_info(message_type), set())
    except TypeError as error:
        raise ConfigurationError(f"no message can become {message_type!r}: {error}") from error

    def decode_json(message: str | bytes) -> Any:
        try:
            return decode(message)
        # TypeError: a set of what cannot be hashed.
        except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError) as error:
            raise InvalidMessage(str(error)) from error

    return decode_json


def _refuse_unknown(info: Any, seen: set[int]) -> None:
    """Raise TypeError where a type has a part that msgspec would take for the first message to refuse."""
    if isinstance(info, msgspec.inspect.CustomType):
        raise TypeError(
            f"{info.cls.__qualname__} is no type of a message; make it a dataclass, an attrs class, a "
            "TypedDict or a msgspec.Struct, or the whole a pydantic model"
        )
    if isinstance(info, (list, tuple)):
        for each in info:
            _refuse_unknown(each, seen)
    elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)) and id(info) not in seen:
        seen.add(id(info))
        for name in info.__struct_fields__:
            _refuse_unknown(getattr(info, name), seen)


def _is_pydantic(message_type: Any) -> bool:
    if inspect.isclass(message_type):
        return hasattr(message_type, "model_validate_json")
    return any(map(_is_pydantic, get_args(message_type)))


def _pydantic_decoder(message_type: Any) -> Decoder:
    # Whoever has a pydantic model at hand has pydantic; nobody else needs it.
    from pydantic import TypeAdapter

    validate = TypeAdapter(message_type).validate_json

    def decode_model(message: str | bytes) -> Any:
        try:
            return validate(message)
        except ValueError as error:
            raise InvalidMessage(_first_problem(error)) from error

    return decode_model


def _first_problem(error: ValueError) -> str:
    # pydantic's own text runs over many lines and repeats the input; a close reason has 123 bytes.
    problem = error.errors()[0]  # type: ignore[attr-defined]
    where = ".".join(map(str, problem["loc"]))
    return f"{problem['msg']} - at `{where}`" if where else str(problem["msg"])


def _encode_model(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
