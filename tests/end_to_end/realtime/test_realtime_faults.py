"""Faults in a conversation that goes on: malformed events, failed responses, a slow network, bursts."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call


WORD_MS = 700
SORRY_WAV = "fixtures/pause.wav"
SORRY = "Sorry, could you repeat that?"
LONG = "Certainly, on which day would you like to come?"


def row(**fields: Any) -> pytest.MarkDecorator:
    """One call."""
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def rows(**named: dict[str, Any]) -> pytest.MarkDecorator:
    """Calls with their names."""
    return pytest.mark.parametrize("call", list(named.values()), indirect=True, ids=list(named))


@row(says=(0.9,), script={"faults": {"unknown_every": 2}, "replies": [{"say": LONG}]})
def test_unknown_events_are_counted_and_ignored(call: "Call") -> None:
    call.hears_all("Hello.")
    call.hears_all(LONG)
    assert call.counts["ignored"] > 5
    assert "assistant_errors" not in call.counts


@row(says=(0.9,), script={"replies": [{"say": LONG, "faults": {"bad_delta": True}}]})
def test_a_delta_that_is_not_base64_is_dropped(call: "Call") -> None:
    call.hears_all(LONG)
    assert call.counts["refused_from_assistant"] == 1


@row(
    says=(0.9,),
    plan={"linger_s": 2.0},
    script={
        "replies": [{"say": LONG, "faults": {"fail": "server_error", "after_ms": 0}}, {"say": "Here I am."}]
    },
)
def test_a_failed_response_is_asked_for_again(call: "Call") -> None:
    call.hears_all("Here I am.")
    assert call.upgrades == [101]
    assert call.counts["assistant_errors"] == 1
    assert call.counts["replies_delayed"] == 1


@row(
    says=(0.9,),
    script={
        "replies": [{"say": LONG, "faults": {"fail": "server_error", "after_ms": 700}}, {"say": "Here I am."}]
    },
)
def test_a_response_that_fails_in_mid_sentence_is_asked_for_again(call: "Call") -> None:
    cut = call.hears(LONG)
    assert cut is not None
    assert cut.share < 0.7
    assert call.hears_all("Here I am.").from_ms > cut.until_ms


WAIT = "Rate limit reached. Please try again in {left_s}s."


def limited(**faults: Any) -> dict[str, Any]:
    """A server that makes no response for 1.2 s, from the one that it is asked for first."""
    return {
        "plan": {"linger_s": 4.0},
        "script": {"faults": {"fail": "rate_limit_exceeded", "fail_for_s": 1.2} | faults},
    }


@rows(
    **{
        "the response says how long": limited(message=WAIT),
        "the response does not say how long": limited(),
        "an error names the request": limited(message=WAIT, fail_as="error"),
        "an error names nothing": limited(message=WAIT, fail_as="unnamed_error"),
    }
)
def test_a_rate_limit_that_lasts_a_moment_delays_the_greeting(call: "Call") -> None:
    call.hears_all("Hello.")
    assert call.upgrades == [101]
    assert call.counts["replies_delayed"] >= 1
    assert "assistants_lost" not in call.counts


@row(
    says=(0.9, 5.0),
    assistant={"retry_s": 0.3},
    script={"replies": [{"say": LONG, "faults": {"fail": "server_error", "after_ms": 0, "connections": 1}}]},
)
def test_a_response_that_fails_again_costs_the_assistant_its_slot(call: "Call") -> None:
    assert call.upgrades == [101, 101]
    call.hears_all(SORRY)
    call.hears_all(LONG)


@row(
    says=(0.9,),
    assistant={"fallback": {"play": SORRY_WAV}},
    script={"replies": [{"say": LONG, "faults": {"fail": "insufficient_quota", "after_ms": 0}}]},
)
def test_a_used_up_quota_is_final(call: "Call") -> None:
    assert call.upgrades == [101]
    assert call.hears_recording(SORRY_WAV)
    assert "quota" in call.readyz["assistants"]["receptionist"]
    assert call.report.close_code == 1011


RACE: dict[str, Any] = {
    "says": (2.0,),
    "types": (("5", 2.6), ("#", 2.75)),
    "word_ms": 300,
    "network_ms": 450,
    "plan": {"linger_s": 3.0},
    "assistant": {"greeting": None},
    "script": {"replies": [{"say": "Go on, please.", "speed": 1.0}, {"on_text": "5", "say": "Five."}]},
}
LATER = {"says": (4.0,), "types": (("5", 4.6), ("#", 4.75))}
PATIENT = {"type": "server_vad", "silence_duration_ms": 300, "interrupt_response": False}


@rows(
    **{
        "by a caller who interrupts": RACE,
        "by a caller who does not": RACE | {"assistant": {"greeting": None, "turn_detection": PATIENT}},
        "after a greeting": RACE | LATER | {"assistant": {"turn_detection": PATIENT}},
    }
)
def test_a_response_that_is_asked_for_while_one_is_active_comes_after_it(call: "Call") -> None:
    """On a slow network our request crosses with the server's own response to what the caller says meanwhile."""
    refused = "error: conversation_already_has_active_response"
    assert [ignored["kind"] for ignored in call.wrote("Ignored")].count(refused) == 1
    first = call.hears_all("Go on, please.")
    assert call.hears_all("Five.").from_ms > first.until_ms


