"""The grammar of the header fields of the opening handshake (RFC 9110 § 5, RFC 6455 § 9.1).

Strict: what does not fit the grammar is a ``ValueError``, for whoever asks to turn into a refusal
(it came from a peer) or to let through (an application wrote it). Names and values that an
application wrote are checked as well, so that no header can smuggle in a second one.
"""

from __future__ import annotations

import re

#: An extension and its parameters in order; a parameter without a value has ``None``.
Extension = tuple[str, tuple[tuple[str, str | None], ...]]

#: Characters of what does not fit that an error quotes: it is logged, and sent back.
QUOTED = 100

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_is_token = re.compile(_WORD).fullmatch
_is_name = re.compile(_WORD.encode()).fullmatch
_is_value = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_next_token = re.compile(rf"[ \t]*({_WORD})[ \t]*").match
_next_parameter = re.compile(
    rf';[ \t]*({_WORD})[ \t]*(?:=[ \t]*(?:({_WORD})|"((?:[^"\\]|\\.)*)")[ \t]*)?'
).match
_unescape = re.compile(r"\\(.)").sub


def tokens(value: str) -> list[str]:
    """Read a list of tokens, such as ``Sec-WebSocket-Protocol``.

    Raises:
        ValueError: An element is no token.
    """
    # RFC 9110 § 5.6.1.2: empty elements of a list are ignored.
    elements = [element for part in value.split(",") if (element := part.strip(" \t"))]
    for element in elements:
        if not _is_token(element):
            raise ValueError(f"{element[:QUOTED]!r} is not a token (RFC 9110 § 5.6.2)")
    return elements


def extensions(value: str) -> list[Extension]:
    """Read a ``Sec-WebSocket-Extensions`` value (RFC 6455 § 9.1), quoted values unquoted.

    Raises:
        ValueError: It does not fit the grammar.
    """
    found: list[Extension] = []
    at = 0
    while at < len(value):
        if value[at] in ", \t":  # an empty element, or what stands between two
            at += 1
            continue
        name = _next_token(value, at)
        if name is None:
            raise ValueError(f"malformed extension at {value[at : at + QUOTED]!r} (RFC 6455 § 9.1)")
        at = name.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _next_parameter(value, at):
            at = parameter.end()
            parameters.append((parameter[1], _parameter_value(parameter)))
        if at < len(value) and value[at] != ",":
            raise ValueError(f"malformed extension at {value[at : at + QUOTED]!r} (RFC 6455 § 9.1)")
        found.append((name[1], tuple(parameters)))
    return found


def check_field(name: bytes, value: bytes) -> None:
    """Refuse a header that an application wrote and that is not one.

    Raises:
        ValueError: The name is no token, or the value holds CR, LF, NUL or another control
        character.
    """
    if not _is_name(name):
        raise ValueError(f"header name {name!r} is not a token (RFC 9110 § 5.1)")
    if not _is_value(value):
        raise ValueError(f"the value of header {name.decode()} holds a control character (RFC 9110 § 5.5)")


def _parameter_value(parameter: re.Match[str]) -> str | None:
    plain, quoted = parameter[2], parameter[3]
    if quoted is None:
        return plain
    value = _unescape(r"\1", quoted)
    # § 9.1: "the value after quoted-string unescaping MUST conform to the 'token' ABNF".
    if not _is_token(value):
        raise ValueError(f"extension parameter {value[:QUOTED]!r} is not a token (RFC 6455 § 9.1)")
    return value
