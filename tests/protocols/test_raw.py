"""The raw client protocol: what subscribers' connections are sent."""

import msgspec

from antiphon.channels import Position, Publication
from antiphon.protocols.raw import bare, enveloped


def test_bare() -> None:
    """A publication's data as it is: text, bytes, else JSON; each its own message."""
    publications = [
        Publication("c", "text"),
        Publication("c", b"x"),
        Publication("c", '{"a":1}', is_json=True),
    ]
    prepared = bare(publications)
    assert prepared.messages == ("text", b"x", '{"a":1}')
    assert prepared.size >= 4 + 1 + 7


def test_envelope() -> None:
    """All that is known of it, position included."""
    publication = Publication(
        "c", "[1]", is_json=True, event="e", id="i", time=1.5, position=Position(3, "ep")
    )
    (message,) = enveloped([publication]).messages
    assert msgspec.json.decode(message) == {
        "channel": "c",
        "event": "e",
        "data": [1],
        "id": "i",
        "offset": 3,
        "epoch": "ep",
        "time": 1.5,
    }


def test_envelope_of_bytes() -> None:
    """Binary data in an envelope is base64, since JSON has no bytes."""
    (message,) = enveloped([Publication("c", b"\x00\xff")]).messages
    assert msgspec.json.decode(message)["data"] == "AP8="
