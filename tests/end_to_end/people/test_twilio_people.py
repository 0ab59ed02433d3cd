"""Calls that go to a person and come back, at Twilio: what each party hears, who is called, and what is left."""

from typing import Any

import numpy as np
import pytest

from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from tests.end_to_end.people.side_by_side import one_of
from tests.end_to_end.people.twilio_line import (
    AGAIN,
    ANN,
    ANSWER,
    BOB,
    BRIEFED,
    GONE,
    LAST_WORDS,
    QUESTION,
    RATE_HZ,
    SORRY,
    Call,
    Calls,
    Row,
    ann,
    callers_track,
    carry_all,
)

ON_HOLD = "hello can anybody hear me"
LATER = "what a pity"
MESSAGE = "please call me back tomorrow"
BACK_S = 1.5

TALKS: dict[str, Any] = {"says": [{"at_s": 0.3, "since": "joined", "words": ANSWER}]}
ASKS: dict[str, Any] = {"says": [{"at_s": 0.4, "since": "joined", "words": QUESTION}]}
SPEAKS_ON_HOLD = {"at_s": 4.0, "words": ON_HOLD}
COMES_BACK = ASKS | {"hangs_up_after_s": 3.5, "hangs_up_since": "left"}
LEAVES = {"hangs_up_after_s": 2.6, "hangs_up_since": "joined"}
LEAVES_SOON = {"hangs_up_after_s": 0.5, "hangs_up_since": "left"}
BRIEF = {"with_tool": "accept", "on_instructions": "The person has just answered", "say": BRIEFED}
FAREWELL = {"with_tool": "accept", "on_instructions": "The caller has hung up", "say": GONE}
TAKES_IT = {"with_tool": "accept", "calls": [{"name": "accept"}]}
REFUSES = {"with_tool": "accept", "calls": [{"name": "decline", "arguments": '{"reason": "I am at lunch"}'}]}
WORD = [{"at_s": 4.5, "words": "yes please"}]
WARM: dict[str, Any] = {"how": "warm"}
KEY: dict[str, Any] = {"how": "warm", "accept": "key"}
GROUP: dict[str, Any] = {"to": [["+15550111", "+15550112"]]}
TURN: dict[str, Any] = {"to": ["+15550112", "+15550111"]}
MACHINE = {"machine": True, "says": "leave a message"}
BUSY_BOB = BOB | {"busy": True, "answers_after_s": 0.3}

