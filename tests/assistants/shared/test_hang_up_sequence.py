"""How the assistant hangs up, response by response."""

import pytest

from bridge.assistants.shared.hang_up_sequence import HangUpSequence, Step, hung_up
from bridge.vocabulary.events import CloseRequested

Done = tuple[str, bool, bool, Step]
"""Which response is done, whether it spoke, whether it was the farewell, and what that leads to."""

SEQUENCES: dict[str, list[Done]] = {
    "goodbye in the same response": [("R1", True, False, Step.HANG_UP)],
    "silent: goodbye is asked for": [
        ("R1", False, False, Step.SAY_GOODBYE),
        ("R2", True, True, Step.HANG_UP),
    ],
    "another response between": [
        ("R0", True, False, Step.GO_ON),
        ("R1", False, False, Step.SAY_GOODBYE),
        ("R2", True, False, Step.GO_ON),
        ("R3", False, True, Step.HANG_UP),
    ],
}


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_hanging_up(sequence: str) -> None:
    hang_up = HangUpSequence()
    hang_up.call("R1")
    for response, spoke, is_farewell, step in SEQUENCES[sequence]:
        assert not hang_up.is_ready
        assert hang_up.response_done(response, spoke=spoke, is_farewell=is_farewell) is step
    assert hang_up.is_ready


def test_a_caller_who_speaks_calls_it_off() -> None:
    hang_up = HangUpSequence()
    assert not hang_up.call_off()
    hang_up.call("R1")
    hang_up.response_done("R1", spoke=False, is_farewell=False)
    assert hang_up.call_off()
    assert not hang_up.intended
    assert hang_up.response_done("R2", spoke=True, is_farewell=True) is Step.GO_ON


def test_what_the_core_is_told() -> None:
    assert hung_up() == CloseRequested("the assistant hung up", code=1000)
    assert hung_up("wrong number") == CloseRequested("wrong number", code=1000)
