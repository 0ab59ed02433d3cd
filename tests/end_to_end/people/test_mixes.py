"""A caller and a person whom the bridge mixes, at each carrier: who hears whom, with an assistant that is silent or talks.

All calls are carried before the first test looks at one. Times are ms from the begin of the call.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.people.line import ANN, LAST_WORDS
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side
from tests.end_to_end.people.test_listening import (
    ANSWER,
    ASKS,
    BACK,
    BACK_MS,
    CARRIERS,
    FIRST_LETTERS,
    LOAD_MS,
    MEANWHILE,
    OTHERS,
    QUESTION,
    WHOLE,
    Listened,
    carry_stays,
)

CALLER = {
    "says": [{"at_s": 2.0, "words": ASKS}, {"at_s": 12.5, "words": QUESTION}],
    "hangs_up_after_s": 23.0,
}
PERSON = {
    "to": ANN,
    "answers_after_s": 0.5,
    "verdict_after_s": 0.2,
    "says": [{"at_s": 1.5, "words": ANSWER}],
    "hangs_up_after_s": 11.0,
}
WARM = {"how": "warm", "accept": "key"}
BRIEFED = {
    "presses": "1@2s",
    "says": [{"at_s": 2.6, "words": ANSWER}],
}
CASES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "twilio, silent": ("twilio", {}, {}),
    "twilio, warm, talks": ("twilio", WARM | {"assistant": "talks"}, BRIEFED),
    "telnyx, talks": ("telnyx", {"assistant": "talks"}, {}),
    "texml, silent": ("texml", {}, {}),
}
REQUESTS = ("bridge", "conference", "streaming_stop", "redirect")
"""What nobody asks of a carrier for it."""


async def carry(name: str, folder: Path, line: Line) -> Listened:
    """From the webhook to the end of everything."""
    which, person, acts = CASES[name]
    people = {"caller": CALLER, "people": {"ann": PERSON | acts}}
    return await carry_stays("mixes", CARRIERS[which], person, people, folder, line)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listened | BaseException]:
    return side_by_side(carry, CASES, tmp_path_factory.mktemp("calls"))


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of one call."""
    return str(request.param)


@pytest.fixture
def call(name: str, calls: dict[str, Listened | BaseException]) -> Listened:
    """One call. Whatever happens in it, nobody is left on the line."""
    became = one_of(calls, name)
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


def test_the_two_hear_each_other(call: Listened) -> None:
    assert call.heard_at("caller", LAST_WORDS)[0] >= WHOLE
    assert call.heard_at("caller", ANSWER)[0] >= WHOLE
    assert call.heard_at("ann", QUESTION)[0] >= WHOLE


def test_the_assistant_is_heard_by_both_or_by_nobody(call: Listened, name: str) -> None:
    for party in ("caller", "ann"):
        likeness, _ = call.heard_at(party, MEANWHILE[:FIRST_LETTERS])
        assert likeness >= WHOLE if "talks" in name else likeness < OTHERS, party


def test_the_carrier_joins_nobody(call: Listened) -> None:
    asked = [str(one.get("name")) for one in call.log if one.get("kind") == "request"]
    assert not [one for one in asked if one.startswith(REQUESTS)]


def test_the_person_leaves_and_the_same_assistant_has_the_caller(call: Listened) -> None:
    likeness, begins = call.heard_at("caller", BACK)
    assert likeness >= WHOLE
    left = call.at(kind="party", party="ann", event="left")
    assert 0 <= begins - left <= BACK_MS + LOAD_MS
    session, *briefings = call.sessions
    assert session.output().startswith("ann talked with the caller for ")
    assert session.closed > begins
    assert all(one.closed < left for one in briefings), "no other assistant is opened"