@row(
    plan={"die_at_ms": 1500},
    says=(0.6,),
    script={"replies": [{"say": LONG, "speed": 1.0}]},
    assistant={"greeting": None},
)
def test_a_broken_carrier_connection_ends_the_call(call: "Call") -> None:
    assert call.connections[0].closed == (1000, "")
    assert call.ms(call.gone_at[0]) < 2500


# A reply in one burst


@rows(
    **{
        "many deltas": {
            "says": (0.9, 3.0),
            "script": {"replies": [{"seconds": 60, "faults": {"burst": True}}, {"say": "Yes?"}]},
        },
        "one delta": {
            "says": (0.9, 3.0),
            "script": {"replies": [{"seconds": 60, "faults": {"one_delta": True}}, {"say": "Yes?"}]},
        },
        "still coming in": {
            "says": (0.9, 3.0),
            "script": {"replies": [{"say": LONG, "speed": 1.0}, {"say": "Yes?"}]},
        },
    }
)
def test_a_caller_can_interrupt_however_the_reply_comes(call: "Call") -> None:
    (clear,) = call.report.clears
    assert 3000 < clear.at_ms < 3000 + 500
    (truncate,) = call.sent("conversation.item.truncate")
    assert truncate["audio_end_ms"] == pytest.approx(
        clear.at_ms - call.sounds_from(900 + WORD_MS), abs=60 + call.report.latest_ms
    )
    assert call.is_quiet(clear.at_ms + 1, 3000 + WORD_MS)
    call.hears_all("Yes?")
    assert "assistant_errors" not in call.counts


@row(says=(0.9,), script={"replies": [{"say": LONG, "faults": {"error": "server_hiccup"}}]})
def test_an_error_that_is_not_fatal_is_counted(call: "Call") -> None:
    call.hears_all(LONG)
    assert call.counts["assistant_errors"] == 1
    assert call.upgrades == [101]


@row(
    says=(0.9,),
    assistant={"fallback": "parrot"},
    script={"replies": [{"say": LONG, "faults": {"error": "insufficient_quota"}}]},
)
def test_a_fatal_error_in_mid_sentence_gives_the_call_to_the_next(call: "Call") -> None:
    reply = call.hears(LONG)
    assert reply is not None
    assert call.upgrades == [101]
    assert "quota" in call.readyz["assistants"]["receptionist"]
    assert [opened["assistant"] for opened in call.wrote("OpenAssistant")] == ["receptionist", "parrot"]
