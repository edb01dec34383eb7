"""The states of a connection, as one table (RFC 6455 § 4, § 5.5.1 and § 7).

What is not in the table cannot happen: ``advance`` refuses it. The drawing in
``docs/topics/wire.md`` is ``diagram()``, and a test holds the two together.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a connection stands."""

    # Members are unique; Enum's own way of hashing them is slower.
    __hash__ = object.__hash__

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSE_SENT = "closing: close sent"
    CLOSE_RECEIVED = "closing: close received"
    CLOSED = "closed"


class Step(Enum):
    """What moves a connection on; a name of its own for what either side does."""

    # Members are unique; Enum's own way of hashing them is slower.
    __hash__ = object.__hash__

    ACCEPT = "101 sent"
    REFUSE = "handshake refused"
    SEND_CLOSE = "send Close"
    RECEIVE_CLOSE = "receive Close"
    FAIL = "peer broke a rule"
    LOSE = "TCP connection lost"


#: CLOSED is reached when nothing more will be read or written, so that TCP may go (§ 7.1.1: the
#: server closes it first). § 7.1.7: who fails a connection does not wait for the peer's Close
#: frame.
TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.CONNECTING, Step.ACCEPT): State.OPEN,
    (State.CONNECTING, Step.REFUSE): State.CLOSED,
    (State.CONNECTING, Step.LOSE): State.CLOSED,
    (State.OPEN, Step.SEND_CLOSE): State.CLOSE_SENT,
    (State.OPEN, Step.RECEIVE_CLOSE): State.CLOSE_RECEIVED,
    (State.OPEN, Step.FAIL): State.CLOSED,
    (State.OPEN, Step.LOSE): State.CLOSED,
    (State.CLOSE_SENT, Step.RECEIVE_CLOSE): State.CLOSED,
    (State.CLOSE_SENT, Step.FAIL): State.CLOSED,
    (State.CLOSE_SENT, Step.LOSE): State.CLOSED,
    (State.CLOSE_RECEIVED, Step.SEND_CLOSE): State.CLOSED,
    (State.CLOSE_RECEIVED, Step.LOSE): State.CLOSED,
    (State.CLOSED, Step.LOSE): State.CLOSED,
    # Input that came before the end may be parsed after it.
    (State.CLOSED, Step.RECEIVE_CLOSE): State.CLOSED,
    (State.CLOSED, Step.FAIL): State.CLOSED,
}


def advance(state: State, step: Step) -> State:
    """Return the state that follows.

    Raises:
        RuntimeError: The step cannot happen in that state.
    """
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise RuntimeError(f"{step.value!r} cannot happen when {state.value!r}") from None


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.CONNECTING.name}"]
    lines += [
        f"    {state.name} --> {after.name}: {step.value}"
        for (state, step), after in TRANSITIONS.items()
        if state is not after
    ]
    lines.append(f"    {State.CLOSED.name} --> [*]")
    return "\n".join(lines)
