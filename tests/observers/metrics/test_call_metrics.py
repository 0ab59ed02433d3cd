"""Transcripts of calls: words in, samples out. Times are seconds on the session's clock."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.observers.metrics.call_metrics import CallMetrics
from bridge.observers.metrics.families import Metrics
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RunTool,
    SendMark,
    SwitchToStandby,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    SERVER_CLOSES,
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    EntryEnd,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    Opening,
    ReplyAudio,
    SpeechStarted,
    TokensUsed,
    ToolAnswered,
    Word,
)
from bridge.vocabulary.people import EndHandover, Outcome, PeopleJoined
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
STANDBY_READY = AssistantReady(PCMU_8K, PCMU_8K, is_standby=True)
NO_ACCOUNT = Account({}, {}, 0.0, 0.0, ())

Row = tuple[float, Word]


def opened(name: str, opening: Opening = Opening.FIRST) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, assistant=name, opening=opening)


class Samples:
    """The registry after some words of a call, and after its end if there is an account."""

    def __init__(self, rows: list[Row], account: Account | None = None, *, ends_at: float = 60.0, done_s: float = 0.0) -> None:  # fmt: skip
        self.metrics = Metrics()
        self.ended: list[CallMetrics] = []
        self.now = 0.0
        self.call = call = CallMetrics(self.metrics, "twilio", "inbound", {"sales": ("price",)}.get, lambda: self.now + done_s, self.ended.append)  # type: ignore[arg-type]  # fmt: skip
        for at, word in rows:
            self.now = at
            assert type(word) in call.sees
            call.saw(word, at)
        if account is not None:
            call.close(ends_at, account)

    def __getitem__(self, name: str) -> dict[str, float]:
        """The samples of this name above zero, by the values of their labels, with spaces between."""
        return {
            " ".join(sample.labels.values()): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == f"voicebridge_{name}" and sample.value
        }


def test_no_word_of_a_frame_or_of_a_mark_is_seen() -> None:
    call = CallMetrics(Metrics(), "twilio", "", lambda _: (), lambda: 0.0)
    assert not call.sees & {CallerAudio, AppendAudio, ReplyAudio, PlayAudio, SendMark, MarkReached}


def test_a_call_is_active_from_its_socket_on_and_counted_when_it_is_over() -> None:
    rows: list[Row] = [(1.0, START), (1.0, opened("sales")), (1.3, READY), (30.0, CallEnded())]
    during = Samples(rows)
    assert during["calls_active"] == {"twilio": 1}
    assert during["calls_total"] == {}
    after = Samples(rows, NO_ACCOUNT, ends_at=31.0)
    assert after["calls_active"] == {}
    assert after["calls_total"] == {"twilio inbound sales caller_or_carrier": 1}
    assert after["call_duration_seconds_sum"] == {"twilio caller_or_carrier": 30.0}
    assert len(after.ended) == 1


@pytest.mark.parametrize(
    ("last", "label"),
    [
        ([CallEnded()], "twilio inbound sales caller_or_carrier"),
        ([HangUp(1000, "goodbye")], "twilio inbound sales assistant"),
        ([HangUp(1001, SERVER_CLOSES)], "twilio inbound sales server_closing"),
        ([LegLost(LegName.CARRIER, 1006, "gone")], "twilio inbound sales fault"),
        ([LegLost(LegName.CARRIER, 1006, "gone"), START, CallEnded()], "twilio inbound sales caller_or_carrier"),
        ([LegLost(LegName.ASSISTANT, 1006), CallEnded()], "twilio inbound sales caller_or_carrier"),
        ([], "twilio inbound sales fault"),
    ],
)  # fmt: skip
def test_who_ended_the_call_is_told_as_in_the_log(last: list[Word], label: str) -> None:
    rows: list[Row] = [(0.0, START), (0.0, opened("sales")), *((9.0, word) for word in last)]
    assert Samples(rows, NO_ACCOUNT)["calls_total"] == {label: 1}


def test_a_socket_that_never_started_has_no_assistant_and_no_duration() -> None:
    samples = Samples([(5.0, HangUp(1008, "no start"))], NO_ACCOUNT)
    assert samples["calls_total"] == {"twilio inbound none bridge": 1}
    assert samples["call_duration_seconds_count"] == {"twilio bridge": 1}
    assert samples["call_duration_seconds_sum"] == {}


def test_a_call_that_is_only_listened_to_says_so() -> None:
    one_way = CallStarted("CA1", "MZ1", PCMU_8K, one_way=True)
    samples = Samples([(0.0, one_way), (5.0, CallEnded())], NO_ACCOUNT)
    assert samples["calls_total"] == {"twilio listened_to none caller_or_carrier": 1}


# Assistants


def test_an_assistant_is_connected_when_it_is_ready_for_the_first_time() -> None:
    samples = Samples([(1.0, opened("sales")), (1.25, READY), (7.0, READY)])
    assert samples["assistant_connections_total"] == {"sales first": 1}
    assert samples["assistant_connect_seconds_sum"] == {"sales": 0.25}
    assert samples["assistant_connect_seconds_count"] == {"sales": 1}


def test_a_standby_is_connected_beside_the_one_that_has_the_call() -> None:
    rows: list[Row] = [(0.0, opened("sales")), (0.5, READY), (9.0, opened("backup", Opening.RENEWED)), (9.2, STANDBY_READY)]  # fmt: skip
    assert Samples([*rows, (9.5, AssistantReportedError("x"))])["assistant_errors_total"] == {"sales": 1}
    rows += [(10.0, SwitchToStandby()), (11.0, AssistantReportedError("x"))]
    samples = Samples(rows)
    assert samples["assistant_errors_total"] == {"backup": 1}
    assert samples["assistant_connect_seconds_sum"] == {"sales": 0.5, "backup": pytest.approx(0.2)}
    assert samples["assistant_connections_total"] == {"sales first": 1, "backup renewed": 1}


@pytest.mark.parametrize(
    ("word", "losses"),
    [
        (LegLost(LegName.ASSISTANT, 1006), {"sales connection": 1}),
        (LegLost(LegName.ASSISTANT, 1008), {"sales refused": 1}),
        (LegLost(LegName.ASSISTANT, 1011, final=True), {"sales refused": 1}),
        (LegLost(LegName.ASSISTANT, 1013), {"sales busy": 1}),
        (LegLost(LegName.STANDBY, 1006), {"none connection": 1}),
        (LegLost(LegName.CARRIER, 1006), {}),
        (AssistantFailed("x"), {"sales failed": 1}),
        (AssistantFailed("x", final=True), {"sales refused": 1}),
        (CloseAssistant("no reply came"), {"sales stalled": 1}),
        (CloseAssistant(), {}),
    ],
)
def test_why_an_assistant_was_lost(word: Word, losses: Mapping[str, int]) -> None:
    assert Samples([(0.0, opened("sales")), (0.5, READY), (3.0, word)])["assistant_losses_total"] == losses


def test_an_assistant_that_hangs_up_and_leaves_is_no_loss() -> None:
    rows: list[Row] = [(0.0, opened("sales")), (1.0, CloseRequested("bye")), (2.0, LegLost(LegName.ASSISTANT, 1000))]  # fmt: skip
    assert Samples(rows)["assistant_losses_total"] == {}


def test_tokens_are_counted_by_kind_and_a_kind_that_nobody_knows_is_another() -> None:
    used = TokensUsed({"input_audio": 12, "output_text": 3, "a caller's text": 5})
    samples = Samples([(0.0, opened("sales")), (1.0, used), (2.0, used)])
    assert samples["assistant_tokens_total"] == {"sales input_audio": 24, "sales output_text": 6, "sales other": 10}  # fmt: skip


# Tools, entries, messages


def test_a_tool_is_measured_from_its_call_to_its_output() -> None:
    rows: list[Row] = [
        (0.0, opened("sales")),
        (1.0, RunTool("1", "price", "{}")),
        (1.0, RunTool("2", "made up", "{}")),
        (1.4, ToolAnswered("2", '{"error":"there is no such tool"}')),
        (3.0, ToolAnswered("1", '{"price": 3}')),
        (3.5, ToolAnswered("1", "again")),
        (4.0, RunTool("3", "price", "{}")),
    ]
    samples = Samples(rows, NO_ACCOUNT)
    assert samples["tools_total"] == {"sales price answered": 1, "sales other failed": 1, "sales price broken_off": 1}  # fmt: skip
    assert samples["tool_seconds_sum"] == {"sales price": 2.0, "sales other": pytest.approx(0.4)}


def test_entries_and_malformed_messages_are_counted() -> None:
    rows: list[Row] = [
        (1.0, EnterDigits("12", EntryEnd.TERMINATOR)),
        (2.0, EnterDigits("12", EntryEnd.QUIET)),
        (3.0, MessageRefused(LegName.CARRIER, "x")),
        (3.0, MessageRefused(LegName.ASSISTANT, "y")),
    ]
    samples = Samples(rows)
    assert samples["entries_total"] == {"terminator": 1, "quiet": 1}
    assert samples["messages_refused_total"] == {"twilio carrier": 1, "twilio assistant": 1}


# Turns


def test_a_clear_that_answers_speech_is_measured_until_it_is_sent() -> None:
    rows: list[Row] = [
        (0.0, opened("sales")),
        (4.0, SpeechStarted()),
        (4.0, ClearPlayback(800)),
        (6.0, SpeechStarted(interrupts=False)),
        (6.0, ClearPlayback(800)),
        (7.0, SpeechStarted()),
        (7.5, ClearPlayback(800)),  # for another reason
    ]
    samples = Samples(rows, done_s=0.002)
    assert samples["barge_in_clear_seconds_count"] == {"sales": 1}
    assert samples["barge_in_clear_seconds_sum"] == {"sales": pytest.approx(0.002)}


HEARD = Turn(wait_ms=900, pause_ms=300, reply_ms=400, send_ms=0, play_ms=200)


@pytest.mark.parametrize(
    ("turn", "outcome", "seconds"),
    [
        (HEARD, "heard", {"reply": 0.7, "sent": 0.7, "heard": 0.9}),
        (Turn(2600, 300, 2000, 100, 200), "heard", {"reply": 2.3, "sent": 2.4, "heard": 2.6, "silence": 2.6}),
        (Turn(None, 300, 400, 50, None), "unproved", {"reply": 0.7, "sent": 0.75}),
        (Turn(None, 300, 400, None, None), "unanswered", {"reply": 0.7}),
        (Turn(None, 300, None, None, None), "unanswered", {}),
        (Turn(None, None, 400, 0, 200), "heard", {}),  # when the caller stopped is not known
    ],
)
def test_a_turn_gives_a_sample_for_each_step_that_it_reached(turn: Turn, outcome: str, seconds: Mapping[str, float]) -> None:  # fmt: skip
    samples = Samples([(0.0, opened("sales"))])
    samples.call.turn_began(1, 4.7, 5.0)
    assert samples["turns_total"] == {}
    samples.call.turn_over(1, turn, 8.0)
    found: dict[str, Any] = {
        name: samples[f"{family}_seconds_sum"].get("sales")
        for name, family in {
            "reply": "turn_reply",
            "sent": "turn_sent",
            "heard": "turn_heard",
            "silence": "caller_silence",
        }.items()
    }
    assert {name: value for name, value in found.items() if value} == pytest.approx(seconds)
    assert samples["turns_total"] == {f"sales {outcome}": 1}


def test_a_turn_belongs_to_the_assistant_that_had_the_call() -> None:
    samples = Samples([(0.0, opened("sales")), (1.0, READY)])
    samples.call.turn_began(1, None, 5.0)
    samples.call.saw(opened("backup", Opening.RECOVERED), 9.0)
    samples.call.turn_began(2, None, 12.0)
    samples.call.turn_over(2, HEARD, 13.0)
    assert samples["turns_total"] == {"backup heard": 1}
    samples.call.turn_over(1, HEARD, 14.0)
    assert samples["turns_total"] == {"sales heard": 1, "backup heard": 1}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_handover_is_counted_by_what_became_of_it(outcome: Outcome) -> None:
    samples = Samples([(9.0, EndHandover("billing", outcome, waited_s=12.0))])
    assert samples["handovers_total"] == {f"twilio {outcome}": 1}


def test_a_stream_that_the_carrier_ends_because_two_people_talk_is_not_the_end_of_the_call() -> None:
    joined: list[Row] = [(0.0, START), (5.0, PeopleJoined("CA2")), (5.1, LegLost(LegName.CARRIER, 1006))]
    samples = Samples([*joined, (60.0, CallEnded())], NO_ACCOUNT)
    assert samples["calls_total"] == {"twilio inbound none caller_or_carrier": 1}


def test_what_is_counted_by_frames_comes_with_the_account() -> None:
    counts = {"late": 2, "holes": 3, "filled_ms": 60, "not_sent_to_assistant": 4, "late_replies": 5}
    counts |= {"barge_ins": 2, "speech_dismissed": 1, "round_trip_ms": 90, "stray_marks": 7, "ignored": 8}
    counts |= {"stream_drops": 1}
    samples = Samples([(0.0, opened("sales"))], Account(counts, {}, 12.5, 6.25, ()))
    assert samples["caller_frames_bad_total"] == {"twilio late": 2, "twilio missing": 3, "twilio assistant_slow": 4}  # fmt: skip
    assert samples["caller_audio_filled_seconds_total"] == {"twilio": 0.06}
    assert samples["reply_pieces_dropped_total"] == {"twilio late": 5}
    assert samples["barge_ins_total"] == {"sales interrupted": 2, "sales dismissed": 1}
    assert samples["mark_round_trip_seconds_sum"] == {"twilio": 0.09}
    assert samples["stray_marks_total"] == {"twilio": 7}
    assert samples["messages_ignored_total"] == {"twilio": 8}
    assert samples["stream_drops_total"] == {"twilio": 1}
    assert samples["caller_audio_seconds_total"] == {"twilio": 12.5}
    assert samples["assistant_audio_seconds_total"] == {"sales": 6.25}
