"""The closing handshake: who closes, what is sent, what is reported."""

import pytest

from antiphon.errors import ProtocolError
from antiphon.wire import Close, Opcode, Session, State, close_payload, frame


def open_session() -> Session:
    session = Session()
    session.accepted()
    return session


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(Opcode.CLOSE, close_payload(code, reason))


def test_a_session_is_open_once_it_was_accepted() -> None:
    session = Session()
    assert (session.state, session.may_send, session.drop) == (State.CONNECTING, False, False)
    session.accepted()
    assert (session.state, session.may_send, session.drop) == (State.OPEN, True, False)
    assert session.code is None
    assert session.closed_by_peer is None


def test_a_refused_session_is_over() -> None:
    session = Session()
    session.refused()
    assert session.drop
    assert session.code == 1006


def test_the_peers_close_is_answered_with_its_code_and_then_tcp_goes() -> None:
    """RFC 6455 § 5.5.1 and § 7.1.1."""
    session = open_session()
    assert session.receive(Close(1001, "bye")) == close_frame(1001)
    assert session.drop
    assert (session.code, session.reason, session.closed_by_peer) == (1001, "bye", True)


def test_a_close_without_code_is_answered_without_and_reported_as_1005() -> None:
    session = open_session()
    assert session.receive(Close()) == b"\x88\x00"
    assert (session.code, session.reason) == (1005, "")


def test_our_close_waits_for_the_peers_and_then_tcp_goes() -> None:
    session = open_session()
    assert session.close(1000, "done") == close_frame(1000, "done")
    assert (session.may_send, session.drop, session.code) == (False, False, None)
    assert session.receive(Close(1000)) == b""
    assert session.drop
    assert (session.code, session.sent, session.closed_by_peer) == (
        1000,
        Close(1000, "done"),
        False,
    )


def test_closing_again_sends_nothing() -> None:
    """RFC 6455 § 5.5.1: one Close frame each."""
    session = open_session()
    session.close(1001)
    assert session.close(1011) == b""
    assert session.sent == Close(1001)
    session.receive(Close(1000))
    assert session.close() == b""


def test_a_code_that_may_not_be_sent_changes_nothing() -> None:
    session = open_session()
    with pytest.raises(ValueError, match=r"§ 7\.4"):
        session.close(1006)
    assert session.may_send
    assert session.sent is None


def test_a_lost_connection_is_reported_as_1006() -> None:
    """RFC 6455 § 7.1.5."""
    session = open_session()
    session.lost()
    assert (session.drop, session.code, session.reason) == (True, 1006, "")
    session.lost()
    session = open_session()
    session.close(1000)
    session.lost()
    assert session.code == 1006


def test_a_connection_lost_after_the_handshake_keeps_its_code() -> None:
    session = open_session()
    session.receive(Close(4000, "own"))
    session.lost()
    assert (session.code, session.reason) == (4000, "own")


def test_a_broken_rule_is_told_and_tcp_goes_at_once() -> None:
    """RFC 6455 § 7.1.7."""
    session = open_session()
    error = ProtocolError(1002, "frame not masked (RFC 6455 § 5.1)")
    assert session.fail(error) == close_frame(1002, error.reason)
    assert session.drop
    assert (session.code, session.sent) == (1006, Close(1002, error.reason))


def test_a_rule_broken_after_our_close_sends_nothing_more() -> None:
    session = open_session()
    session.close(1000)
    assert session.fail(ProtocolError(1002, "late")) == b""
    assert session.drop
    assert session.sent == Close(1000)


def test_a_close_frame_that_is_parsed_after_tcp_went_is_what_is_reported() -> None:
    """It was read before: the peer did close."""
    session = open_session()
    session.lost()
    assert session.receive(Close(1001, "bye")) == b""
    assert (session.code, session.reason, session.closed_by_peer) == (1001, "bye", True)


def test_a_rule_broken_in_what_is_parsed_after_tcp_went_changes_nothing() -> None:
    session = open_session()
    session.lost()
    assert session.fail(ProtocolError(1002, "late")) == b""
    assert (session.code, session.sent) == (1006, None)


@pytest.mark.parametrize("act", [Session.close, lambda session: session.receive(Close())])
def test_nothing_closes_before_the_handshake(act: object) -> None:
    session = Session()
    with pytest.raises(RuntimeError, match="cannot happen"):
        act(session)  # type: ignore[operator]
    assert session.sent is None
    assert session.closed_by_peer is None


def test_a_session_shows_its_state() -> None:
    session = open_session()
    assert repr(session) == "<Session OPEN, sent None, received None>"
