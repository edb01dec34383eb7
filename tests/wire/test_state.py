"""The table of states, and its drawing."""

from itertools import product
from pathlib import Path

import pytest

from antiphon.wire import State, Step, advance, diagram
from antiphon.wire.state import TRANSITIONS

DOC = Path(__file__).parents[2] / "docs" / "topics" / "wire.md"


def test_the_drawing_in_the_docs_is_what_the_table_draws() -> None:
    assert f"```mermaid\n{diagram()}\n```\n" in DOC.read_text(encoding="utf-8")


def test_the_drawing_shows_every_transition() -> None:
    drawn = diagram()
    for (state, step), after in TRANSITIONS.items():
        if state is not after:
            assert f"{state.name} --> {after.name}: {step.value}\n" in drawn


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
def test_a_step_leads_where_the_table_says_or_cannot_happen(state: State, step: Step) -> None:
    if (state, step) in TRANSITIONS:
        assert advance(state, step) is TRANSITIONS[state, step]
    else:
        with pytest.raises(RuntimeError, match="cannot happen"):
            advance(state, step)


def test_every_state_is_reached_and_leads_to_closed() -> None:
    for state in State:
        assert advance(state, Step.LOSE) is State.CLOSED
    assert set(TRANSITIONS.values()) == set(State) - {State.CONNECTING}


def test_nothing_leads_out_of_closed() -> None:
    """RFC 6455 § 7.1.4."""
    assert {after for (state, _), after in TRANSITIONS.items() if state is State.CLOSED} == {State.CLOSED}


def test_no_close_frame_is_sent_or_received_twice() -> None:
    """RFC 6455 § 5.5.1: each side sends one."""
    assert (State.CLOSE_SENT, Step.SEND_CLOSE) not in TRANSITIONS
    assert (State.CLOSE_RECEIVED, Step.RECEIVE_CLOSE) not in TRANSITIONS
