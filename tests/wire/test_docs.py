"""The page about the wire keeps its word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from antiphon.wire import HandshakeError
from tests.wire.helpers import client_frame, close, text
from tests.wire.test_handshake import head

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "wire.md"


def run_example(request: bytes) -> tuple[Any, list[bytes], list[str]]:
    """Run the page's example; return what receives data, what was sent, and what TCP did."""
    sent: list[bytes] = []
    tcp: list[str] = []
    names = {"head": request, "send": sent.append, "close_tcp": lambda: tcp.append("closed")}
    example = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    exec(example, names)
    return names["received"], sent, tcp


def test_the_example_is_an_echo_server() -> None:
    received, sent, tcp = run_example(head())
    assert sent.pop().startswith(b"HTTP/1.1 101 ")
    received(text("Hello") + client_frame(9, b"?"))
    assert sent == [b"\x81\x05Hello", b"\x8a\x01?"]
    assert tcp == []
    received(close(1000))
    assert sent[2:] == [b"\x88\x02\x03\xe8"]
    assert tcp == ["closed"]


def test_the_example_answers_what_came_before_a_broken_rule() -> None:
    received, sent, tcp = run_example(head())
    received(text("Hello") + text("x", mask=None))
    assert sent[1] == b"\x81\x05Hello"
    assert sent[2][2:] == b"\x03\xeaframe not masked (RFC 6455 \xc2\xa7 5.1)"
    assert tcp == ["closed"]


def test_the_example_refuses_what_is_no_handshake() -> None:
    with pytest.raises(HandshakeError):
        run_example(head(host=None))
