"""What the bridge hears of the caller by itself: ends of utterances, and barge-in, with real speech."""

from base64 import b64decode
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from bridge.settings.assistants import UPGRADED
from bridge.vocabulary.commands import AppendAudio, ConfirmHeard, DropReply, OpenAssistant, TruncateReply
from bridge.vocabulary.events import (
    AssistantReady,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, TurnBasedLine

BEGIN_MS, END_MS, LENGTH_MS = 300, 3260, 4260
"""Of the sentence."""
SLACK_MS = 120
QUIET = b"\xff" * 8
"""A millisecond of it."""


def opened(dial: "Dial", **settings: Any) -> "TurnBasedLine":
    line = dial(**settings)
    ready, restart = line.open()
    assert restart == "restart"
    assert isinstance(ready, AssistantReady)
    return line


def near(event: object, at_ms: int) -> bool:
    assert isinstance(event, SpeechStarted | SpeechStopped)
    assert event.at_ms is not None
    return abs(event.at_ms - at_ms) <= SLACK_MS


def ms(shown: object) -> int:
    assert isinstance(shown, str)
    return int(shown)


def replied(line: "TurnBasedLine", length_ms: int = 3000, item: str = "reply-1") -> None:
    assert line.hear(f"reply {length_ms}") == [f"sound {item} {length_ms}", ReplyEnded(item)]


@pytest.mark.parametrize("endpointing", ["local", "either"])
def test_the_bridge_finds_the_end(dial: "Dial", sentence: bytes, endpointing: str) -> None:
    line = opened(dial, endpointing=endpointing, silence_ms=500)
    before, spoke, rest, paused = line.listen(sentence)
    assert (spoke, paused) == (
        SpeechStarted(interrupts=False, at_ms=spoke.at_ms),
        SpeechStopped("", paused.at_ms),
    )
    assert near(spoke, BEGIN_MS)
    assert near(paused, END_MS)
    assert ms(before) + ms(rest) == pytest.approx(END_MS + 500, abs=SLACK_MS)
    assert line.hear("end") == [], "it is over already"
    replied(line)
    assert line.listen(sentence[: 1000 * 8]) == []


def test_silence_is_no_utterance_however_long(dial: "Dial") -> None:
    line = opened(dial, endpointing="local", longest_utterance_s=2)
    assert line.listen(QUIET * 6000) == ["6000"]


def test_who_is_first_ends_it(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, endpointing="either")
    assert [type(one) for one in line.listen(sentence[: 2000 * 8])] == [str, SpeechStarted, str]
    assert line.hear("end") == [SpeechStopped()]
    assert line.listen(sentence[2000 * 8 :]) == [], "its end is heard, and nothing new"


def test_an_assistant_that_is_not_asked_ends_nothing(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, endpointing="local")
    line.listen(sentence[: 1000 * 8])
    assert line.hear("end") == []
    assert line.listen(QUIET * 20) == ["20"]


def test_the_end_is_announced_to_who_wants_it(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, endpointing="either", announces_end=True)
    assert [type(one) for one in line.listen(sentence)][-2:] == [str, SpeechStopped]
    line = opened(dial, endpointing="either", announces_end=True)
    *_, end, _ = line.listen(sentence)
    assert end == "end"
    line = opened(dial, endpointing="either", announces_end=True)
    assert line.hear("end") == [SpeechStopped()], "the assistant said it itself"


def test_who_never_stops_is_stopped(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, endpointing="local", longest_utterance_s=2)
    _, _, rest, paused = line.listen(sentence)
    assert ms(rest) == pytest.approx(2000 - 100, abs=SLACK_MS)
    assert near(paused, BEGIN_MS + 2000)


def test_a_turn_may_begin_in_the_middle_of_speech(dial: "Dial", sentence: bytes) -> None:
    """Without barge-in what was said over the reply is lost; the rest is an utterance, with its end."""
    line = opened(dial, endpointing="local")
    replied(line)
    assert line.listen(sentence[: 2000 * 8]) == []
    assert line.tell(ConfirmHeard("reply-1")) == ["restart", SpeechStarted(interrupts=False, at_ms=2000)]
    _, paused = line.listen(sentence[2000 * 8 :])
    assert near(paused, END_MS)


def test_a_reply_over_the_callers_words_takes_the_turn(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, endpointing="either")
    line.listen(sentence[: 1000 * 8])
    assert line.hear("reply 500") == [SpeechStopped(), "sound reply-1 500", ReplyEnded("reply-1")]


# Barge-in


@pytest.mark.parametrize("endpointing", ["remote", "local", "either"])
def test_the_caller_takes_the_turn_back(dial: "Dial", sentence: bytes, endpointing: str) -> None:
    line = opened(dial, endpointing=endpointing, barge_in={})
    replied(line)
    assert line.listen(QUIET * 1000) == []
    (spoke,) = line.listen(sentence[: 600 * 8])
    assert spoke == SpeechStarted(interrupts=True, at_ms=spoke.at_ms)
    assert near(spoke, 1000 + BEGIN_MS)
    restart, lead = shortened(line.tell(TruncateReply("reply-1", 1500)))
    assert restart == "restart"
    assert ms(lead) == pytest.approx(600 - BEGIN_MS + 200, abs=SLACK_MS), "from 200 ms before the speech"
    rest = line.listen(sentence[600 * 8 :])
    if endpointing == "remote":
        assert len(rest) == 1
        assert line.hear("end") == [SpeechStopped()]
    else:
        assert near(rest[1], 1000 + END_MS)
    replied(line, 500, "reply-2")


def shortened(outcome: list[Any]) -> list[Any]:
    told, *frames = outcome
    return [told, str(sum(map(int, frames)))]


def test_the_beginning_goes_up_as_it_was_said(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={})
    replied(line)
    line.listen(sentence[: 800 * 8])
    restart, *frames = line.dialect.encode(TruncateReply("reply-1", 700), line.now)
    assert restart == "RESTART_COMMUNICATION"
    assert all(len(b64decode(str(frame))) == 160 for frame in frames)
    lead = b"".join(b64decode(str(frame)) for frame in frames)
    assert sentence[: 800 * 8].endswith(lead)


def test_who_coughs_is_not_listened_to(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={"confirm_ms": 400})
    replied(line)
    line.listen(QUIET * 500)
    cough = sentence[(BEGIN_MS + 50) * 8 : (BEGIN_MS + 250) * 8]
    assert line.listen(cough + QUIET * 1500) == [SpeechSuspected(), SpeechDismissed()]
    assert line.pass_to(3.4 + 5.0 - 0.4) == [], "the reply stood still meanwhile, and has more time"
    assert line.tell(ConfirmHeard("reply-1")) == ["restart"]


def test_who_goes_on_is(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={"confirm_ms": 400}, endpointing="local")
    replied(line)
    suspected, spoke = line.listen(sentence[: 1500 * 8])
    assert suspected == SpeechSuspected()
    assert isinstance(spoke, SpeechStarted)
    assert spoke.interrupts
    assert line.tell(DropReply("reply-1"))[0] == "restart"


def test_an_answer_may_be_as_short_as_a_cough(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={"confirm_ms": 800}, endpointing="local")
    yes = sentence[(BEGIN_MS + 50) * 8 : (BEGIN_MS + 350) * 8]
    assert [type(one) for one in line.listen(QUIET * 500 + yes + QUIET * 1500)] == [
        str,
        SpeechStarted,
        str,
        SpeechStopped,
    ]


def test_who_goes_on_while_waiting_is_heard_and_the_old_reply_is_not(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={})
    line.listen(QUIET * 100)
    assert line.hear("end") == [SpeechStopped()]
    outcome = line.listen(sentence[: 1000 * 8])
    assert "restart" in outcome
    assert any(isinstance(one, SpeechStarted) and one.interrupts for one in outcome)
    assert line.hear("reply 500") == [], "it crossed the restart"
    assert line.hear("end") == [SpeechStopped()]
    replied(line, 700)


def test_after_the_restart_a_reply_is_a_new_one(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={})
    line.hear("end")
    line.listen(sentence[: 1000 * 8])
    assert line.hear("end") == [SpeechStopped()], "and no reply crossed it"
    replied(line, 700)


def test_nor_is_a_reply_lost_that_did_not_cross_the_restart(dial: "Dial", sentence: bytes) -> None:
    """An assistant that hears no ends says nothing between a restart and its reply."""
    line = opened(dial, barge_in={}, endpointing="local")
    assert line.listen(sentence)[-1] == SpeechStopped(at_ms=3260)
    assert "restart" in line.listen(sentence[: 1000 * 8])
    assert isinstance(line.listen(QUIET * 2000)[-1], SpeechStopped)
    replied(line, 700)


def test_who_suspected_is_told_of_though_the_reply_is_over(dial: "Dial", sentence: bytes) -> None:
    line = opened(dial, barge_in={"confirm_ms": 400}, endpointing="local")
    replied(line)
    assert line.listen(sentence[: 600 * 8]) == [SpeechSuspected()]
    assert line.tell(ConfirmHeard("reply-1"))[0] == "restart"
    told = [one for one in line.listen(sentence[600 * 8 : 1500 * 8]) if not isinstance(one, str)]
    assert [(type(one), one.interrupts) for one in told] == [(SpeechStarted, True)], (
        "the reply is held until then"
    )


# Any cut


@pytest.mark.parametrize("size", [8, 80, 240, 1600, 4_000])
def test_pieces_of_any_size_say_the_same(dial: "Dial", sentence: bytes, size: int) -> None:
    def told(size: int) -> list[Any]:
        dialect = dial(endpointing="local", barge_in={}).dialect
        dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
        told = [*dialect.decode(UPGRADED, 0.0)]
        for begin, end in pairwise([*range(0, len(sentence), size), len(sentence)]):
            dialect.encode(AppendAudio(sentence[begin:end]), 0.0)
        return [*told, *dialect.due(0.0)]

    assert told(size) == told(160)
