"""Handovers under Telnyx Call Control, from the webhook to the last leg's end, judged by what each party heard.

All calls are carried before the first test looks at one, some at a time. A bar is measured from one event of the
carrier's log to the next.
"""

import numpy as np
import pytest

from bridge.simulators.openai.voice import LETTER_MS, spoken
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.likeness import find_sound
from tests.end_to_end.people.side_by_side import one_of
from tests.end_to_end.people.telnyx_calls import carry_all
from tests.end_to_end.people.telnyx_handed import (
    ABSENT,
    AGAIN,
    ANN,
    ANSWER,
    ASKS,
    BACK,
    BOB,
    BRIEFING,
    FOUND,
    GONE,
    GREETING,
    ON_HOLD,
    PARTING,
    QUESTION,
    YES,
    Handed,
)
from tests.end_to_end.people.telnyx_scenarios import SCENARIOS

Calls = dict[str, Handed | BaseException]

BACK_MS = 1_500
"""From the verdict, or the person's end, to the assistant's first word."""

GONE_MS = 1_000
"""From the caller's end to the person's."""

LOSER_MS = 500
NOTHING_LEFT_MS = 2_000
MUSIC_GAP_MS = 60
SILENT_MS = 2_000
BRIEFING_MS = 1_000
JOIN_MS = 1_500
LEAVE_MS = 10_000


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """All of them."""
    spoken(GREETING, 8_000)
    return carry_all(SCENARIOS, tmp_path_factory.mktemp("calls"))


def of(calls: Calls, name: str) -> Handed:
    """One call. Whatever happens in it, nobody is left behind, and no more than is asked for is dialled."""
    call = one_of(calls, name)
    assert not call.left_behind
    assert not call.report.caller.warnings
    return call


def ms(words: str) -> float:
    """How long it takes to say this."""
    return len(words) * LETTER_MS


def comes_back(call: Handed, since_ms: float, words: str = BACK) -> None:
    """The assistant's first word is there in time."""
    took = call.heard_at("caller", words, since_ms) - since_ms
    assert took <= BACK_MS, f"after {took:.0f} ms"


def is_never_silent(call: Handed, until_ms: float) -> None:
    """The caller hears something all the time, from the first request to call somebody on."""
    assert call.silences("caller", call.at("request", name="dial"), until_ms) <= SILENT_MS


# Cold

TALKED = ["cold", "silent once", "fails once", "limited once", "cannot stop", "key 1", "warm"]


@pytest.mark.parametrize("name", [*TALKED, "no detection"])
def test_the_last_words_are_heard_whole_and_then_the_two_hear_each_other(calls: Calls, name: str) -> None:
    call = of(calls, name)
    assert call.heard_at("caller", PARTING) + ms(PARTING) <= call.at("request", name="dial") + 100
    assert call.likeness("caller", ANSWER) >= FOUND
    if name != "no detection":
        assert call.likeness("ann", QUESTION) >= FOUND
    dialled = {line["fields"]["command_id"] for line in call.requests("dial")}
    assert len(dialled) == 1
    assert len(call.webhooks("call.initiated", "ann")) == 1
    assert call.outcomes == ["talked"]


def test_there_is_one_request_to_dial(calls: Calls) -> None:
    assert len(of(calls, "cold").requests("dial")) == 1


VERDICTS = [
    ("busy", "the line is busy"),
    ("no answer", "nobody answers"),
    ("machine", "a machine answered"),
    ("rejected", "the call was refused"),
    ("4xx", "the call could not be made"),
    ("5xx", "the call could not be made"),
    ("429", "the call could not be made"),
    ("silent", "the line is busy"),
    ("bridge refused", "the call could not be made (they were not put through)"),
    ("declined", "they do not take the call (in a meeting)"),
    ("key 2", "they do not take the call"),
    ("hangs up on the briefing", "they do not take the call (they hung up)"),
]


@pytest.mark.parametrize(("name", "why"), VERDICTS)
def test_who_is_not_reached_is_no_silence_and_the_assistant_knows_why(
    calls: Calls, name: str, why: str
) -> None:
    call = of(calls, name)
    verdict = call.at_journal("EndHandover")
    comes_back(call, verdict, AGAIN)
    is_never_silent(call, call.heard_at("caller", AGAIN))
    (session, *_) = call.sessions
    assert f"billing was not reached: {why}." in session.output()
    assert session.said == [GREETING, PARTING, AGAIN]
    told = {"busy": "call.hangup", "no answer": "call.hangup", "machine": "call.machine.detection.ended"}
    if name in told:
        (webhook,) = call.webhooks(told[name], "ann")
        comes_back(call, webhook["at_ms"], AGAIN)


def test_of_those_who_ring_together_the_others_are_ended(calls: Calls) -> None:
    call = of(calls, "together")
    (answered,), (ended,) = call.webhooks("call.answered", "ann"), call.webhooks("call.hangup", "bob")
    assert 0 <= ended["at_ms"] - answered["at_ms"] <= LOSER_MS
    assert len(call.requests("dial")) == 2
    assert call.outcomes == ["talked"]


