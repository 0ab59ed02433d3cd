"""Turns over a WebSocket, told as conversations: when, what came, what we do."""

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.modes import MOVES, Mode
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.turns import Turns
from bridge.settings.assistants import UPGRADED
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    Ignored,
    MessageRefused,
    ReplyAudio,
    ReplyEnded,
    SpeechStopped,
    Word,
)
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, Row

FRAME = AppendAudio(b"\x7f" * 160)
READY = AssistantReady(PCMU_8K, PCMU_8K)
OPENED: "list[Row]" = [(0.0, OpenAssistant("CA1", PCMU_8K), [READY, "restart"])]
ASKED: "list[Row]" = [
    *OPENED,
    (1.0, FRAME, ["20"]),
    (2.0, "end", [SpeechStopped()]),
]


def sounds(item: str, ms: int) -> list[Any]:
    return [f"sound {item} {ms}", ReplyEnded(item)]


def error_report(why: str) -> AssistantReportedError:
    return AssistantReportedError(why)


PUZZLED = "it sent an unknown frame ({}): expected SINGLE_UTTERANCE_END, or _MULAW and base64"
NO_MARK = "no mark came back for {}: it counts as heard"

SCENES: "dict[str, list[Row]]" = {
    "the normal sequence, twice": [
        *ASKED,
        (2.02, FRAME, []),
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.1, FRAME, []),
        (3.6, ConfirmHeard("reply-1"), ["restart"]),
        (3.62, FRAME, ["20"]),
        (4.0, "end", [SpeechStopped()]),
        (4.5, "reply 200", sounds("reply-2", 200)),
        (4.8, ConfirmHeard("reply-2"), ["restart"]),
        (4.82, FRAME, ["20"]),
    ],
    "a second end says nothing new": [*ASKED, (2.1, "end", []), (2.2, FRAME, [])],
    "an end while the reply is played neither": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.1, "end", []),
        (3.6, ConfirmHeard("reply-1"), ["restart"]),
    ],
    "two replies: the turn begins when both were heard": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.1, "reply 500", sounds("reply-2", 500)),
        (3.6, ConfirmHeard("reply-1"), []),
        (3.7, FRAME, []),
        (4.1, ConfirmHeard("reply-2"), ["restart"]),
    ],
    "a greeting takes the turn": [
        *OPENED,
        (0.1, "reply 500", sounds("reply-1", 500)),
        (0.2, FRAME, []),
        (0.7, ConfirmHeard("reply-1"), ["restart"]),
        (0.72, FRAME, ["20"]),
    ],
    "an empty reply gives the turn back": [*ASKED, (3.0, "_MULAW", ["restart"]), (3.1, FRAME, ["20"])],
    "an empty reply behind one that is played waits with it": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.1, "_MULAW", []),
        (3.6, ConfirmHeard("reply-1"), ["restart"]),
    ],
    "an empty reply in the caller's turn has it begin anew": [*OPENED, (1.0, "_MULAW", ["restart"])],
    "no reply": [
        *ASKED,
        (22.0, None, [error_report("no reply came within 20 s"), "restart"]),
        (22.1, FRAME, ["20"]),
    ],
    "a reply that comes late all the same is played": [
        *ASKED,
        (22.0, None, [error_report("no reply came within 20 s"), "restart"]),
        (23.0, "reply 500", sounds("reply-1", 500)),
        (23.6, ConfirmHeard("reply-1"), ["restart"]),
    ],
    "no mark": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (8.4, None, []),
        (8.5, None, [error_report(NO_MARK.format("reply-1")), "restart"]),
        (8.6, ConfirmHeard("reply-1"), []),
    ],
    "no mark for two: each has its own time": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.0, "reply 2000", sounds("reply-2", 2000)),
        (8.5, None, [error_report(NO_MARK.format("reply-1"))]),
        (10.5, None, [error_report(NO_MARK.format("reply-2")), "restart"]),
    ],
    "no end": [
        *OPENED,
        (59.0, FRAME, ["20"]),
        (60.0, None, [error_report("no SINGLE_UTTERANCE_END came within 60 s"), SpeechStopped()]),
        (60.1, FRAME, []),
        (61.0, "reply 500", sounds("reply-1", 500)),
    ],
    "nothing at all, for minutes": [
        *OPENED,
        (60.0, None, [error_report("no SINGLE_UTTERANCE_END came within 60 s"), SpeechStopped()]),
        (80.0, None, [error_report("no reply came within 20 s"), "restart"]),
        (140.0, None, [error_report("no SINGLE_UTTERANCE_END came within 60 s"), SpeechStopped()]),
        (160.0, None, [error_report("no reply came within 20 s"), "restart"]),
    ],
    "an unknown frame is reported once": [
        *ASKED,
        (2.1, "HELLO_THERE", [Ignored("HELLO_THERE"), error_report(PUZZLED.format("HELLO_THERE"))]),
        (2.2, "_WAVaaaa", [Ignored("8 characters")]),
        (2.3, '{"audio":"AAAA"}', [Ignored("16 characters")]),
        (2.4, "", [Ignored("0 characters")]),
        (2.5, b"\x00\x01", [Ignored("binary")]),
        (2.6, "SINGLE_UTTERANCE_END\n", [Ignored("21 characters")]),
        (2.7, " _MULAW//8=", [Ignored("11 characters")]),
        (3.0, "reply 500", sounds("reply-1", 500)),
    ],
    "another's items are none of ours": [
        *OPENED,
        (1.0, ConfirmHeard("sentence"), []),
        (1.0, TruncateReply("reply-1", 10), []),
        (1.0, DropReply("reply-7"), []),
        (1.0, AnswerTool("entry-1", "ok"), []),
    ],
    "what was cut is over, too": [
        *ASKED,
        (3.0, "reply 500", sounds("reply-1", 500)),
        (3.1, "reply 500", sounds("reply-2", 500)),
        (3.2, TruncateReply("reply-1", 200), []),
        (3.2, DropReply("reply-2"), ["restart"]),
    ],
    "what was cut takes no time of the next": [
        *ASKED,
        (3.0, "reply 60000", sounds("reply-1", 60000)),
        (3.5, TruncateReply("reply-1", 400), ["restart"]),
        (4.0, "end", [SpeechStopped()]),
        (5.0, "reply 500", sounds("reply-2", 500)),
        (10.5, None, [error_report(NO_MARK.format("reply-2")), "restart"]),
    ],
    "entries are not sent to an assistant without a frame for them": [
        *OPENED,
        (1.0, TypeDigit("4"), []),
        (2.0, EnterDigits("4"), []),
        (2.1, FRAME, ["20"]),
    ],
    "after the end nothing is said": [
        *ASKED,
        (3.0, CloseAssistant(), []),
        (3.1, FRAME, []),
        (3.2, "reply 500", []),
        (3.3, "junk", []),
        (3.4, EnterDigits("1"), []),
        (3.5, ConfirmHeard("reply-1"), []),
        (99.0, None, []),
        (99.0, CloseAssistant(), []),
    ],
}


