"""One message from its fragments."""

import pytest

from antiphon.errors import ProtocolError
from antiphon.wire import Opcode, ParserLimits
from antiphon.wire.assembly import Assembly


def test_a_message_is_what_its_fragments_are_together() -> None:
    assembly = Assembly(Opcode.TEXT, ParserLimits(), None)
    assert assembly.add("é".encode()[:1], fin=False) is None
    assert assembly.add("é".encode()[1:] + b"t", fin=False) is None
    assert assembly.add(b"", fin=True) == "ét"


def test_an_empty_message_is_not_none() -> None:
    assert Assembly(Opcode.BINARY, ParserLimits(), None).add(b"", fin=True) == b""


def test_a_fragment_is_refused_before_it_is_read() -> None:
    assembly = Assembly(Opcode.BINARY, ParserLimits(message=10), None)
    assembly.admit(6)
    assembly.add(bytes(6), fin=False)
    assembly.admit(4)
    with pytest.raises(ProtocolError, match=r"1009 .*§ 10\.4"):
        assembly.admit(5)
