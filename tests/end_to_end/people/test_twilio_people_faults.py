"""Handovers at Twilio that meet faults, or each other: refused and unanswered requests, who acts at the same moment, twice in a call."""

from typing import Any

import pytest

from tests.end_to_end.people.side_by_side import one_of
from tests.end_to_end.people.twilio_line import (
    AGAIN,
    ANSWER,
    BOB,
    BRIEFED,
    QUESTION,
    SORRY,
    TRANSFER,
    Calls,
    Row,
    ann,
    carry_all,
)

KEY: dict[str, Any] = {"how": "warm", "accept": "key"}
BRIEF = {"with_tool": "accept", "on_instructions": "The person has just answered", "say": BRIEFED}
ACCEPTS = {"presses": "1@3s"}
TALKS: dict[str, Any] = {"says": [{"at_s": 0.3, "since": "joined", "words": ANSWER}]}
ASKS: dict[str, Any] = {"says": [{"at_s": 0.4, "since": "joined", "words": QUESTION}]}
LEAVES = {"hangs_up_after_s": 2.6, "hangs_up_since": "joined"}
LEAVES_SOON = {"hangs_up_after_s": 0.5, "hangs_up_since": "left"}
ONCE_MORE = {"on_output": "transfer", "connections": [2], "say": "once more then", "calls": [TRANSFER]}

ROWS: dict[str, Row] = {
    **{
        f"create, {fault}": Row(
            KEY,
            ann(TALKS, LEAVES, ACCEPTS),
            ASKS | LEAVES_SOON,
            {"requests": ["create"], fault: 1},
            (BRIEF,),
        )
        for fault in ("rate_limited", "silent")
    },
    "create, server_errors": Row(KEY, faults={"requests": ["create"], "server_errors": 1}),
    "a hang-up is refused": Row(
        KEY, ann(presses="2@3s"), {"hangs_up_after_s": 9.5}, {"requests": ["update"], "refused": 1}, (BRIEF,)
    ),
    "they hang up as they accept": Row(
        KEY, ann(ACCEPTS, hangs_up_after_s=3.0), {"hangs_up_after_s": 9.5}, replies=(BRIEF,)
    ),
    "two answer at once": Row(
        KEY | {"to": [["+15550111", "+15550112"]]},
        ann(LEAVES, ACCEPTS, answers_after_s=0.5) | {"bob": BOB | LEAVES | {"answers_after_s": 0.5}},
        LEAVES_SOON,
        replies=(BRIEF,),
    ),
    "twice": Row(people=ann(TALKS, LEAVES), acts={"hangs_up_after_s": 13}, replies=(ONCE_MORE,)),
    "not back": Row({"back": False}, ann(LEAVES), {"quiet_s": 8}),
    "nobody, hang up": Row({"nobody": "hang_up"}, ann(busy=True)),
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    return carry_all(ROWS, tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("name", ROWS)
def test_nobody_is_left_behind(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert not call.lines("party", event="left behind")
    assert call.left == 0
    assert len(call.sessions("closed")) == len(call.sessions("opened"))


@pytest.mark.parametrize("fault", ["rate_limited", "silent"])
def test_a_request_that_was_refused_for_now_or_not_answered_calls_the_person_once(
    calls: Calls, fault: str
) -> None:
    call = one_of(calls, f"create, {fault}")
    assert call.names == ["caller", "ann"]
    assert call.likeness("caller", ANSWER) >= 0.95
    assert call.likeness("ann", QUESTION) >= 0.95


def test_a_request_that_failed_gives_the_caller_back(calls: Calls) -> None:
    call = one_of(calls, "create, server_errors")
    assert call.outputs()[0].startswith("billing was not reached: the call could not be made.")
    assert call.begins_at("caller", SORRY) - call.at("request", name="create") <= 1500
    assert call.names == ["caller"]


def test_a_person_whose_hang_up_was_refused_leaves_all_the_same(calls: Calls) -> None:
    call = one_of(calls, "a hang-up is refused")
    (refused,) = call.lines("request", name="update")
    assert refused["status"] == 400
    assert call.at("party", party="ann", event="left") - refused["at_ms"] <= 1000


def test_a_person_who_hangs_up_as_they_accept_gives_the_caller_back(calls: Calls) -> None:
    call = one_of(calls, "they hang up as they accept")
    assert call.begins_at("caller", SORRY) - call.at("party", party="ann", event="left") <= 1500
    (output,) = call.outputs()
    came_first = ("(they hung up", "(they were not put through")  # of the two, at the carrier
    assert any(why in output for why in came_first), output


def test_of_two_who_answer_at_once_one_is_hung_up_on(calls: Calls) -> None:
    call = one_of(calls, "two answer at once")
    with_caller = {line["whom"][0] for line in call.lines("hears", party="caller") if line["whom"]}
    assert len(with_caller) == 1
    (other,) = {"ann", "bob"} - with_caller
    answered = [call.at("party", party=name, event="answered") for name in ("ann", "bob")]
    assert call.at("party", party=other, event="left") - max(answered) <= 500
    assert call.likeness(other, BRIEFED) < 0.7


def test_a_caller_is_put_through_twice(calls: Calls) -> None:
    call = one_of(calls, "twice")
    assert call.names == ["caller", "ann", "ann-2"]
    assert [one["outcome"] for one in call.sum["handovers"]] == ["talked", "talked"]
    left = call.at("party", party="ann-2", event="left")
    assert call.begins_at("caller", AGAIN) - left <= 1500
    names = [item.get("name", item["type"]) for item in call.items(3)]
    assert names == ["message", "transfer", "function_call_output"] * 2


@pytest.mark.parametrize(("name", "who"), [("not back", "ann"), ("nobody, hang up", "caller")])
def test_the_call_ends_where_the_settings_say_so(calls: Calls, name: str, who: str) -> None:
    call = one_of(calls, name)
    ended = (
        call.at("party", party="ann", event="left") if who == "ann" else call.webhooks("back/")[0]["asked_ms"]
    )
    assert call.at("party", party="caller", event="left") - ended <= 1000
    assert not call.lines("party", party="caller", event="hangs up")
    assert len(call.sessions("opened")) == 1
