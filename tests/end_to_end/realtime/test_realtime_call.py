"""A conversation as it should be, and what the caller hears of it: greeting, turns, barge-in, tools, keys, goodbye."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.simulators.phone.handset import Ending

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call

WORD_MS = 700
NOTICED_MS = 500
"""From the caller's first sound to the server's speech_started, with the delays of a busy machine."""


def row(**fields: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def rows(**named: dict[str, Any]) -> pytest.MarkDecorator:
    """Calls with their names."""
    return pytest.mark.parametrize("call", list(named.values()), indirect=True, ids=list(named))


LONG = "Certainly, on which day would you like to come?"
CONVERSATION: dict[str, Any] = {
    "assistant": {
        "greeting": "Good morning.",
        "tools": {"book": {"function": "clinic:book"}, "note": {}, "hang_up": {}},
    },
    "script": {
        "heard": ("I need an appointment.", "Friday!", "That is all."),
        "replies": [
            {"say": LONG},
            {"calls": [{"name": "book", "arguments": '{"day": "Friday"}'}]},
            {"calls": [{"name": "note", "arguments": '{"text": "Friendly."}'}, {"name": "hang_up"}]},
            {"on_output": "book", "say": "It is booked."},
            {"on_text": "12", "say": "Thank you."},
            {"on_instructions": "Say goodbye", "say": "Goodbye, and thank you."},
        ],
    },
    "says": (1.5, 4.0, 8.0),
    "types": (("1", 6.6), ("2", 6.7), ("#", 6.8)),
}
conversation = pytest.mark.parametrize("call", [CONVERSATION], indirect=True, ids=[""])


@conversation
def test_the_caller_hears_each_turn_in_its_place(call: "Call") -> None:
    texts = ["Good morning.", "It is booked.", "Thank you.", "Goodbye, and thank you."]
    greeting, booked, thanks, goodbye = [call.hears_all(text) for text in texts]
    reply = call.hears(LONG)
    assert reply is not None
    assert greeting.from_ms < 1000
    assert call.is_quiet(greeting.until_ms + 20, 1500 + WORD_MS)
    assert 1500 + WORD_MS + 300 <= reply.from_ms <= 1500 + WORD_MS + 800
    assert 4000 + WORD_MS + 300 <= booked.from_ms <= 4000 + WORD_MS + 1000
    assert 6800 <= thanks.from_ms <= 7300
    assert goodbye.from_ms >= 8000 + WORD_MS + 300
    assert goodbye.until_ms <= call.ends_ms < goodbye.until_ms + 400


@conversation
def test_a_caller_who_interrupts_is_not_talked_over(call: "Call") -> None:
    (clear,) = call.report.clears
    reply = call.hears(LONG)
    assert reply is not None
    assert 4000 < clear.at_ms < 4000 + NOTICED_MS
    assert clear.dropped_ms > 500
    assert reply.played_ms == pytest.approx(clear.at_ms - reply.from_ms, abs=60 + call.report.latest_ms)
    assert call.is_quiet(clear.at_ms + 1, 4000 + WORD_MS)


@conversation
def test_the_assistant_learns_how_much_of_its_reply_was_heard(call: "Call") -> None:
    (truncate,) = call.sent("conversation.item.truncate")
    reply = call.hears(LONG)
    assert reply is not None
    assert truncate["audio_end_ms"] == pytest.approx(reply.played_ms, abs=60 + call.report.latest_ms)
    assert not call.sent("conversation.item.delete")
    assert not call.sent("response.cancel")


@conversation
def test_tools_and_keys_are_items_each_followed_by_one_response(call: "Call") -> None:
    assert call.items() == [
        "output: booked on Friday",
        "user: The caller typed on the keypad: 12",
        "output: noted",
        "output: the call ends now",
    ]
    created = [event.get("response", {}) for event in call.sent("response.create")]
    told = [response.get("instructions", "").rpartition("\n")[2] for response in created]
    assert told == [
        'Say exactly this and nothing else: "Good morning."',
        "",
        "",
        "Say goodbye in one short sentence.",
    ]


@conversation
def test_the_assistant_hangs_up_and_both_sockets_close_well(call: "Call") -> None:
    assert call.report.ending is Ending.SERVER_LEFT
    assert (call.report.close_code, call.report.close_reason) == (1000, "the assistant hung up")
    assert call.connections[0].closed == (1000, "")
    assert call.upgrades == [101]


@conversation
def test_the_server_gets_no_audio_until_the_greeting_was_heard(call: "Call") -> None:
    first, again = [event["session"]["audio"] for event in call.sent("session.update")]
    assert first["input"]["turn_detection"] is None
    assert first["output"]["format"] == {"type": "audio/pcmu"}
    assert again["input"]["turn_detection"]["type"] == "server_vad"
    lifted_ms = call.ms(call.connections[0].events("session.update")[1].at)
    assert call.hears_all("Good morning.").until_ms <= lifted_ms < 1500


@conversation
def test_the_journal_has_the_call_and_its_usage(call: "Call") -> None:
    told = call.history
    assert [(words.text, words.typed) for words in told.said] == [
        ("I need an appointment.", False),
        ("Friday!", False),
        ("12", True),
        ("That is all.", False),
    ]
    assert len(told.barge_ins) == 1
    assert [run.tool for run in told.tools] == ["book"]
    assert [note["text"] for note in call.wrote("NoteTaken")] == ["Friendly."]
    assert call.counts.items() >= {"turns": 4, "replies": 5, "tools": 1, "digits": 3, "barge_ins": 1}.items()
    assert call.sum["tokens"].keys() >= {"input_text", "output_audio", "transcription_input_audio"}
    for turn in call.sum["turns"]:
        assert turn["wait_ms"] == sum(turn[f"{part}_ms"] for part in ("pause", "reply", "send", "play"))
        assert 50 <= turn["reply_ms"] <= turn["wait_ms"] < 2500
    (over,) = [line for line in call.log if line["event"] == "= call over"]
    assert over["turns"] == 4
    assert over["tokens_output_audio"] == call.sum["tokens"]["output_audio"]


@conversation
def test_one_wait_has_one_number(call: "Call") -> None:
    """Three spoken turns, and an entry: for the phone that is no turn."""
    waits = [turn["wait_ms"] for turn in call.sum["turns"]]
    spoken = [waits[0], waits[1], waits[3]]
    assert call.report.turns_ms() == pytest.approx(spoken, abs=40)
    assert [wait.length_s * 1000 for wait in call.history.waits] == pytest.approx(waits, abs=0.5)
    (over,) = [line for line in call.log if line["event"] == "= call over"]
    assert (over["wait_ms_p50"], over["wait_ms_max"]) == (sorted(waits)[1], max(waits))


@conversation
def test_the_call_can_be_drawn(call: "Call", tmp_path: Path) -> None:
    timeline = pytest.importorskip("bridge.observers.timeline")
    picture = tmp_path / "call.png"
    timeline.draw(call.files["recording"], call.files["journal"], picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@row(says=(0.2,), assistant={"greeting": "Good morning, this is Example Dental."})
def test_a_guarded_greeting_is_not_interrupted(call: "Call") -> None:
    call.hears_all("Good morning, this is Example Dental.")
    assert not call.report.clears
    assert not call.wrote("SpeechStarted")


@row(
    says=(0.8,),
    assistant={"greeting": {"say": "Good morning, this is Example Dental.", "interruptible": True}},
    script={"replies": [{"say": "Yes?"}]},
)
def test_a_greeting_may_be_interruptible(call: "Call") -> None:
    (clear,) = call.report.clears
    assert 800 < clear.at_ms < 800 + NOTICED_MS
    assert call.hears_all("Yes?").from_ms > 1500


@row(
    types=(("7", 2.0), ("#", 2.1)),
    says=(0.9,),
    script={"replies": [{"say": LONG}, {"on_text": "7", "say": "Seven."}]},
)
def test_an_entry_from_the_keypad_interrupts(call: "Call") -> None:
    (clear,) = call.report.clears
    assert 2000 <= clear.at_ms < 2100
    (truncate,) = call.sent("conversation.item.truncate")
    reply = call.hears(LONG)
    assert reply is not None
    assert truncate["audio_end_ms"] == pytest.approx(reply.played_ms, abs=60 + call.report.latest_ms)
    assert call.hears_all("Seven.").from_ms < 2600
    assert call.counts["turns"] == 2


@rows(
    **{
        f"{ms} ms": {
            "line_ms": ms,
            "says": (0.9, 3.5),
            "script": {"replies": [{"say": LONG}, {"say": "Yes?"}]},
        }
        for ms in (50, 150)
    }
)
def test_on_a_slow_line_the_assistant_still_learns_what_was_heard(call: "Call") -> None:
    (truncate,) = call.sent("conversation.item.truncate")
    reply = call.hears(LONG)
    assert reply is not None
    assert truncate["audio_end_ms"] == pytest.approx(reply.played_ms, abs=60 + call.report.latest_ms)
    assert call.report.clears[0].dropped_ms > 100


@row(
    assistant={"tools": {"hang_up": {}}, "greeting": None},
    says=(0.3, 2.2),
    script={
        "replies": [
            {"say": "Goodbye then, and have a very nice day.", "calls": [{"name": "hang_up"}], "speed": 1.0},
            {"say": "Oh, of course."},
        ]
    },
)
def test_no_hang_up_while_the_caller_goes_on_speaking(call: "Call") -> None:
    assert call.report.ending is Ending.QUIET
    call.hears_all("Oh, of course.")


# Formats


SENTENCE = "Do you hear me well?"


@pytest.mark.parametrize(
    "call",
    [
        {
            "says": (0.9,),
            "script": {
                "faults": {"output_format": "audio/pcm", "input_format": "audio/pcm"},
                "replies": [{"say": SENTENCE}],
            },
        },
        {
            "says": (0.9,),
            "script": {"faults": {"output_format": "audio/pcm"}, "replies": [{"say": SENTENCE}]},
        },
        {
            "says": (0.9,),
            "script": {
                "faults": {"output_format": "audio/pcma", "input_format": "audio/pcma"},
                "replies": [{"say": SENTENCE}],
            },
        },
        {"says": (0.9,), "script": {"faults": {"input_format": "audio/pcm"}, "replies": [{"say": SENTENCE}]}},
    ],
    indirect=True,
    ids=["pcm", "pcm one way", "A-law", "pcm the other way"],
)
def test_a_server_that_confirms_another_format_is_heard_as_well(call: "Call") -> None:
    level, likeness = call.likeness(SENTENCE, from_ms=1500)
    assert abs(level) < 1
    assert likeness > 0.97
    assert call.is_quiet(1200, 900 + WORD_MS)


@row(session={"audio": {"output": {"format": {"type": "audio/opus"}}}})
def test_a_server_that_confirms_an_unsupported_format_is_refused(call: "Call") -> None:
    assert call.report.close_code == 1011
    assert call.report.close_reason == "the assistant was lost", "the carrier need not know more"
    assert call.upgrades == [101]
    assert call.is_quiet(0, call.ends_ms)
    assert "audio/opus" in call.readyz["assistants"]["receptionist"]


# Other ways to speak


@row(
    says=(0.9,),
    script={
        "faults": {"beta": True},
        "heard": ("Hello.",),
        "replies": [
            {"say": SENTENCE, "calls": [{"name": "book", "arguments": '{"day": "Friday"}'}]},
            {"on_output": "book", "say": "It is booked."},
        ],
    },
    assistant={"tools": {"book": {"function": "clinic:book"}}},
)
def test_a_server_that_speaks_the_beta_is_understood(call: "Call") -> None:
    call.hears_all("Hello.")
    call.hears_all(SENTENCE)
    call.hears_all("It is booked.")
    assert [words.text for words in call.history.said] == ["Hello."]


@row(
    says=(0.9,),
    assistant={"turn_detection": {"type": "none", "silence_duration_ms": 300}},
    script={"replies": [{"say": SENTENCE}]},
)
def test_turns_may_be_detected_by_the_bridge(call: "Call") -> None:
    assert call.hears_all(SENTENCE).from_ms < 900 + WORD_MS + 800
    assert len(call.sent("input_audio_buffer.commit")) == 1


@row(rings=True, assistant={"preconnect": True})
def test_connects_while_the_phone_rings(call: "Call") -> None:
    assert call.upgrades == [101]
    assert call.connections[0].opened_at < call.began
    assert call.hears_all("Hello.").from_ms < 1000


@row(
    says=(0.6,),
    plan={"hang_up_at_ms": 2300},
    script={"replies": [{"say": LONG, "speed": 1.0}]},
    assistant={"greeting": None},
)
def test_a_hang_up_cancels_the_reply(call: "Call") -> None:
    assert call.hears(LONG) is not None
    assert call.connections[0].closed == (1000, "")
    assert call.ms(call.gone_at[0]) == pytest.approx(2300, abs=100)
    assert len(call.sent("response.cancel")) == 1
