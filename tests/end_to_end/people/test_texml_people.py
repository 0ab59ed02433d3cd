"""Calls under TeXML that go to a person and come back, judged from what each party heard and what the carrier was asked."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_people_call
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from telecodecs.format import FRAME_MS
from tests.end_to_end.people.line import (
    ANN,
    ANSWER,
    BACK,
    BRIEFING,
    GREETING,
    HOLD,
    LAST_WORDS,
    QUESTION,
    WHY,
    YES,
    Carrier,
    PutThroughCall,
    carry,
)
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side

SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
API_KEY = "KEY_of_a_test"

TEXML = Carrier(
    "/telnyx/texml",
    lambda port: {
        "telnyx": {
            "public_key": Signer(SEED).public_key,
            "api_key": API_KEY,
            "api_url": f"http://127.0.0.1:{port}/v2",
            "detect_machines_of_people": False,
        }
    },
    place_people_call,
    {"texml": True, "options": CallOptions(private_key=SEED, api_key=API_KEY)},
)

WHOLE = 0.95
"""How like the words a recording must be that has them to their end."""
NOT_HEARD = 0.6
BACK_MS = 1500
LOAD_MS = 500
"""Head-room for the machine that runs the tests, where a bar is in time."""

ON_HOLD = "nobody hears this"
ASKS = {"at_s": 2.0, "words": QUESTION}
AGAIN = {"at_s": 0.3, "since": "joined", "words": QUESTION}
TELLS = {"at_s": 1.8, "since": "joined", "words": ANSWER}
TAKES = {"at_s": 2.5, "since": "heard", "words": YES}
PERSON = {"to": ANN, "answers_after_s": 0.5}
ANSWERS = {**PERSON, "says": [TAKES, TELLS]}
WAITS = {"says": [ASKS], "hangs_up_after_s": 9.0}
DECLINES = [
    {"with_tool": "accept", "on_instructions": "", "say": BRIEFING},
    {"with_tool": "accept", "calls": [{"name": "decline", "arguments": '{"reason": "in a meeting"}'}]},
]
CASES: dict[str, dict[str, Any]] = {
    "cold": {
        "caller": {"says": [ASKS, AGAIN], "hangs_up_after_s": 3.0, "hangs_up_since": "left"},
        "people": {"ann": {**PERSON, "says": [TELLS], "hangs_up_after_s": 3.3}},
    },
    "caller leaves": {
        "caller": {"says": [ASKS, AGAIN], "hangs_up_after_s": 2.0, "hangs_up_since": "joined"},
        "people": {"ann": PERSON},
    },
    "at once": {
        "before_call": {"put_through": "ann"},
        "caller": {"says": [AGAIN], "hangs_up_after_s": 2.5, "hangs_up_since": "left"},
        "people": {"ann": {**PERSON, "says": [TELLS], "hangs_up_after_s": 3.0}},
    },
    "busy": {"caller": WAITS, "people": {"ann": {**PERSON, "busy": True}}},
    "message": {
        "ann": {"nobody": "message"},
        "caller": {"says": [ASKS, {"at_s": 7.5, "words": ANSWER}], "hangs_up_after_s": 9.5},
        "people": {"ann": {**PERSON, "busy": True}},
    },
    "no answer": {
        "ann": {"ring_s": 5},
        "caller": {"says": [ASKS], "hangs_up_after_s": 14.0},
        "people": {"ann": {"to": ANN, "no_answer": True}},
    },
    "accepted": {
        "ann": {"how": "warm"},
        "caller": {
            "says": [ASKS, {"at_s": 6.5, "words": ON_HOLD}, AGAIN],
            "hangs_up_after_s": 3.2,
            "hangs_up_since": "joined",
        },
        "people": {"ann": ANSWERS},
    },
    "refused": {
        "ann": {"how": "warm"},
        "faults": {"requests": ["create"], "refused": 1},
        "caller": {"says": [ASKS], "hangs_up_after_s": 8.5},
        "people": {"ann": PERSON},
    },
    "declined": {
        "ann": {"how": "warm"},
        "script": {"replies": DECLINES},
        "caller": {"says": [ASKS], "hangs_up_after_s": 13.0},
        "people": {"ann": {**PERSON, "says": [TAKES]}},
    },
    "caller leaves a briefing": {
        "ann": {"how": "warm"},
        "caller": {"says": [ASKS], "hangs_up_after_s": 7.5},
        "people": {"ann": PERSON},
    },
}


async def carry_under_texml(name: str, folder: Path, line: Line) -> PutThroughCall:
    return await carry(TEXML, CASES[name], folder, line)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PutThroughCall | BaseException]:
    return side_by_side(carry_under_texml, CASES, tmp_path_factory.mktemp("calls"))


@pytest.fixture
def call(request: pytest.FixtureRequest, calls: dict[str, PutThroughCall | BaseException]) -> PutThroughCall:
    """The call that the test names. Whatever happens in it, nobody is left on the line."""
    became = one_of(calls, request.param)
    assert not became.lines("party", event="left behind")
    assert not became.report.caller.warnings
    return became


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", [name], indirect=True)


# Cold


@of("cold")
def test_the_last_word_is_heard_whole_and_both_hear_each_other(call: PutThroughCall) -> None:
    assert call.hears("caller", LAST_WORDS).likeness >= WHOLE
    assert call.hears("caller", ANSWER).likeness >= WHOLE
    assert call.hears("ann", QUESTION).likeness >= WHOLE
    assert call.hears("ann", LAST_WORDS).likeness < NOT_HEARD


@of("cold")
def test_there_is_one_dial(call: PutThroughCall) -> None:
    answers = [line["answer"] for line in call.lines("webhook")]
    assert sum("<Dial" in answer for answer in answers) == 1
    assert call.lines("request") == [], "a cold handover needs no request"
    assert call.names == ["caller", "ann"]


@of("cold")
def test_the_person_leaves_and_the_assistant_is_back_with_the_history_and_does_not_greet(
    call: PutThroughCall,
) -> None:
    left_ms = call.at_ms("party", party="ann", event="left")
    back = call.hears("caller", BACK, after_ms=left_ms)
    assert back.likeness >= WHOLE
    assert back.from_ms - left_ms <= BACK_MS + LOAD_MS
    assert call.hears("caller", GREETING, after_ms=left_ms).likeness < NOT_HEARD
    talked, said = call.items(2)[-1], call.items(2)[:-1]
    assert talked.startswith("ann talked with the caller for 3 s and has left.")
    assert said == [
        f"assistant: {GREETING}",
        "user: Is my order there?",
        f"assistant: {LAST_WORDS}",
        f'transfer {{"person":"ann","why":"{WHY}"}}',
    ]


@of("cold")
def test_while_the_two_talk_no_assistant_is_connected(call: PutThroughCall) -> None:
    joined_ms, left_ms = (
        call.at_ms("party", party="ann", event="answered"),
        call.at_ms("party", party="ann", event="left"),
    )
    assert call.closed_ms(1) <= joined_ms + LOAD_MS
    assert call.opened_ms(2) >= left_ms
    (ended,) = call.wrote("EndHandover")
    assert (ended["outcome"], ended["talked_s"]) == ("talked", pytest.approx(3.3, abs=0.5))


@of("caller leaves")
def test_the_caller_hangs_up_and_the_persons_leg_ends(call: PutThroughCall) -> None:
    hung_up_ms = call.at_ms("party", party="caller", event="hangs up")
    assert call.at_ms("party", party="ann", event="left") - hung_up_ms <= 1000
    assert len(call.connections) == 1, "no assistant is opened for a caller who is gone"


@of("at once")
def test_the_answer_before_the_call_puts_it_through_at_once(call: PutThroughCall) -> None:
    assert call.hears("caller", ANSWER).likeness >= WHOLE
    assert call.hears("ann", QUESTION).likeness >= WHOLE
    left_ms = call.at_ms("party", party="ann", event="left")
    assert call.opened_ms(1) >= left_ms, "no assistant before"
    back = call.hears("caller", BACK, after_ms=left_ms)
    assert (back.likeness >= WHOLE, back.from_ms - left_ms <= BACK_MS + LOAD_MS) == (True, True)
    assert call.hears("caller", GREETING).likeness < NOT_HEARD


# Nobody


@pytest.mark.parametrize(
    ("call", "why"), [("busy", "the line is busy"), ("no answer", "nobody answers")], indirect=["call"]
)
def test_nobody_is_reached_and_the_assistant_goes_on_and_knows_why(call: PutThroughCall, why: str) -> None:
    (back,) = [line for line in call.lines("webhook") if "/telnyx/back/" in line["url"]]
    verdict_ms = back["at_ms"] - back["took_ms"]
    told = call.hears("caller", BACK, after_ms=verdict_ms - 100)
    assert told.likeness >= WHOLE
    assert told.from_ms - verdict_ms <= BACK_MS + LOAD_MS
    assert call.hears("caller", GREETING, after_ms=verdict_ms).likeness < NOT_HEARD
    assert len(call.connections) == 1, "it stayed"
    (output,) = call.items(1)
    assert output.startswith(f"ann was not reached: {why}")


@of("refused")
def test_a_request_that_is_refused_is_told_at_once(call: PutThroughCall) -> None:
    (asked,) = call.lines("request", name="create")
    assert 400 <= asked["status"] < 500
    back = call.hears("caller", BACK, after_ms=asked["at_ms"])
    assert back.likeness >= WHOLE
    assert back.from_ms - asked["at_ms"] <= BACK_MS + LOAD_MS
    assert call.items(1)[-1].startswith("ann was not reached: the call could not be made")
    assert call.names == ["caller"]


@of("message")
def test_a_caller_for_whom_nobody_is_there_leaves_a_message(call: PutThroughCall) -> None:
    (began,), (message,) = call.times("TakeMessage"), call.wrote("EndMessage")
    assert message["person"] == "ann"
    assert len(call.connections) == 1, "no assistant hears it"
    rate_hz, caller = call.recorded()
    left = caller[int(began * rate_hz) :]
    assert find_sound(left, spoken(ANSWER, rate_hz)).likeness >= WHOLE
    assert len(left) / rate_hz >= message["length_s"] - 0.5


# Warm


@of("accepted")
def test_the_caller_hears_music_and_nothing_of_the_briefing(call: PutThroughCall) -> None:
    asked_ms = call.at_ms("request", name="create")
    joined_ms = call.at_ms("hears", party="caller", whom=["ann"])
    assert longest_gap_ms(call, asked_ms + 200, joined_ms - 200) <= 60
    assert call.hears("caller", HOLD, after_ms=asked_ms).likeness >= WHOLE
    for words in (BRIEFING, YES):
        assert call.hears("caller", words).likeness < NOT_HEARD


@of("accepted")
def test_the_person_is_briefed_at_once_and_hears_the_caller_only_when_joined(call: PutThroughCall) -> None:
    answered_ms = call.at_ms("party", party="ann", event="answered")
    joined_ms = call.at_ms("hears", party="ann", whom=["caller"])
    briefing = call.hears("ann", BRIEFING)
    assert briefing.likeness >= WHOLE
    assert briefing.from_ms - answered_ms <= 1000 + LOAD_MS
    assert call.hears("ann", QUESTION).from_ms >= joined_ms
    assert call.hears("ann", ON_HOLD).likeness < NOT_HEARD
    assert len(call.times("SpeechStarted")) == 1, "the assistant heard nothing of it either"
    assert call.hears("ann", LAST_WORDS).likeness < NOT_HEARD


@of("accepted")
def test_an_accepted_call_is_joined(call: PutThroughCall) -> None:
    assert call.hears("caller", ANSWER).likeness >= WHOLE
    assert call.hears("ann", QUESTION).likeness >= WHOLE
    (accepted,) = call.times("PersonAccepted")
    (joined,) = call.times("PeopleJoined")
    assert joined - accepted <= 1.5
    assert len(call.lines("request", name="create")) == 1
    hung_up_ms = call.at_ms("party", party="caller", event="hangs up")
    assert call.at_ms("party", party="ann", event="left") - hung_up_ms <= 1000
    assert len(call.connections) == 2, "the caller's, and that of the briefing"


@of("declined")
def test_a_person_who_declines_is_released_and_the_assistant_knows_the_reason(call: PutThroughCall) -> None:
    (declined,) = call.times("PersonDeclined")
    declined_ms = call.journal_ms + declined * 1000
    back = call.hears("caller", BACK, after_ms=declined_ms)
    assert back.likeness >= WHOLE
    assert back.from_ms - declined_ms <= BACK_MS + LOAD_MS
    assert call.hears("caller", GREETING, after_ms=declined_ms).likeness < NOT_HEARD
    assert call.items(1)[-1].startswith("ann was not reached: they do not take the call (in a meeting)")
    assert call.at_ms("party", party="ann", event="left") - declined_ms <= 1000 + LOAD_MS
    for words in (BRIEFING, YES):
        assert call.hears("caller", words).likeness < NOT_HEARD


@of("caller leaves a briefing")
def test_a_person_who_is_briefed_is_hung_up_on_when_the_caller_is_gone(call: PutThroughCall) -> None:
    hung_up_ms = call.at_ms("party", party="caller", event="hangs up")
    assert call.at_ms("party", party="ann", event="left") - hung_up_ms <= 10_000
    assert [line["outcome"] for line in call.wrote("EndHandover")] == ["caller_left"]


def longest_gap_ms(call: PutThroughCall, from_ms: float, until_ms: float) -> float:
    """The longest silence that the caller heard between, in whole frames."""
    heard = call.sound("caller", from_ms, until_ms)
    samples = call.party("caller").rate_hz * FRAME_MS // 1000
    frames = (
        np.abs(heard[: len(heard) // samples * samples].astype(np.int32)).reshape(-1, samples).max(axis=1)
    )
    (loud,) = np.nonzero(frames > 32)
    assert len(loud) > 10, "there was music"
    edges = [-1, *loud.tolist(), len(frames)]
    return float(max(after - before - 1 for before, after in pairwise(edges)) * FRAME_MS)
