"""Robyn's ``QueryParams``."""

from antiphon.compat.robyn import QueryParams


def test_reading() -> None:
    """Several values a name; the last is the one that plain reading gives."""
    params = QueryParams([("a", "1"), ("b", ""), ("a", "2")])
    assert params.get("a") == params["a"] == "2"
    assert params.get("c") is None
    assert params.get("c", "default") == "default"
    assert (params.get_first("a"), params.get_first("c")) == ("1", None)
    assert (params.get_all("a"), params.get_all("c")) == (["1", "2"], None)
    assert params.contains("b")
    assert "c" not in params
    assert list(params.items()) == [("a", "2"), ("b", "")]
    assert params.to_dict() == {"a": ["1", "2"], "b": [""]}


def test_changing() -> None:
    """``set`` adds a value, ``extend`` those of others."""
    params = QueryParams()
    assert params.empty()
    params.set("a", "1")
    params.set("a", "2")
    params.extend(QueryParams([("a", "3"), ("b", "4")]))
    assert params.to_dict() == {"a": ["1", "2", "3"], "b": ["4"]}
    assert not params.empty()
