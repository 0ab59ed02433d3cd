"""Faults before the assistant has the call: it refuses the connection, or is never ready."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.simulators.phone.handset import Ending

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call


SORRY_WAV = "fixtures/pause.wav"


def row(**fields: Any) -> pytest.MarkDecorator:
    """One call."""
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def rows(**named: dict[str, Any]) -> pytest.MarkDecorator:
    """Calls with their names."""
    return pytest.mark.parametrize("call", list(named.values()), indirect=True, ids=list(named))


FOR_GOOD = {"401": 401, "403": 403, "404": 404}


@rows(**{name: {"script": {"faults": {"refuse": status}}} for name, status in FOR_GOOD.items()})
def test_a_final_refusal_is_not_tried_again_and_the_call_ends(call: "Call") -> None:
    (status,) = call.upgrades
    assert call.report.ending is Ending.SERVER_LEFT
    assert call.report.close_code == 1011
    assert call.ends_ms < 1000
    assert call.readyz["status"] == "degraded"
    assert f"HTTP {status.value}" in call.readyz["assistants"]["receptionist"]
    (lost,) = [line for line in call.log if line["event"] == "< assistant lost"]
    assert f"HTTP {status.value}" in lost["why"]
    assert lost["final"]


@row(script={"faults": {"refuse": 401}}, assistant={"fallback": "parrot"}, says=(0.6,))
def test_another_assistant_takes_the_call(call: "Call") -> None:
    assert call.upgrades == [401]
    assert call.report.ending is Ending.QUIET
    assert not call.is_quiet(1500, call.ends_ms)
    assert [opened["assistant"] for opened in call.wrote("OpenAssistant")] == ["receptionist", "parrot"]


@row(script={"faults": {"refuse": 429}}, assistant={"fallback": {"play": SORRY_WAV}}, limits={"retry_s": 1.0})
def test_a_refusal_that_may_pass_is_tried_again_for_a_while_then_a_sentence_is_played(call: "Call") -> None:
    assert set(call.upgrades) == {429}
    assert len(call.upgrades) in (3, 4, 5), "pauses of 0.25 and 0.5 s, or a quarter less or more"
    tries = [line for line in call.log if line["event"] == "= assistant will be tried again"]
    assert len(tries) == len(call.upgrades) - 1 == call.counts["assistant_retries"]
    assert all("HTTP 429" in line["why"] and line["in_s"] > 0 for line in tries)
    assert len(call.wrote("RetryAssistant")) == len(tries)
    assert call.hears_recording(SORRY_WAV)
    assert call.report.close_code == 1011
    assert "assistants" not in call.readyz


@rows(**{f"{status}": {"script": {"faults": {"refuse": status, "connections": 1}}} for status in (429, 503)})
def test_a_refusal_that_passes_is_not_noticed(call: "Call") -> None:
    assert len(call.upgrades) == 2
    assert call.upgrades[1] == 101
    assert call.hears_all("Hello.").from_ms < 1000
    assert call.report.ending is Ending.QUIET


# It does not answer


@rows(
    **{
        "says nothing": {
            "script": {"faults": {"silent": True}},
            "limits": {"open_s": 1.5, "retry_s": 3.0},
            "plan": {"linger_s": 4.0},
        },
        "never confirms": {
            "script": {"faults": {"mute_after_s": 0}},
            "limits": {"open_s": 1.5, "retry_s": 3.0},
            "plan": {"linger_s": 4.0},
        },
    }
)
def test_a_server_that_is_never_ready_is_given_up_at_the_end_of_the_bound(call: "Call") -> None:
    assert call.upgrades == [101, 101]
    assert call.report.close_code == 1011
    assert 3000 <= call.ends_ms < 4000


@rows(
    **{
        "says nothing": {
            "script": {"faults": {"silent": True, "connections": 1}},
            "limits": {"open_s": 1.5},
            "plan": {"linger_s": 4.0},
        },
        "never confirms": {
            "script": {"faults": {"mute_after_s": 0, "connections": 1}},
            "limits": {"open_s": 1.5},
            "plan": {"linger_s": 4.0},
        },
    }
)
def test_a_server_that_is_ready_the_second_time_has_the_call(call: "Call") -> None:
    assert 1500 <= call.hears_all("Hello.").from_ms < 2500
    assert call.connections[0].closed == (1000, "")


@row(assistant={"session": {"temperature": 0.8}, "fallback": {"play": SORRY_WAV}})
def test_settings_that_are_refused_are_not_tried_again(call: "Call") -> None:
    assert call.upgrades == [101]
    assert call.hears_recording(SORRY_WAV)
    assert "temperature" in call.readyz["assistants"]["receptionist"]


@row(
    says=(2.0,),
    types=(("7", 0.2), ("#", 0.3)),
    limits={"open_s": 1.0},
    assistant={"greeting": None},
    script={"faults": {"silent": True, "connections": 1}, "replies": [{"on_text": "7", "say": "Seven."}]},
)
def test_keys_typed_meanwhile_are_not_lost(call: "Call") -> None:
    assert call.items(2) == ["user: The caller typed on the keypad: 7"]
    assert call.hears_all("Seven.").from_ms < 2500


@row(
    types=(("7", 0.9), ("#", 1.0)),
    script={"faults": {"item_added": False}, "replies": [{"on_text": "7", "say": "Seven."}]},
)
def test_a_server_that_acknowledges_no_items_answers_all_the_same(call: "Call") -> None:
    assert call.hears_all("Seven.").from_ms < 1500
    assert len(call.sent("response.create")) == 2
