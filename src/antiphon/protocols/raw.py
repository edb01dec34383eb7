"""The raw client protocol: a publication's data as it is, or in an envelope, one message each.

What a subscriber cannot be told in this form it is told by a close code: 4008 when it reads too slowly for
a channel that drops nothing, 4009 when publications are lost. A channel that may drop tells how many
were dropped with the next publication: in the envelope, or in a JSON object before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from antiphon.channels import Batch, Publication, shown_channel
from antiphon.codec import encode_json
from antiphon.connection import Connection, Prepared

#: Publications of one of its channels are missing, and cannot be had any more.
LOST = 4009

Form = Callable[[Sequence[Publication]], Prepared]


def bare(publications: Sequence[Publication]) -> Prepared:
    """Each publication's data: text and bytes as they are, all else as JSON."""
    return Prepared(each.payload for each in publications)


def enveloped(publications: Sequence[Publication]) -> Prepared:
    """Each publication as a JSON object with all that is known of it."""
    return Prepared(encode_json(envelope(each)) for each in publications)


def envelope(publication: Publication) -> dict[str, Any]:
    """A publication as the object that enveloped subscribers receive; binary data in base64."""
    position, data = publication.position, publication.payload
    if publication.is_json and isinstance(data, str):
        # It goes in as it is.
        data = msgspec.Raw(data.encode())
    return {
        "channel": shown_channel(publication.channel),
        "event": publication.event,
        "data": data,
        "id": publication.id,
        "offset": None if position is None else position.offset,
        "epoch": None if position is None else position.epoch,
        "time": publication.time,
    }


def with_notice(publication: Publication, form: Form, dropped: int) -> Prepared:
    """A publication, and that some before it were dropped."""
    if form is enveloped:
        return Prepared((encode_json(envelope(publication) | {"dropped": dropped}),))
    notice = encode_json({"channel": shown_channel(publication.channel), "dropped": dropped})
    return Prepared((notice, *form((publication,)).messages))


class RawSubscriber:
    """One connection's subscription to a channel that drops nothing.

    Args:
        connection: Who receives it.
        form: What publications look like.
    """

    __slots__ = ("_connection", "_form")

    def __init__(self, connection: Connection, form: Form) -> None:
        self._connection = connection
        self._form = form

    def deliver(self, batch: Batch) -> None:
        """Send the batch in its shared form, or this connection's own part of it."""
        connection = self._connection
        if batch.excluded and connection.id in batch.excluded:
            batch = batch.without(connection.id)
        connection.deliver(batch.form(self._form), batch.alone)

    def cut_off(self) -> None:
        """Part from the client, for what it has is out of date; it comes back and asks anew."""
        if self._connection.accepted:
            self._connection.end(LOST, "publications are lost: subscribe anew")
