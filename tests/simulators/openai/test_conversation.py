"""One simulated session without a socket: what the client sends, what comes back, and when."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bridge.config.audio_file import read_wav
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer

    Dial = Callable[..., Peer]

SENTENCE = Path(__file__).parents[3] / "fixtures" / "sentence-en-us-male.wav"
SILENCE = b"\xff"
SECOND = 8000


def test_a_session_begins_with_openais_defaults(peer: "Dial") -> None:
    session = peer(pcmu=False).sent.one("session.created")["session"]
    assert session["type"] == "realtime"
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == 1_800_003_600
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


def test_an_update_changes_what_is_sent_and_answers_with_all(peer: "Dial") -> None:
    call = peer()
    sent = call.update(
        instructions="Be brief.", audio={"input": {"turn_detection": {"type": "semantic_vad"}}}
    )
    session = sent.one("session.updated")["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    session = call.update(audio={"input": {"turn_detection": None}}).one("session.updated")["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["instructions"] == "Be brief."


def test_the_events_of_a_turn(peer: "Dial") -> None:
    call = peer('heard = ["I have to cancel."]\n[[replies]]\nsay = "What a pity."')
    call.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert call.say_sentence().types() == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert call.wait(0.29).types()[:4] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
    ]
    assert call.wait(1.0).types()[-8:] == [
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert call.sent.words() == "What a pity."
    heard = call.sent.one("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "I have to cancel."
    started = call.sent.one("input_audio_buffer.speech_started")
    assert heard["item_id"] == started["item_id"]
    assert 0 <= started["audio_start_ms"] <= 300
    assert 3200 <= call.sent.one("input_audio_buffer.speech_stopped")["audio_end_ms"] <= 4000


@pytest.mark.parametrize(
    ("format", "second"), [("audio/pcmu", 8000), ("audio/pcma", 8000), ("audio/pcm", 48_000)]
)
def test_sends_audio_in_the_confirmed_format(peer: "Dial", format: str, second: int) -> None:
    call = peer("[[replies]]\nseconds = 1.5")
    call.update(audio={"output": {"format": {"type": format}}})
    call.say_sentence()
    assert len(call.wait(2.0).audio()) == second * 1.5


def test_takes_audio_of_24_khz(peer: "Dial") -> None:
    audio = resample(ulaw_decode(np.frombuffer(read_wav(SENTENCE), np.uint8)), 8000, 24_000).tobytes()
    call = peer(pcmu=False)
    for at in range(0, len(audio), 999):  # cuts samples in two
        call.append(audio[at : at + 999])
    assert call.sent.one("input_audio_buffer.speech_stopped")
    assert call.sent.one("response.created")


def test_deltas_are_uneven_faster_than_real_time_and_always_the_same(peer: "Dial") -> None:
    def deltas() -> list[str]:
        call = peer("speed = 4\nfirst_audio_s = 0\n[[replies]]\nseconds = 4")
        call.say_sentence()
        sent = call.wait(0.5)
        assert 1.6 < len(sent.audio()) / SECOND < 2.4, "half a second at four times real time"
        call.wait(0.5)
        assert len(call.sent.audio()) == 4 * SECOND
        return [event["delta"] for event in call.sent.all("response.output_audio.delta")]

    assert deltas() == deltas()
    sizes = {len(delta) for delta in deltas()}
    assert len(sizes) > 5
    assert any(size % 160 for size in sizes)


def test_a_barge_in_cancels_a_reply_after_some_leftover_deltas(peer: "Dial") -> None:
    call = peer("leftovers = 2\n[[replies]]\nseconds = 20")
    call.say_sentence()
    call.wait(1.0)
    heard = len(call.sent.audio())
    sent = call.say_sentence()
    assert sent.types()[:9] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert len(sent.all("response.output_audio.delta")) == 2
    done = sent.one("response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["output_token_details"]["audio_tokens"] == -(-(heard + len(sent.audio())) // 400)
    assert sent.types()[-1] == "response.created"


VAD = [
    ({}, True, True),
    ({"create_response": False}, True, False),
    ({"interrupt_response": False}, False, False),  # a second one cannot be made
    ({"create_response": False, "interrupt_response": False}, False, False),
]


@pytest.mark.parametrize(("settings", "interrupts", "answers"), VAD)
def test_the_vad_creates_and_interrupts_responses_as_set(
    peer: "Dial", settings: dict[str, bool], interrupts: bool, answers: bool
) -> None:
    call = peer("[[replies]]\nseconds = 30")
    call.type("Hello?")
    call.send("response.create")
    call.wait(1.0)
    call.update(audio={"input": {"turn_detection": {"type": "server_vad", **settings}}})
    sent = call.say_sentence()
    assert sent.one("input_audio_buffer.speech_started")
    assert sent.one("input_audio_buffer.committed")
    assert bool(sent.all("response.done")) is interrupts
    assert bool(sent.all("response.created")) is answers


def test_without_turn_detection_the_client_commits(peer: "Dial") -> None:
    call = peer()
    call.update(audio={"input": {"turn_detection": None}})
    assert call.say_sentence() == []
    assert call.send("input_audio_buffer.commit").types() == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert call.send("response.create").types() == ["response.created"]


def test_a_longer_silence_is_waited_for(peer: "Dial") -> None:
    call = peer()
    call.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 3000}}})
    assert call.say_sentence().types() == ["input_audio_buffer.speech_started"]
    assert call.append(SILENCE * 3 * SECOND).types()[0] == "input_audio_buffer.speech_stopped"


def test_the_buffer_is_cleared_and_an_empty_one_is_not_committed(peer: "Dial") -> None:
    call = peer()
    call.append(SILENCE * 720)
    error = call.send("input_audio_buffer.commit").one("error")["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "only has 90.00ms" in error["message"]
    call.append(SILENCE * 720)
    assert call.send("input_audio_buffer.clear").types() == ["input_audio_buffer.cleared"]
    assert "0.00ms" in call.send("input_audio_buffer.commit").one("error")["error"]["message"]


def speak(call: "Peer", ms: int) -> str:
    """Let it say so much, and name the item."""
    call.say_sentence()
    call.wait(10.0)
    assert len(call.sent.audio()) == ms * 8
    return str(call.sent.all("response.output_audio.delta")[0]["item_id"])


def test_a_reply_is_truncated_to_what_was_heard(peer: "Dial") -> None:
    call = peer("[[replies]]\nseconds = 3.7")
    item = speak(call, 3700)

    def truncate(end_ms: int) -> dict[str, Any]:
        (answer,) = call.send(
            "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end_ms
        )
        return answer

    assert truncate(3760)["error"]["message"] == "Audio content of 3700ms is already shorter than 3760ms"
    assert truncate(3700)["type"] == "conversation.item.truncated"
    assert truncate(1340)["audio_end_ms"] == 1340
    assert truncate(1341)["error"]["message"] == "Audio content of 1340ms is already shorter than 1341ms"
    kept = call.send("conversation.item.retrieve", item_id=item).one("conversation.item.retrieved")["item"]
    assert kept["content"][0]["transcript"] == ""


def test_an_item_without_audio_is_not_truncated(peer: "Dial") -> None:
    call = peer()
    typed = call.type("hello").one("conversation.item.added")["item"]["id"]
    for item, code in [
        (typed, "unsupported_content_type"),
        ("item_nowhere", "item_truncate_invalid_item_id"),
    ]:
        sent = call.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=10)
        assert sent.one("error")["error"]["code"] == code


def test_items_are_created_in_place_retrieved_and_deleted(peer: "Dial") -> None:
    call = peer()
    for name, after in [("b", None), ("a", "root"), ("c", "b"), ("between", "a")]:
        item = {
            "id": name,
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": name}],
        }
        sent = call.send(
            "conversation.item.create", item=item, **({"previous_item_id": after} if after else {})
        )
        assert sent.types() == ["conversation.item.added", "conversation.item.done"]
    assert call.simulator.items.names == ["a", "between", "b", "c"]
    assert sent.one("conversation.item.added")["previous_item_id"] == "a"
    assert call.send("conversation.item.delete", item_id="b").one("conversation.item.deleted")
    assert call.simulator.items.names == ["a", "between", "c"]


def test_tools_are_called_in_parallel_and_answered(peer: "Dial") -> None:
    call = peer(
        """
        [[replies]]
        say = "Let me check."
        calls = [{ name = "book", arguments = '{"day": "friday"}' }, { name = "price", arguments = '{"broken' }]

        [[replies]]
        on_output = "book"
        say = "It is done."
        """
    )
    call.say_sentence()
    sent = call.wait(3.0)
    done = {event["name"]: event for event in sent.all("response.function_call_arguments.done")}
    assert {name: event["arguments"] for name, event in done.items()} == {
        "book": '{"day": "friday"}',
        "price": '{"broken',
    }
    for name, event in done.items():
        deltas = sent.all("response.function_call_arguments.delta")
        pieces = [delta["delta"] for delta in deltas if delta["call_id"] == event["call_id"]]
        assert "".join(pieces) == event["arguments"], name
    output = sent.one("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    assert sent.words() == "Let me check."
    for event in done.values():
        answer = {"type": "function_call_output", "call_id": event["call_id"], "output": "done"}
        assert call.send("conversation.item.create", item=answer).one("conversation.item.added")
    call.send("response.create")
    assert call.wait(3.0).words() == "It is done."


def test_one_response_at_a_time_in_the_conversation_any_number_outside(peer: "Dial") -> None:
    call = peer("[[replies]]\nseconds = 20")
    call.type("Hello?")
    active = call.send("response.create").one("response.created")["response"]["id"]
    error = call.send("response.create", event_id="mine").one("error")["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert f"in progress: {active}." in error["message"]
    assert error["event_id"] == "mine"

    aside = {"conversation": "none", "instructions": "Say 'One moment.'", "metadata": {"kind": "filler"}}
    created = call.send("response.create", response=aside).one("response.created")["response"]
    assert created["metadata"] == {"kind": "filler"}
    assert created["conversation_id"] is None
    sent = call.wait(2.0)
    words = [event["delta"] for event in sent.all("response.output_audio_transcript.delta")]
    assert "One moment." in "".join(words).replace("Hello, how can I help you?", "")
    items = {event["item_id"] for event in sent.all("response.output_audio.delta")}
    assert len(items & set(call.simulator.items.names)) == 1, (
        "what is said beside is no part of the conversation"
    )


def test_a_barge_in_does_not_cancel_responses_outside_the_conversation(peer: "Dial") -> None:
    call = peer("[[replies]]\non_instructions = ''\nseconds = 5")
    call.send("response.create", response={"conversation": "none"})
    call.wait(0.5)
    assert not call.say_sentence().all("response.done")
    done = call.wait(5.0).all("response.done")
    assert [event["response"]["status"] for event in done] == ["completed", "completed"]


def test_cancelling(peer: "Dial") -> None:
    call = peer("leftovers = 0\n[[replies]]\nseconds = 20")
    error = call.send("response.cancel", event_id="c1").one("error")["error"]
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "c1")

    call.type("Hello?")
    for named in (False, True):
        response = call.send("response.create").one("response.created")["response"]["id"]
        call.wait(1.0)
        assert call.send("response.cancel", response_id="resp_other").one("error")
        sent = call.send("response.cancel", **({"response_id": response} if named else {}))
        done = sent.one("response.done")["response"]
        assert (done["id"], done["status_details"]["reason"]) == (response, "client_cancelled")
        assert sent.audio() == b""

    aside = call.send("response.create", response={"conversation": "none"}).one("response.created")
    assert call.send("response.cancel").one("error"), "without a name it is the conversation's"
    assert call.send("response.cancel", response_id=aside["response"]["id"]).one("response.done")


def test_text_instead_of_speech(peer: "Dial") -> None:
    call = peer('[[replies]]\nsay = "One two three."')
    call.update(output_modalities=["text"])
    call.say_sentence()
    sent = call.wait(2.0)
    assert sent.audio() == b""
    assert sent.one("response.output_text.done")["text"] == "One two three."
    assert sent.one("response.done")["response"]["usage"]["output_token_details"]["audio_tokens"] == 0


def test_usage_grows_with_the_conversation_and_is_partly_cached(peer: "Dial") -> None:
    call = peer("[[replies]]\nseconds = 2")
    usages = []
    for _ in range(2):
        call.say_sentence()
        usages.append(call.wait(3.0).one("response.done")["response"]["usage"])
    first, second = (usage["input_token_details"] for usage in usages)
    assert first["cached_tokens"] == 0
    assert 35 <= first["audio_tokens"] <= 45, "a sentence of four seconds"
    assert usages[0]["output_token_details"]["audio_tokens"] == 40
    assert second["audio_tokens"] >= 2 * first["audio_tokens"] + 40
    assert second["cached_tokens_details"]["audio_tokens"] == first["audio_tokens"]
    for usage in usages:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_an_expired_session_is_closed(peer: "Dial") -> None:
    call = peer()
    call.wait(3599.0)
    assert call.actions == []
    call.wait(2.0)
    assert call.actions == [(1001, "Your session hit the maximum duration of 60 minutes.")]
    assert call.simulator.deadline() is None
