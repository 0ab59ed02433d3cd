"""Turns over HTTP, told as conversations: what is posted, and what becomes of each kind of answer."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bridge.assistants.turn_based.dialect import MOST_AWAITED
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.commands import (
    AppendAudio,
    CloseAssistant,
    ConfirmHeard,
    EnterDigits,
    TruncateReply,
)
from bridge.vocabulary.contracts import PostDelayed
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    EntryEnd,
    Opening,
    ReplyDelayed,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
)
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_8K, PCMU_8K
from telecodecs.resample import resample
from telecodecs.wav import wav_decode

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, Open, Row

URL = "http://assistant.example.com/turn"


def error_report(why: str) -> AssistantReportedError:
    return AssistantReportedError(why)


def sounds(item: str, ms: int) -> list[Any]:
    return [f"sound {item} {ms}", ReplyEnded(item)]


# What is posted


@pytest.mark.parametrize(
    ("settings", "content_type"),
    [
        ({}, "audio/wav"),
        ({"rate_hz": 16_000}, "audio/wav"),
        ({"audio": "pcmu"}, "audio/PCMU;rate=8000"),
        ({"audio": "l16"}, "audio/L16;rate=8000;channels=1"),
        ({"audio": "l16", "rate_hz": 16_000}, "audio/L16;rate=16000;channels=1"),
    ],
    ids=str,
)
def test_an_utterance_is_posted_whole(
    opened: "Open", sentence: bytes, settings: dict[str, Any], content_type: str
) -> None:
    line = opened(**settings)
    spoke, _, paused = line.says(sentence)
    assert isinstance(spoke, SpeechStarted)
    assert (spoke.interrupts, paused) == (False, SpeechStopped("utterance-1", paused.at_ms))
    (posted,) = line.posts
    assert posted.headers["Content-Type"] == content_type
    assert posted.headers["X-Voicebridge-Call"] == "CA1"
    assert posted.headers["X-Voicebridge-Turn"] == "1"
    assert "audio/wav" in posted.headers["Accept"]
    hears = line.hears
    if content_type == "audio/wav":
        samples, rate_hz = wav_decode(posted.body)
        assert rate_hz == settings.get("rate_hz", 8_000)
    else:
        samples = decoder(hears)(posted.body)
    length_ms = len(samples) * 1000 / hears.rate_hz
    assert length_ms == pytest.approx(2960 + 400, abs=120), "the speech, and 200 ms around it"
    heard = resample(decoder(PCMU_8K)(sentence), 8_000, hears.rate_hz)
    start = round((spoke.at_ms or 0) - 200) * hears.rate_hz // 1000
    assert np.array_equal(samples, decoder(hears)(encoder(hears)(heard[start : start + len(samples)])))


def test_turn_by_turn(opened: "Open", sentence: bytes) -> None:
    line = opened()
    assert line.says(sentence)[1].startswith("post 1 audio/wav ")
    assert line.says(sentence) == [], "it is the assistant's turn"
    assert line.hear("reply 500") == sounds("reply-1", 500)
    assert line.says(sentence) == []
    assert line.tell(ConfirmHeard("reply-1")) == []
    assert line.says(sentence)[1].startswith("post 2 audio/wav ")
    assert line.hear("204") == []
    assert line.says(sentence)[1].startswith("post 3 audio/wav ")


def test_the_assistant_may_greet(dial: "Dial") -> None:
    line = dial(URL, greets=True)
    ready = AssistantReady(L16_8K, PCMU_8K, keys_interrupt=True)
    assert line.open() == ["post 0 audio/wav 0", ready]
    assert line.hear("reply 500") == sounds("reply-1", 500)
    assert line.tell(ConfirmHeard("reply-1")) == []
    later = dial(URL, greets=True)
    assert later.open(opening=Opening.RECOVERED) == [ready], "not in the middle of a call"


def test_each_post_says_who_calls(dial: "Dial", sentence: bytes) -> None:
    line = dial(URL, greets=True)
    facts = Facts("+15550199", "+15550100", caller_name="Ann", variables={"plan": "gold"})
    line.open(context=CallContext(facts))
    line.tell(EnterDigits("12"))
    expected = {
        "from": "+15550199",
        "to": "+15550100",
        "caller_name": "Ann",
        "variables": {"plan": "gold"},
    }
    assert [json.loads(post.headers["X-Voicebridge-Facts"]) for post in line.posts] == [expected] * 2
    unknown = dial(URL, greets=True)
    unknown.open()
    assert "X-Voicebridge-Facts" not in unknown.posts[0].headers


def entry(turn: int, digits: str, reason: str, terminator: str, sensitive: str = "false") -> str:
    return f'post {turn} {{"digits":"{digits}","reason":"{reason}","terminator":"{terminator}","sensitive":{sensitive}}}'


def test_entries_are_turns(opened: "Open") -> None:
    rows: list[Row] = [
        (1.0, EnterDigits("12", EntryEnd.TERMINATOR, "#"), [entry(1, "12", "terminator", "#")]),
        (1.1, AppendAudio(b"\0" * 320), []),
        (1.5, "reply 500", sounds("reply-1", 500)),
        (1.6, EnterDigits("4711", placeholder="entry-2"), [entry(2, "4711", "quiet", "", "true")]),
        (2.1, ConfirmHeard("reply-1"), []),
        (2.5, "reply 500", sounds("reply-2", 500)),
        (3.1, ConfirmHeard("reply-2"), []),
        (4.0, EnterDigits("9", EntryEnd.HANGUP), [entry(3, "9", "hangup", "")]),
        (4.0, CloseAssistant(), []),
        (4.1, "reply 500", []),
    ]
    opened().play(rows)


def test_an_entry_is_posted_behind_what_was_said_before_it(opened: "Open", sentence: bytes) -> None:
    line = opened()
    line.says(sentence[: 1500 * 8])
    first, paused, second = line.tell(EnterDigits("12"))
    assert str(first).startswith("post 1 audio/wav 1")
    assert second == entry(2, "12", "quiet", "")
    assert paused == SpeechStopped("utterance-1")
    assert line.hear("reply 500") == sounds("reply-1", 500)
    assert line.tell(ConfirmHeard("reply-1")) == []
    assert line.says(sentence) == [], "one answer is still to come"
    assert line.hear("204") == []
    assert len(line.says(sentence)) == 3


def test_who_types_on_and_on_is_told_of(opened: "Open") -> None:
    line = opened()
    for number in range(MOST_AWAITED):
        assert line.tell(EnterDigits("1")) == [entry(number + 1, "1", "quiet", "")]
    assert line.tell(EnterDigits("1")) == [error_report("an entry was dropped: 8 posts have no answer yet")]


def test_a_long_utterance_is_posted_at_its_length(opened: "Open", sentence: bytes) -> None:
    line = opened(longest_utterance_s=2)
    spoke, _, paused = line.says(sentence)
    assert spoke.at_ms + 2000 == pytest.approx(paused.at_ms, abs=20)


def test_barge_in_drops_what_is_on_its_way(opened: "Open", sentence: bytes) -> None:
    line = opened(barge_in={})
    line.says(sentence)
    spoke, post, _ = line.says(sentence), line.posts[-1], None
    assert [type(one) for one in spoke] == [SpeechStarted, str, SpeechStopped]
    assert spoke[0].interrupts
    assert post.headers["X-Voicebridge-Turn"] == "2"
    samples, _ = wav_decode(post.body)
    assert len(samples) / 8 == pytest.approx(2960 + 400, abs=120)
    assert line.hear("reply 500") == [], "the answer to an earlier utterance"
    assert line.hear("reply 700") == sounds("reply-1", 700)
    (spoke,) = line.says(sentence[: 1500 * 8])
    assert line.tell(TruncateReply("reply-1", 100)) == []
    assert [type(one) for one in line.says(sentence[1500 * 8 :])] == [str, SpeechStopped]
    assert len(wav_decode(line.posts[-1].body)[0]) / 8 == pytest.approx(2960 + 400, abs=120)


def test_a_post_that_is_sent_again_delays_its_reply(opened: "Open", sentence: bytes) -> None:
    line = opened()
    assert line.hear(PostDelayed(0.25)) == [], "nobody waits for a reply"
    line.says(sentence)
    assert line.hear(PostDelayed(0.25)) == [ReplyDelayed(0.25)]
    assert line.hear(PostDelayed(0.5)) == [ReplyDelayed(0.5)]
    assert line.hear("reply 500") == sounds("reply-1", 500)