@pytest.mark.parametrize("rows", SCENES.values(), ids=SCENES)
def test_scene(dial: "Dial", rows: "list[Row]") -> None:
    dial().play(rows)


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
def test_it_hears_and_speaks_mu_law_whatever_the_line(dial: "Dial", line: AudioFormat) -> None:
    assert dial().open(line) == [READY, "restart"]


@pytest.mark.parametrize("first", [UPGRADED, "_MULAW"], ids=["the upgrade", "its own word"])
def test_the_callers_turn_begins_when_the_connection_stands(dial: "Dial", first: "Any") -> None:
    dialect = dial(barge_in={}).dialect
    for command in (OpenAssistant("CA1", PCMU_8K), FRAME):
        assert not dialect.encode(command, 0.0)
        assert dialect.deadline() is None
    ready, restart, *_ = dialect.decode(first, 1.0)
    assert (ready, restart) == (READY, "RESTART_COMMUNICATION")


def test_the_callers_bytes_go_up_as_they_are(dial: "Dial") -> None:
    line = dial()
    line.open()
    dialect = line.dialect
    for audio in (bytes(range(160)), b"\xff", bytes(range(256)) * 3):
        (frame,) = dialect.encode(AppendAudio(audio), 0.0)
        assert frame == base64.b64encode(audio).decode(), "no prefix, no JSON"


def test_the_reply_comes_down_as_it_is(dial: "Dial") -> None:
    """The original cut four characters of a prefix of six, and played noise."""
    line = dial()
    line.open()
    audio = bytes(range(256)) * 3 + b"\x01"
    told = line.dialect.decode("_MULAW" + base64.b64encode(audio).decode(), 1.0)
    assert told == [ReplyAudio("reply-1", audio), ReplyEnded("reply-1")]


HALVES = [
    "_MULAW////8",
    "_MULAW%%%%",
    "_MULAW AAAA",
    "_MULAWAAAA\n",
    "_MULAWAA==AAAA",
    "_MULAWé",
    "_MULAW_MULAWAAAA",
]


