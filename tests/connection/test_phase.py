"""The states of a connection, as the table has them."""

import pytest

from antiphon.connection.phase import TRANSITIONS, Move, Phase


def test_every_phase_but_the_first_is_reached() -> None:
    """The table leads everywhere, and nowhere back."""
    assert {to for _, to in TRANSITIONS.items()} == set(Phase) - {Phase.CONNECTING}


@pytest.mark.parametrize("phase", Phase)
def test_a_peer_may_be_lost_at_any_time(phase: Phase) -> None:
    """Losing the peer is never a mistake, and never makes a connection open."""
    assert TRANSITIONS[phase, Move.LOSE] in (Phase.CLOSED, Phase.REJECTED)


@pytest.mark.parametrize("end", [Phase.CLOSED, Phase.REJECTED])
def test_ends_are_final(end: Phase) -> None:
    """What is closed or refused stays so."""
    assert {to for (phase, _), to in TRANSITIONS.items() if phase is end} == {end}


def test_a_handshake_is_answered_once() -> None:
    """After an answer neither accepting nor refusing is a move, but for who was let in meanwhile."""
    answers = (Move.ADMIT, Move.ACCEPT, Move.REJECT)
    answered = [key for key in TRANSITIONS if key[1] in answers and key[0] is not Phase.CONNECTING]
    assert answered == [(Phase.ADMITTED, Move.ACCEPT)]
