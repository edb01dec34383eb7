"""What a connection is known by."""

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
    """A frame may be as large as a message, unless it is said otherwise."""
    assert Terms(Limits(message=1000, fragments=7)).parsing.frame == 1000
    parsing = Terms(Limits(message=1000, frame=10, fragments=7)).parsing
    assert (parsing.frame, parsing.message, parsing.fragments) == (10, 1000, 7)
