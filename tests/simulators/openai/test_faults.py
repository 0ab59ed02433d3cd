"""Every fault that a script can have, without a socket: what the client receives, and what it does not."""

from binascii import Error as NoBase64
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bridge.simulators.openai.event_writer import Close, StopReading

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer, Sent

    Dial = Callable[..., Peer]


def faulty(faults: str) -> str:
    """A script with a plain reply of four seconds, and another without faults behind it."""
    return f"[[replies]]\nseconds = 4\nfaults = {{ {faults} }}\n[[replies]]\nsay = 'All is well.'"


def first_turn(call: "Peer") -> "Sent":
    call.say_sentence()
    return call.wait(5.0)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
@pytest.mark.parametrize("after_ms", [0, 800, 3000])
def test_it_closes_in_mid_sentence(peer: "Dial", code: int, after_ms: int) -> None:
    call = peer(faulty(f"close = {code}, after_ms = {after_ms}"))
    sent = first_turn(call)
    assert call.actions == [Close(code, "scripted")]
    assert after_ms <= len(sent.audio()) / 8 < after_ms + 400
    assert not sent.all("response.done")
    assert call.type("still there?") == []


def test_it_closes_in_a_tool_call(peer: "Dial") -> None:
    call = peer(
        "[[replies]]\nsay = 'Well.'\ncalls = [{ name = 'book', arguments = '{\"a\": 1}' }, { name = 'x' }]\n"
        "faults = { close = 1011, after_ms = 5000 }"
    )
    sent = first_turn(call)
    assert call.actions == [Close(1011, "scripted")]
    assert sent.one("response.function_call_arguments.delta")["delta"] == '{"a"'
    assert not sent.all("response.function_call_arguments.done")


def test_it_closes_in_a_greeting_on_the_first_connection_only(peer: "Dial") -> None:
    script = "[[replies]]\non_instructions = ''\nfaults = { connections = 1, close = 1001, after_ms = 300 }"
    greet = {"instructions": "Greet the caller: 'Good morning, this is Example Dental.'"}
    call = peer(script)
    call.send("response.create", response=greet)
    assert "Good morning" in call.wait(5.0).words()
    assert call.actions == [Close(1001, "scripted")]

    again = peer(script, number=2)
    again.send("response.create", response=greet)
    assert again.wait(5.0).words() == "Good morning, this is Example Dental."
    assert again.actions == []


FAILURES = [
    ("server_error", "server_error"),
    ("inference_rate_limit_exceeded", "rate_limit_error"),
    ("insufficient_quota", "insufficient_quota"),
]