def test_of_two_who_answer_in_one_instant_one_has_the_call(calls: Calls) -> None:
    call = of(calls, "at once")
    joined = {one for line in call.lines("hears", party="caller") for one in line["whom"]}
    assert len(joined & {"ann", "bob"}) == 1
    (loser,) = {"ann", "bob"} - joined
    (ended,) = call.webhooks("call.hangup", loser)
    answered = min(line["at_ms"] for one in ("ann", "bob") for line in call.webhooks("call.answered", one))
    assert ended["at_ms"] - answered <= LOSER_MS


def test_people_are_called_in_turn(calls: Calls) -> None:
    call = of(calls, "in turn")
    assert [line["fields"]["to"] for line in call.requests("dial")] == [ANN, BOB]
    (busy,) = call.webhooks("call.hangup", "ann")
    assert call.requests("dial")[1]["at_ms"] >= busy["at_ms"]
    assert call.likeness("caller", ANSWER) >= FOUND
    is_never_silent(call, call.joined_at("bob"))


# Back


@pytest.mark.parametrize("name", [*TALKED, "no detection", "in turn"])
def test_when_the_person_hangs_up_the_assistant_is_back_with_the_history(calls: Calls, name: str) -> None:
    call = of(calls, name)
    who = "bob" if name == "in turn" else "ann"
    comes_back(call, call.at("party", party=who, event="hangs up"))
    back = call.sessions[-1]
    assert back.said[0] == BACK
    assert call.likeness("caller", GREETING) >= FOUND
    told = [part["text"] for item in back.items if item["type"] == "message" for part in item["content"]]
    assert told == [GREETING, ASKS, PARTING]
    assert "billing talked with the caller for" in back.output()


@pytest.mark.parametrize("name", ["cold", "silent once", "no detection", "warm", "key 1"])
def test_no_assistant_is_open_while_they_talk(calls: Calls, name: str) -> None:
    """The assistant leaves once it is sure that they talk: with machine detection, at its result."""
    call = of(calls, name)
    verdicts = [line["at_ms"] for line in call.webhooks("call.machine.detection.ended", "ann")]
    since = max([call.joined_at(), *verdicts]) + 300
    until = call.at("party", party="ann", event="hangs up")
    assert since < until
    assert not [one for one in call.sessions if one.opened < until and one.closed > since]
    streams = call.lines("stream", event="opened", party="caller")
    assert not [line for line in streams if since < line["at_ms"] < until]


# The caller hangs up


@pytest.mark.parametrize("name", ["gone while it rings", "gone while joined"])
def test_when_the_caller_hangs_up_nobody_is_left(calls: Calls, name: str) -> None:
    call = of(calls, name)
    gone = call.at("party", party="caller", event="hangs up")
    (ended,) = call.webhooks("call.hangup", "ann")
    assert ended["at_ms"] - gone <= GONE_MS
    assert len(call.sessions) == 1
    assert call.log[-1]["at_ms"] - gone <= NOTHING_LEFT_MS
    assert call.outcomes == ["talked" if name == "gone while joined" else "caller_left"]


def test_when_the_caller_hangs_up_who_is_briefed_is_told(calls: Calls) -> None:
    call = of(calls, "gone while briefing")
    gone = call.at("party", party="caller", event="hangs up")
    told = call.heard_at("ann", GONE, gone)
    (ended,) = call.webhooks("call.hangup", "ann")
    assert told + ms(GONE) <= ended["at_ms"]
    assert ended["at_ms"] - gone <= LEAVE_MS
    assert len(call.sessions) == 2
    assert call.log[-1]["at_ms"] - ended["at_ms"] <= NOTHING_LEFT_MS
    assert call.outcomes == ["caller_left"]


# Warm


@pytest.mark.parametrize("name", ["warm", "key 1", "declined", "key 2", "gone while briefing"])
def test_the_caller_hears_music_and_nothing_of_the_briefing(calls: Calls, name: str) -> None:
    call = of(calls, name)
    assert call.likeness("ann", BRIEFING) >= FOUND
    assert call.likeness("caller", BRIEFING) < ABSENT
    begins = call.heard_at("caller", PARTING) + ms(PARTING) + 400
    ends = min(
        line["at_ms"]
        for line in call.log
        if line["at_ms"] > begins
        and line.get("party") == "caller"
        and (line.get("event") in ("closed", "hangs up"))
    )
    if name in ("declined", "key 2"):
        ends = call.at_journal("EndHandover") - 20
    assert ends - begins > 2_000
    assert call.silences("caller", begins, ends) <= MUSIC_GAP_MS


