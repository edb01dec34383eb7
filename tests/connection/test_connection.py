"""What a connection is known by."""

import random
import zlib
from uuid import UUID

from antiphon.connection import Terms
from antiphon.connection.connection import new_id
from antiphon.limits import Limits


def test_ids() -> None:
    """Each is a random UUID in its usual form, and no two are the same."""
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    for each in ids:
        assert str(UUID(each)) == each
        assert (UUID(each).version, UUID(each).variant) == (4, "specified in RFC 4122")


def test_limits_of_the_parser() -> None:
    """A frame may be as large as a message becomes when it is deflated, unless it is said otherwise."""
    assert Terms(Limits(message=1000, fragments=7)).parsing.frame == 1189
    for message in map(random.Random(7).randbytes, (1, 1000, 1024 * 1024)):
        # Stored in blocks: what deflating adds most to.
        deflated = [zlib.compressobj(level, wbits=-9, memLevel=1) for level in (0, 9)]
        for each in deflated:
            frame = each.compress(message) + each.flush(zlib.Z_SYNC_FLUSH)
            assert len(message) < len(frame) <= Terms(Limits(message=len(message))).parsing.frame
    parsing = Terms(Limits(message=1000, frame=10, fragments=7)).parsing
    assert (parsing.frame, parsing.message, parsing.fragments) == (10, 1000, 7)