@pytest.mark.parametrize("half", HALVES)
def test_a_broken_reply_is_dropped(dial: "Dial", half: str) -> None:
    line = dial()
    line.play(ASKED)
    refused, restart = line.hear(half)
    assert isinstance(refused, MessageRefused)
    assert refused.why.startswith("_MULAW: not base64")
    assert len(refused.why) < 120
    assert restart == "restart"
    line.play(
        [(3.0, FRAME, ["20"]), (3.5, "end", [SpeechStopped()]), (4.0, "reply 500", sounds("reply-1", 500))]
    )


def test_a_reply_that_is_too_long_is_refused_and_the_call_goes_on(dial: "Dial") -> None:
    line = dial(max_reply_bytes=8_000)
    line.play(
        [
            *ASKED,
            (
                3.0,
                "reply 1001",
                [error_report("its reply has 8010 bytes of audio: expected at most 8000"), "restart"],
            ),
            (3.5, "end", [SpeechStopped()]),
            (4.0, "reply 1000", sounds("reply-1", 1000)),
        ]
    )


def test_eight_megabytes_are_taken_and_more_are_not(dial: "Dial") -> None:
    line = dial()
    line.play(ASKED)
    most = "_MULAW" + base64.b64encode(bytes(8_388_608)).decode()
    said = line.hear(most)
    assert said == ["sound reply-1 1.04858e+06", ReplyEnded("reply-1")]
    line.play([(4.0, ConfirmHeard("reply-1"), ["restart"])])
    ours = line.hear(most + "AAAA")
    assert [type(one) for one in ours] == [AssistantReportedError, str]


# The state machine


def test_only_what_the_table_has_moves() -> None:
    turns = Turns(
        TurnBasedSettings(url="ws://assistant"), TurnBasedDialect(TurnBasedSettings(url="ws://a"))._transport
    )
    for mode, moves in MOVES.items():
        for target in set(Mode) - moves:
            turns.mode = mode
            with pytest.raises(AssertionError, match=f"no transition from {mode} to {target}"):
                turns._move(target)


CAME = st.one_of(
    st.sampled_from(["end", "reply 100", "reply 20", "_MULAW", "_MULAW=", "junk", "RESTART_COMMUNICATION"]),
    st.text(max_size=12),
    st.binary(max_size=4),
    st.just(FRAME),
    st.builds(ConfirmHeard, st.integers(1, 4).map("reply-{}".format)),
    st.builds(TruncateReply, st.integers(1, 4).map("reply-{}".format), st.integers(0, 99)),
    st.builds(EnterDigits, st.just("1")),
    st.just(CloseAssistant()),
)


@given(story=st.lists(st.tuples(st.floats(0, 9), CAME), max_size=30), overlaps=st.booleans())
def test_whatever_comes_the_seam_holds(story: "list[tuple[float, Any]]", overlaps: bool) -> None:
    """From the end of an utterance to the restart nothing goes up, and after all of it the caller gets a turn."""
    dialect = TurnBasedDialect(TurnBasedSettings(url="ws://assistant", greeting_overlaps=overlaps))
    restart, end = "RESTART_COMMUNICATION", "SINGLE_UTTERANCE_END"
    shut, now, closed = True, 0.0, False

    def goes_up(outcomes: Any) -> None:
        nonlocal shut
        for outcome in outcomes:
            if outcome == restart:
                shut = False
            elif isinstance(outcome, Word):
                shut = shut or isinstance(outcome, SpeechStopped)
            else:
                assert not shut, "a frame went up in the assistant's turn"

    def falls_due(until: float) -> None:
        while (due := dialect.deadline()) is not None and due <= until:
            goes_up(dialect.due(max(now, due)))

    goes_up(dialect.encode(OpenAssistant("CA1", PCMU_8K), now))
    goes_up(dialect.decode(UPGRADED, now))
    for after, came in story:
        falls_due(now + after)
        now += after
        if isinstance(came, str | bytes):
            message = (
                {"end": end, "reply 100": "_MULAW" + "/" * 1068}.get(came, came)
                if isinstance(came, str)
                else came
            )
            shut = shut or message == end
            goes_up(dialect.decode(message, now))
        else:
            closed = closed or isinstance(came, CloseAssistant)
            goes_up(dialect.encode(came, now))
    falls_due(now + 300)
    if not closed:
        assert dialect._turns.mode is not Mode.CLOSED