@pytest.mark.parametrize(("code", "family"), FAILURES)
@pytest.mark.parametrize("after_ms", [0, 1000])
def test_a_response_fails_and_the_next_one_does_not(
    peer: "Dial", code: str, family: str, after_ms: int
) -> None:
    call = peer(faulty(f"fail = '{code}', error = '{code}', after_ms = {after_ms}"))
    sent = first_turn(call)
    assert sent.one("error")["error"]["code"] == code
    response = sent.one("response.done")["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["code"] == code
    assert response["status_details"]["error"]["type"] == family
    assert after_ms <= len(sent.audio()) / 8 < after_ms + 400
    call.send("response.create")
    sent = call.wait(3.0)
    assert sent.one("response.done")["response"]["status"] == "completed"
    assert sent.words() == "All is well."


FAILING = """
[[replies]]
say = "All is well."
[[faults]]
fail = "rate_limit_exceeded"
fail_for_s = 2.0
fail_as = "{fail_as}"
message = "Try again in {{left_s}}s."
"""


def test_responses_fail_for_a_while_and_use_up_no_reply(peer: "Dial") -> None:
    call = peer(FAILING.format(fail_as="response"))
    response = call.say_sentence().one("response.done")["response"]
    assert response["status"] == "failed"
    error = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Try again in 2.000s."}
    assert {key: response["status_details"]["error"][key] for key in error} == error
    call.wait(1.0)
    call.send("response.create")
    assert call.wait(0.1).one("response.done")["response"]["status"] == "failed"
    call.wait(3.0)
    call.send("response.create")
    sent = call.wait(3.0)
    assert sent.one("response.done")["response"]["status"] == "completed"
    assert sent.words() == "All is well."


@pytest.mark.parametrize(("fail_as", "event_id"), [("error", "event_of_mine"), ("unnamed_error", None)])
def test_or_there_is_an_error_in_their_place(peer: "Dial", fail_as: str, event_id: str | None) -> None:
    call = peer(FAILING.format(fail_as=fail_as))
    sent = call.say_sentence()
    assert not sent.all("response.created")
    assert sent.one("error")["error"]["event_id"] is None, "nobody asked"
    sent = call.send("response.create", event_id="event_of_mine", response={"instructions": "Say something."})
    error = sent.one("error")["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert error["event_id"] == event_id


@pytest.mark.parametrize("call_id", ["call_1", ""])
def test_every_tool_call_has_the_same_call_id(peer: "Dial", call_id: str) -> None:
    call = peer(
        f"""
        [[replies]]
        calls = [{{ name = "book" }}]
        [[replies]]
        calls = [{{ name = "price" }}]
        [[replies]]
        on_output = "price"
        say = "It is ten."
        [[faults]]
        call_id = "{call_id}"
        """
    )
    made = first_turn(call).one("response.function_call_arguments.done")
    assert (made["name"], made["call_id"]) == ("book", call_id)
    call.send("response.create")
    made = call.wait(3.0).one("response.function_call_arguments.done")
    assert (made["name"], made["call_id"]) == ("price", call_id)
    item = {"type": "function_call_output", "call_id": call_id or made["item_id"], "output": "10"}
    call.send("conversation.item.create", item=item)
    call.send("response.create")
    assert call.wait(3.0).words() == "It is ten."


def test_a_response_is_incomplete(peer: "Dial") -> None:
    call = peer("[[replies]]\nsay = 'And then'\nincomplete = 'max_output_tokens'")
    response = first_turn(call).one("response.done")["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")


def test_a_delta_that_is_not_base64(peer: "Dial") -> None:
    sent = first_turn(peer(faulty("bad_delta = true")))
    with pytest.raises(NoBase64):
        sent.audio()
    deltas = [event for event in sent.all("response.output_audio.delta") if "%" not in event["delta"]]
    assert len(deltas) == len(sent.all("response.output_audio.delta")) - 1
    assert len(type(sent)(deltas).audio()) == 4 * 8000


def test_a_megabyte_in_a_burst_and_in_one_delta(peer: "Dial") -> None:
    for fault, deltas in [("burst = true", range(200, 600)), ("one_delta = true", range(1, 2))]:
        call = peer(f"first_audio_s = 0.1\n[[replies]]\nseconds = 98\nfaults = {{ {fault} }}")
        call.say_sentence()
        sent = call.wait(0.1).all("response.output_audio.delta")
        assert sum(len(event["delta"]) for event in sent) > 1_000_000
        assert len(sent) in deltas


def test_it_falls_silent_in_mid_sentence(peer: "Dial") -> None:
    call = peer(faulty("mute = true, after_ms = 1000"))
    sent = first_turn(call)
    assert 1000 <= len(sent.audio()) / 8 < 1400
    assert call.send("response.create") == []
    assert call.actions == []


def test_it_never_sends_anything(peer: "Dial") -> None:
    call = peer("[faults]\nsilent = true")
    call.say_sentence()
    assert call.wait(60.0) == []
    assert call.sent == []
    assert call.simulator.received[0].event["type"] == "session.update"


def test_it_never_confirms_the_settings(peer: "Dial") -> None:
    call = peer("[faults]\nmute_after_s = 0", pcmu=False)
    assert call.sent.types() == ["session.created"]
    assert call.update() == []


def test_it_confirms_another_format_and_uses_it(peer: "Dial") -> None:
    call = peer("[faults]\noutput_format = 'audio/pcm'\n[[replies]]\nseconds = 2")
    audio = call.sent.one("session.updated")["session"]["audio"]
    assert audio["input"]["format"] == {"type": "audio/pcmu"}
    assert audio["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert len(first_turn(call).audio()) == 2 * 48_000


def test_no_item_is_added(peer: "Dial") -> None:
    call = peer("[faults]\nitem_added = false")
    first_turn(call)
    assert not [event for event in call.sent if event["type"].startswith("conversation.item.")]
    assert call.sent.one("response.done")


def test_unknown_events(peer: "Dial") -> None:
    call = peer("[faults]\nunknown_every = 3", declared=False)
    first_turn(call)
    unknown = [event for event in call.sent if event["event_id"] == "event_unknown"]
    assert len(unknown) == len(call.sent) // 4
    assert len({event["type"] for event in unknown}) == 3


def test_it_expires_closes_and_stalls_at_its_times(peer: "Dial") -> None:
    call = peer("[faults]\nexpires_s = 30\nstall_s = 2\nstall_after_s = 5")
    assert call.sent.one("session.created")["session"]["expires_at"] == 1_800_000_030
    call.wait(4.9)
    assert call.actions == []
    call.wait(0.2)
    assert call.actions == [StopReading(2.0)]
    call.wait(25.0)
    assert [action.code for action in call.actions if isinstance(action, Close)] == [1001]

    call = peer("[faults]\nclose = 1006\nclose_after_s = 1.5")
    call.wait(1.6)
    assert call.actions == [Close(1006, "scripted")]


def test_the_beta_in_its_own_names_and_shapes(peer: "Dial") -> None:
    call = peer(
        "[faults]\nbeta = true\n[[replies]]\nsay = 'As it was once.'",
        pcmu=False,
        declared=False,
        asks_for_beta=True,
    )
    assert call.sent.one("session.created")["session"]["input_audio_format"] == "pcm16"
    flat = {
        "modalities": ["audio", "text"],
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "voice": "echo",
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
        "temperature": 0.7,
    }
    session = call.send("session.update", session=flat).one("session.updated")["session"]
    assert session["output_audio_format"] == "g711_ulaw"
    assert session["voice"] == "echo"
    assert session["turn_detection"]["silence_duration_ms"] == 400
    assert "audio" not in session
    sent = first_turn(call)
    assert len(sent.audio("response.audio.delta")) == 8 * 60 * len("As it was once.")
    assert sent.one("response.audio_transcript.done")["transcript"] == "As it was once."
    assert sent.one("response.content_part.done")["part"]["type"] == "audio"
    assert sent.one("response.done")["response"]["output"][0]["content"][0]["type"] == "audio"
    assert len(call.sent.all("conversation.item.created")) == 2
    assert not [
        name for name in call.sent.types() if "output_audio" in name or name == "conversation.item.added"
    ]


def test_the_beta_understands_the_shape_of_the_ga_too(peer: "Dial") -> None:
    call = peer("[faults]\nbeta = true", declared=False)
    session = call.sent.one("session.updated")["session"]
    assert (session["input_audio_format"], session["output_audio_format"]) == ("g711_ulaw", "g711_ulaw")


def test_a_client_of_the_beta_is_refused(peer: "Dial") -> None:
    call = peer(pcmu=False, asks_for_beta=True)
    assert call.sent.one("error")["error"]["code"] == "beta_api_shape_disabled"
    assert [action.code for action in call.actions if isinstance(action, Close)] == [4000]
