"""The ways to write a path."""

import pytest

from antiphon.compat.paths import to_path
from antiphon.errors import BindingError


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/ws", "/ws"),
        ("ws", "/ws"),
        ("/room/<room_id>", "/room/{room_id}"),
        ("/room/<int:room>/<string:name>", "/room/{room:int}/{name:str}"),
        ("/room/<room:int>", "/room/{room:int}"),
        ("/room/:room_id/x", "/room/{room_id}/x"),
        ("/room/{room}", "/room/{room}"),
        ("/room/{room:int}", "/room/{room:int}"),
        ("/files/{name:path}", "/files/{name:path}"),
        ("/{}", "/{_1:path}"),
        ("/{}/x/{}", "/{_1:path}/x/{_2:path}"),
    ],
)
def test_translation(written: str, path: str) -> None:
    """Every dialect's parameters become the router's."""
    assert to_path(written) == path


@pytest.mark.parametrize("written", ["/<>", "/{a b}", "/:1", "/{x:nothing}", "/<no:thing>"])
def test_impossible(written: str) -> None:
    """What cannot be a parameter is refused, naming the path."""
    with pytest.raises(BindingError, match=r"path parameter"):
        to_path(written)