NOBODY: dict[str, tuple[Row, str]] = {
    "cold, busy": (Row(people=ann(busy=True)), "the line is busy"),
    "cold, no answer": (Row(people=ann(no_answer=True), acts={"hangs_up_after_s": 11.5}), "nobody answers"),
    "cold, machine": (Row(people=ann(MACHINE)), "a machine answered"),
    "cold, failed": (Row(people=ann(failed=True)), "the call could not be made"),
    "warm, busy": (Row(billing=WARM, people=ann(busy=True)), "the line is busy"),
    "warm, no answer": (Row(billing=WARM, people=ann(no_answer=True)), "nobody answers"),
    "warm, machine": (Row(billing=WARM, people=ann(MACHINE), replies=(BRIEF,)), "a machine answered"),
    "warm, refused by REST": (
        Row(billing=WARM, faults={"requests": ["create"], "refused": 1}),
        "the call could not be made",
    ),
    "warm, declined": (
        Row(
            billing=WARM,
            people=ann(says=WORD),
            acts={"says": [SPEAKS_ON_HOLD, {"at_s": 14.0, "words": LATER}], "hangs_up_after_s": 16.5},
            replies=(BRIEF, REFUSES),
        ),
        "they do not take the call (I am at lunch)",
    ),
    "warm, hangs up": (
        Row(billing=WARM, people=ann(hangs_up_after_s=2), replies=(BRIEF,)),
        "they do not take the call (they hung up)",
    ),
}
TALKED: dict[str, Row] = {
    "cold": Row(people=ann(TALKS, LEAVES), acts=COMES_BACK),
    "cold, in turn": Row(billing=TURN, people=ann(TALKS, LEAVES) | {"bob": BUSY_BOB}, acts=COMES_BACK),
    "warm, by key": Row(
        billing=KEY,
        people=ann(TALKS, LEAVES, presses="1@4s"),
        acts=COMES_BACK | {"says": [*ASKS["says"], SPEAKS_ON_HOLD]},
        replies=(BRIEF,),
    ),
    "warm, by word": Row(
        billing=WARM,
        people=ann(LEAVES, says=WORD + TALKS["says"]),
        acts=COMES_BACK | {"says": [*ASKS["says"], SPEAKS_ON_HOLD]},
        replies=(BRIEF, TAKES_IT),
    ),
    "warm, in turn": Row(
        billing=TURN | KEY,
        people=ann(TALKS, LEAVES, presses="1@3.5s") | {"bob": BUSY_BOB},
        acts=COMES_BACK | {"says": [*ASKS["says"], SPEAKS_ON_HOLD]},
        replies=(BRIEF,),
    ),
}
TOGETHER: dict[str, Row] = {
    "cold, together": Row(billing=GROUP, people=ann(LEAVES) | {"bob": BOB}, acts=LEAVES_SOON),
    "warm, together": Row(
        billing=GROUP | KEY,
        people=ann(LEAVES, presses="1@2s") | {"bob": BOB},
        acts=LEAVES_SOON,
        replies=(BRIEF,),
    ),
}
LEFT_WHILE: dict[str, Row] = {
    "it rings, cold": Row(people=ann(answers_after_s=8), acts={"hangs_up_after_s": 4.5}),
    "it rings, warm": Row(billing=WARM, people=ann(answers_after_s=8), acts={"hangs_up_after_s": 4.5}),
    "joined, cold": Row(people=ann(TALKS), acts=ASKS | {"hangs_up_after_s": 2.5, "hangs_up_since": "joined"}),
    "joined, warm": Row(
        billing=KEY,
        people=ann(TALKS, presses="1@3s"),
        acts=ASKS | {"hangs_up_after_s": 2.5, "hangs_up_since": "joined"},
        replies=(BRIEF,),
    ),
    "briefing": Row(billing=WARM, people=ann(), acts={"hangs_up_after_s": 6.0}, replies=(BRIEF, FAREWELL)),
    "briefing by a recording": Row(
        billing=KEY | {"briefing": {"play": "briefing.wav"}}, people=ann(), acts={"hangs_up_after_s": 4.5}
    ),
}
MESSAGES: dict[str, Row] = {
    "message, cold": Row(
        billing={"nobody": "message"},
        people=ann(busy=True),
        acts={"says": [{"at_s": 5.0, "words": MESSAGE}], "presses": "#@8s"},
    ),
    "message, warm": Row(
        billing=WARM | {"nobody": "message"},
        people=ann(busy=True),
        acts={"says": [{"at_s": 5.0, "words": MESSAGE}], "hangs_up_after_s": 8},
    ),
}
ROWS: dict[str, Row] = {
    **{name: row for name, (row, _) in NOBODY.items()},
    **TALKED,
    **TOGETHER,
    **LEFT_WHILE,
    **MESSAGES,
}
WARM_ONES = [name for name in TALKED if name.startswith("warm")]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    return carry_all(ROWS, tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("name", ROWS)
def test_nobody_is_left_behind(calls: Calls, name: str) -> None:
    """2 s after the last party has left, as `carry` waits."""
    call = one_of(calls, name)
    assert not call.lines("party", event="left behind")
    assert call.left == 0
    assert len(call.sessions("closed")) == len(call.sessions("opened"))


@pytest.mark.parametrize("name", ROWS)
def test_webhooks_of_a_call_that_is_over_open_nothing(calls: Calls, name: str) -> None:
    assert one_of(calls, name).late == {"next": 410, "back": 410, "voice": 410, "status": 204}


@pytest.mark.parametrize("name", ROWS)
def test_no_webhook_of_the_call_itself_is_turned_away(calls: Calls, name: str) -> None:
    """Twilio would write an error into the account's log: it asks even when the caller has hung up."""
    assert {line["status"] for line in one_of(calls, name).webhooks("")} <= {200, 204}


@pytest.mark.parametrize("name", ROWS)
def test_the_last_announced_word_is_heard_whole(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.begins_at("caller", LAST_WORDS) < call.ends_at("caller", LAST_WORDS) <= call.called_at() + 60


@pytest.mark.parametrize("name", ROWS)
def test_each_person_is_called_once(calls: Calls, name: str) -> None:
    call, row = one_of(calls, name), ROWS[name]
    is_warm = row.billing.get("how") == "warm"
    people = 1 + ("bob" in row.people)
    assert len(call.lines("request", name="create")) == (people if is_warm else 0)
    assert len(call.dials()) == (0 if is_warm else len(row.billing.get("to", "1")) if "turn" in name else 1)
    legs = {line["fields"]["CallSid"] for line in call.webhooks("person/")}
    assert len(legs) == (0 if "REST" in name else people)


# Somebody is there


@pytest.mark.parametrize("name", TALKED)
def test_the_two_hear_each_other(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.likeness("caller", ANSWER) >= 0.95
    assert call.likeness("ann", QUESTION) >= 0.95


@pytest.mark.parametrize("name", TALKED)
def test_the_assistant_is_back_and_knows_what_was_said_and_does_not_greet(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.begins_at("caller", AGAIN) - call.at("party", party="ann", event="left") <= BACK_S * 1000
    last = max(line["session"] for line in call.sessions("opened"))
    said, asked, answered = call.items(last)
    assert (said["role"], said["content"][0]["text"]) == ("assistant", LAST_WORDS)
    assert asked["name"] == "transfer"
    assert answered["output"].startswith("billing talked with the caller for ")
    (response,) = call.client_events(last, "response.create")
    assert "instructions" not in response["event"]["response"], "a greeting has them"
    (handover,) = call.sum["handovers"]
    assert handover["outcome"] == "talked"
    assert handover["talked_s"] == pytest.approx(2.6, abs=1.0), "by the times of Twilio's webhooks"


@pytest.mark.parametrize("name", TALKED)
def test_no_assistant_is_open_while_they_talk(calls: Calls, name: str) -> None:
    """From when the verdict is there that no machine has answered, which a cold handover waits for."""
    call = one_of(calls, name)
    joined, left = call.joined_at("ann"), call.at("party", party="ann", event="left")
    closed = [line["at_ms"] for line in call.sessions("closed")][:-1]
    assert max(closed) <= joined + ANN["verdict_after_s"] * 1000 + 500
    opened = call.sessions("opened")[-1]["at_ms"]
    assert opened > left


@pytest.mark.parametrize("name", TOGETHER)
def test_of_two_who_ring_the_loser_is_hung_up_on(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.names == ["caller", "ann"]
    (ended,) = [
        line
        for line in call.webhooks("person/")
        if line["fields"].get("CallStatus") in ("canceled", "completed") and line["fields"]["To"] == BOB["to"]
    ]
    assert ended["asked_ms"] - call.at("party", party="ann", event="answered") <= 500


# Nobody is there


@pytest.mark.parametrize("name", NOBODY)
def test_the_assistant_is_back_with_the_reason(calls: Calls, name: str) -> None:
    call, why = one_of(calls, name), NOBODY[name][1]
    (output,) = call.outputs()
    assert output.startswith(f"billing was not reached: {why}.")
    assert call.begins_at("caller", SORRY) - verdict_at(call, name) <= BACK_S * 1000
    assert len(call.sessions("opened")) == 1 + ("ann" in call.names and "warm" in name), "and a briefing"


def verdict_at(call: Call, name: str) -> float:
    """When the carrier, or the person, had decided."""
    if name == "warm, refused by REST":
        return call.at("request", name="create")
    if name == "warm, declined":
        return call.tool_called_at("decline")
    if "machine" in name:
        return float(call.webhooks("person/", AnsweredBy="machine_start")[0]["asked_ms"])
    (ended,) = [
        line
        for line in call.webhooks("person/")
        if line["fields"].get("CallStatus") in ("busy", "failed", "no-answer", "completed")
    ]
    return float(ended["asked_ms"])


@pytest.mark.parametrize("name", MESSAGES)
def test_nobody_is_there_so_the_caller_leaves_a_message(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    (recording,) = call.folder.glob(f"*{call.report.caller.call_sid}*.wav")
    assert find_sound(callers_track(recording), spoken(MESSAGE, RATE_HZ)).likeness >= 0.95
    taken = next(one for one in call.journal if one.what == "EndMessage")
    assert taken.fields["length_s"] > 3
    assert len(call.sessions("opened")) == 1


# Warm


@pytest.mark.parametrize("name", WARM_ONES)
def test_the_caller_hears_music_without_a_gap_and_no_briefing(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    called, joined = call.called_at(), call.joined_at("ann")
    closed = call.at("stream", party="caller", event="closed")
    assert closed - called > 3000
    assert call.longest_gap_ms("caller", called + 100, closed - 40) <= 60
    assert joined - closed <= 1500
    assert call.likeness("caller", BRIEFED) < 0.7


@pytest.mark.parametrize("name", WARM_ONES)
def test_the_person_hears_the_briefing_and_nothing_of_the_caller_before(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    answered, accepted = call.at("party", party="ann", event="answered"), accepted_at(call, name)
    begins, ends = call.begins_at("ann", BRIEFED), call.ends_at("ann", BRIEFED)
    assert begins - answered <= 1000
    rest = [call.sound_of("ann", answered, begins - 20), call.sound_of("ann", ends + 20, accepted)]
    assert not np.concatenate(rest).any(), "a frame that is not the briefing's"
    assert call.likeness("ann", ON_HOLD) < 0.7


@pytest.mark.parametrize("name", WARM_ONES)
def test_accepted_is_joined(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.joined_at("ann") - accepted_at(call, name) <= 1500


def accepted_at(call: Call, name: str) -> float:
    return call.tool_called_at("accept") if "word" in name else call.at("party", party="ann", event="pressed")


def test_the_assistant_hears_no_caller_on_hold(calls: Calls) -> None:
    """And hears them again afterwards."""
    for name in (*WARM_ONES, "warm, declined"):
        for heard in one_of(calls, name).heard_by_assistant.values():
            assert find_sound(heard, spoken(ON_HOLD, RATE_HZ)).likeness < 0.7, name
    declined = one_of(calls, "warm, declined")
    assert find_sound(declined.heard_by_assistant[1], spoken(LATER, RATE_HZ)).likeness >= 0.95


# The caller leaves


@pytest.mark.parametrize("name", LEFT_WHILE)
def test_the_caller_leaves_so_the_person_is_hung_up_on(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    left = call.at("party", party="caller", event="hangs up")
    ended = [
        line["asked_ms"]
        for line in call.webhooks("person/")
        if line["fields"].get("CallStatus") in ("canceled", "completed")
    ]
    assert len(ended) == 1
    assert ended[0] - left <= (10_000 if "briefing" in name else 1000)
    assert not [line for line in call.sessions("opened") if line["at_ms"] > left]


def test_the_person_who_is_briefed_is_told_that_the_caller_has_gone(calls: Calls) -> None:
    call = one_of(calls, "briefing")
    assert call.begins_at("ann", GONE) > call.at("party", party="caller", event="hangs up")
    beep = one_of(calls, "briefing by a recording")
    after = beep.sound_of(
        "ann",
        beep.at("party", party="caller", event="hangs up") + 40,
        beep.at("party", party="ann", event="left"),
    )
    assert np.abs(after.astype(np.int32)).max() > 1000
