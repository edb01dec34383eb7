"""A publication as bytes, for the brokers that send it through a server.

MessagePack of an array, so that a publication costs few bytes more than its payload, and anybody may read
it: ``[payload, is_json, event, id, key, time, exclude]``. The channel, the position and what came before are
known by where it was found.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.channels import Position, Publication


class _Packed(msgspec.Struct, array_like=True):
    # Text or bytes: MessagePack tells them apart, msgspec's types for decoding cannot.
    payload: Any
    is_json: bool
    event: str | None
    id: str | None
    key: str | None
    time: float
    exclude: frozenset[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(publication: Publication) -> bytes:
    """What of a publication cannot be known from where it is found."""
    return _encode(
        _Packed(
            publication.payload,
            publication.is_json,
            publication.event,
            publication.id,
            publication.key,
            publication.time,
            publication.exclude,
        )
    )


def unpack(channel: str, packed: bytes, position: Position | None = None, previous: int = 0) -> Publication:
    """The publication that was found on a channel, at a position.

    Raises:
        ValueError: Something else than a publication was found there.
    """
    found = _decode(packed)
    if not isinstance(found.payload, str | bytes):
        raise ValueError(f"a payload is text or bytes, not {type(found.payload).__name__}")
    return Publication(
        channel=channel,
        payload=found.payload,
        is_json=found.is_json,
        event=found.event,
        id=found.id,
        key=found.key,
        time=found.time,
        position=position,
        previous=previous,
        exclude=found.exclude,
    )