def test_before_they_accept_the_person_hears_nothing_of_the_caller(calls: Calls) -> None:
    call = of(calls, "warm")
    joined = call.joined_at()
    assert said_at(call, "caller", ON_HOLD) + ms(ON_HOLD) < joined
    assert call.likeness("ann", ON_HOLD) < ABSENT
    before = [line for line in call.lines("hears", party="ann") if line["at_ms"] < joined - 50]
    assert not [line for line in before if line["whom"]]


def said_at(call: Handed, name: str, words: str) -> float:
    """When this party began to say this."""
    said = call.party(name)
    found = find_sound(said.said, spoken(words, said.rate_hz))
    assert found.likeness >= FOUND
    return found.at * 1000 / said.rate_hz


def test_on_hold_no_assistant_hears_the_caller(calls: Calls) -> None:
    """The one that has the call hears nothing, and the one that briefs hears the person alone."""
    call = of(calls, "warm")
    has_call, briefs, _ = call.sessions
    assert has_call.hears_between(has_call.opened, call.at("request", name="dial"))
    assert not has_call.hears_between(call.at("request", name="dial"), has_call.closed)
    said = said_at(call, "ann", YES)
    assert said_at(call, "caller", ON_HOLD) + ms(ON_HOLD) < said
    assert not briefs.hears_between(briefs.opened, said)
    assert briefs.hears_between(said, said + ms(YES) + 500)


@pytest.mark.parametrize("name", ["warm", "key 1", "declined", "key 2", "gone while briefing"])
def test_the_briefing_starts_soon_after_the_answer(calls: Calls, name: str) -> None:
    call = of(calls, name)
    answered = call.at("party", party="ann", event="answered")
    assert call.heard_at("ann", BRIEFING) - answered <= BRIEFING_MS


@pytest.mark.parametrize("name", ["warm", "key 1"])
def test_who_accepts_is_joined(calls: Calls, name: str) -> None:
    call = of(calls, name)
    accepted = call.at_journal("PersonAccepted")
    assert call.joined_at() - accepted <= JOIN_MS
    if name == "key 1":
        assert call.joined_at() - call.at("party", party="ann", event="pressed") <= JOIN_MS


# Nobody is there; the server stops


def test_the_caller_leaves_a_message(calls: Calls) -> None:
    call = of(calls, "message")
    assert call.outcomes == ["busy"]
    (taken,) = call.wrote("TakeMessage")
    (message,) = call.wrote("EndMessage")
    assert message["length_s"] > 0
    assert len(call.sessions) == 1
    assert call.sessions[0].closed < call.at("party", party="caller", event="hangs up") - 1_000
    recorded = find_sound(call.recording, spoken(ON_HOLD, 8_000))
    assert recorded.likeness >= FOUND
    assert not call.sessions[0].hears_between(call.at("request", name="dial"), call.sessions[0].closed)
    beep = call.at_journal("TakeMessage")
    heard = call.party("caller")
    per_ms = heard.rate_hz // 1000
    after = np.abs(heard.heard[int(beep) * per_ms : int(beep + 800) * per_ms].astype(np.int32))
    assert int((after > 1_000).sum()) > 200 * per_ms // 2, f"no beep behind {taken}"


def test_a_server_that_stops_leaves_the_two_alone(calls: Calls) -> None:
    call = of(calls, "server stops")
    assert call.joined_at() < call.stopped_at
    assert call.heard_at("caller", ANSWER) > call.at("server", event="stopped")
    assert not call.requests("hangup")
    gone = call.at("party", party="caller", event="hangs up")
    assert gone - call.joined_at() >= 4_900
    assert call.outcomes == ["talked"]


# Many side by side

MIXED = {
    "busy": SCENARIOS["busy"],
    "no_answer": SCENARIOS["no answer"],
    "refused": SCENARIOS["rejected"],
    "failed": SCENARIOS["4xx"],
    "declined": SCENARIOS["declined"],
    "talked": SCENARIOS["warm"],
    "talked too": SCENARIOS["cold"],
}
MANY = 28


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Handovers side by side, of all outcomes in turn."""
    kinds = [*MIXED]
    scenarios = {f"{nth} {kinds[nth % len(kinds)]}": MIXED[kinds[nth % len(kinds)]] for nth in range(MANY)}
    return carry_all(scenarios, tmp_path_factory.mktemp("many"), at_once=(MANY,))


def test_of_many_side_by_side_none_is_lost_or_silent_and_nobody_is_left_behind(many: Calls) -> None:
    for name in many:
        call, wanted = of(many, name), name.split()[1]
        assert call.outcomes == [wanted], name
        assert call.report.caller.ending is Ending.HUNG_UP
        if wanted == "talked":
            is_never_silent(call, call.joined_at())
            back = call.at("party", party="ann", event="hangs up")
            assert call.silences("caller", back, call.heard_at("caller", BACK, back) + 20) <= SILENT_MS
        else:
            is_never_silent(call, call.heard_at("caller", AGAIN))
