"""The lines of a call at debug: rows of a word, and what the line shows of it."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.observers.word_log import WordLog
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant, PlayAudio
from bridge.vocabulary.events import (
    AssistantReportedError,
    CallerAudio,
    CallerSaid,
    CallStarted,
    DigitPressed,
    Event,
    Ignored,
    LegLost,
    LegName,
    ReplyAudio,
    TimePassed,
    ToolCalled,
)
from telecodecs.format import PCMU_8K

SID = "CA" + "0123456789abcdef" * 2
START = CallStarted(SID, "MZ1", PCMU_8K)


@pytest.fixture
def state() -> list[str]:
    """The call's state, in the last item."""
    return ["waiting"]


Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def told(state: list[str]) -> Told:
    observer = WordLog(lambda: state[-1])

    def tell(*words: Any, now: float = 0.0) -> list[dict[str, Any]]:
        with capture_logs() as lines:
            for word in words:
                observer.saw(word, now)
        assert all(line.pop("log_level") == "debug" for line in lines)
        return [dict(line) for line in lines]

    return tell


WORDS = [
    (LegLost(LegName.ASSISTANT, 1006, "broke"), {"event": "< LegLost", "leg": "assistant", "code": 1006, "reason": "broke"}),
    (Ignored("fancy"), {"event": "< Ignored", "kind": "fancy"}),
    (OpenAssistant(SID, PCMU_8K, assistant="front"), {"event": "> OpenAssistant", "assistant": "front", "opening": "first"}),
    (CallerSaid("i1", "my secret"), {"event": "< CallerSaid", "item": "i1"}),
    (DigitPressed("4"), {"event": "< DigitPressed"}),
    (ToolCalled("c1", "book", '{"to":1}'), {"event": "< ToolCalled", "tool": "book", "tool_call_id": "c1"}),
    (CloseAssistant(), {"event": "> CloseAssistant"}),
    (AssistantReportedError("bad"), {"event": "< AssistantReportedError", "why": "bad"}),
]  # fmt: skip


@pytest.mark.parametrize(("word", "line"), WORDS, ids=[type(word).__name__ for word, _ in WORDS])
def test_each_word_is_told_by_its_kind_and_without_what_somebody_said(
    word: Event, line: dict[str, object], told: Told
) -> None:
    told(START)
    assert told(word) == [{"call_id": SID} | line]


def test_frames_are_counted_for_a_second(told: Told) -> None:
    frames = [CallerAudio(b"", 0), PlayAudio(b""), CallerAudio(b"", 20), ReplyAudio("a", b"")]
    assert told(*frames, TimePassed()) == []
    assert told(now=1.0) == []
    assert told(TimePassed(), now=1.0) == [
        {"event": "= frames", "call_id": "", "CallerAudio": 2, "PlayAudio": 1, "ReplyAudio": 1}
    ]
    assert told(TimePassed(), now=3.0) == []


def test_a_change_of_the_state_is_told_with_the_next_word(told: Told, state: list[str]) -> None:
    assert [line["event"] for line in told(START)] == ["< CallStarted"]
    state.append("opening")
    assert told(TimePassed()) == [
        {"event": "= state", "call_id": SID, "before": "waiting", "state": "opening"}
    ]
