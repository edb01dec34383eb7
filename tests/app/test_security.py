"""Which browsers' pages may connect: the Origin header."""

from typing import Any

import pytest
from starlette.datastructures import Headers

from antiphon import Antiphon, WebSocket
from antiphon.app.security import OriginCheck
from antiphon.errors import ConfigurationError
from antiphon.testing import HandshakeRefused, TestClient


def headers(origin: str | None, host: str = "example.org") -> Headers:
    pairs = [("host", host)] + ([] if origin is None else [("origin", origin)])
    return Headers(raw=[(name.encode(), value.encode()) for name, value in pairs])


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "example.org", True),
        ("http://example.org", "example.org", True),
        ("https://example.org", "example.org", True),
        ("https://example.org", "example.org:443", True),
        ("http://EXAMPLE.org", "Example.ORG", True),
        ("http://example.org:8000", "example.org:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://example.org", "example.org:8000", False),
        ("http://example.org:8000", "example.org", False),
        ("https://evil.org", "example.org", False),
        ("https://example.org.evil.org", "example.org", False),
        ("https://evil-example.org", "example.org", False),
        ("https://sub.example.org", "example.org", False),
        ("null", "example.org", False),
        ("", "example.org", False),
        ("file://", "example.org", False),
        ("https://example.org/path", "example.org", False),
        ("https://example.org:port", "example.org", False),
        ("https://example.org", "", False),
        ("https://", "", False),
    ],
)
def test_same_host_by_default(origin: str | None, host: str, allowed: bool) -> None:
    """Without configuration, pages of the host that is asked may connect, and whoever is no browser."""
    assert OriginCheck()(headers(origin, host)) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://good.org", True),
        ("https://good.org:443", True),
        ("http://good.org", False),
        ("https://good.org:8443", False),
        ("https://a.wild.org", True),
        ("https://a.b.wild.org", True),
        ("https://wild.org", False),
        ("https://evilwild.org", False),
        ("http://a.wild.org", False),
        ("http://local:3000", True),
        ("http://example.org", True),
        ("https://evil.org", False),
        ("null", False),
        (None, True),
    ],
)
def test_allowed_origins(origin: str | None, allowed: bool) -> None:
    """Listed origins may connect too, with their scheme and port; a star is for hosts below."""
    check = OriginCheck(["https://good.org", "https://*.wild.org", "http://local:3000/"])
    assert check(headers(origin)) is allowed


@pytest.mark.parametrize("everybody", ["*", ["*"], ("https://good.org", "*")])
def test_everybody(everybody: Any) -> None:
    """A star alone lets in everybody."""
    check = OriginCheck(everybody)
    assert check(headers("https://evil.org"))
    assert check(headers("null"))
    assert repr(check) == "<OriginCheck any>"


def test_two_origins() -> None:
    """Two Origin headers are a trick, and refused."""
    raw = [(b"host", b"example.org"), (b"origin", b"http://example.org"), (b"origin", b"http://evil.org")]
    assert not OriginCheck()(Headers(raw=raw))


@pytest.mark.parametrize(
    "wrong",
    [
        "https://good.org",
        "https://*.good.org",
        ["good.org"],
        ["https://good.org/path"],
        ["ftp://good.org"],
        [""],
    ],
)
def test_what_is_no_origin(wrong: Any) -> None:
    """Text instead of a list, or an entry that is no origin, is an error showing the right form."""
    with pytest.raises(ConfigurationError, match="allowed_origins"):
        OriginCheck(wrong)


def test_an_iterator_of_origins() -> None:
    """Origins may come from any iterable."""
    check = OriginCheck(f"https://{name}.org" for name in ("a", "b"))
    assert check(headers("https://b.org"))
    assert not check(headers("https://c.org"))


@pytest.mark.parametrize("path", ["/view", "/events"])
async def test_wrong_origin_is_refused(path: str) -> None:
    """A page of elsewhere gets 403 before any handler or dependency runs."""
    app, ran = Antiphon(), []

    @app.websocket("/view")
    async def view(ws: WebSocket) -> None:
        ran.append("view")

    endpoint = app.events("/events")
    endpoint.on("connect")(lambda: ran.append("connect"))
    endpoint.on("close")(lambda: ran.append("close"))
    async with TestClient(app) as client:
        with pytest.raises(HandshakeRefused) as caught:
            async with client.websocket(path, origin="https://evil.org"):
                pass
        assert (caught.value.status, caught.value.body) == (403, b"this origin may not connect")
        assert ran == []
        async with client.websocket(path, origin="http://testserver"):
            pass
    assert ran in (["view"], ["connect", "close"])
