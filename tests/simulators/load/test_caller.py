"""One caller in virtual time: transcripts of what the server did, and what was measured of it."""

from math import inf

import pytest

from bridge.simulators.load.caller import Behaviour
from bridge.simulators.load.histogram import Counts, Histogram
from bridge.simulators.phone.network_disorder import Disorder
from bridge.simulators.phone.plan import Digit

from .conftest import BEGAN, Line, silence, tone


def durations(counts: Counts) -> tuple[int, float, float]:
    """How many, the shortest, the longest."""
    return Histogram.of(counts).count, round(counts.min_ms, 1), round(counts.max_ms, 1)


# An echo


def test_each_frame_of_an_echo_is_timed_silence_too(line: Line) -> None:
    line.echo(3.0, after_s=0.003)
    sample = line.hang_up()
    assert durations(sample.latency) == (150, 3.0, 3.0)
    assert (sample.counters.frames_lost, sample.counters.underruns, sample.counters.turns) == (0, 0, 0)


@pytest.mark.parametrize("line", [Behaviour(late_ms=70)], indirect=True)
def test_a_stall_is_seen_in_every_frame_that_it_delays(line: Line) -> None:
    line.echo(2.0)
    held_back = [line.frame() for _ in range(50)]
    for frame in held_back:
        line.reply(frame)
    sample = line.hang_up()
    assert durations(sample.latency) == (150, 0.0, 980.0)
    assert sample.counters.frames_late == 46, "from 980 ms down to 80 ms: more than 70 ms late"
    assert (sample.counters.underruns, round(sample.counters.underrun_ms)) == (1, 977)


def test_an_echo_that_ends_between_two_frames_is_cut_off(line: Line) -> None:
    line.echo(2.0)
    assert not line.caller.playout.is_playing(line.now + 0.025)
    assert line.caller.finish(line.now + 0.025)


def test_an_echo_that_had_ended_before_is_not_cut_off(line: Line) -> None:
    line.echo(2.0)
    assert not line.caller.finish(line.now + 0.2)


def test_a_frame_that_does_not_come_back_is_lost_and_counts_as_two_seconds(line: Line) -> None:
    line.echo(2.0)
    line.frame()
    line.echo(3.0)
    sample = line.hang_up()
    assert sample.counters.frames_lost == 1
    assert durations(sample.latency) == (251, 3.0, 2000.0)


def test_frames_under_way_at_the_end_count_with_their_age(line: Line) -> None:
    line.echo(2.0)
    line.say_until(3.0)
    sample = line.hang_up()
    assert durations(sample.latency)[2] == 980.0


def test_what_was_sent_before_the_server_listened_is_not_lost(line: Line) -> None:
    line.say_until(1.0)
    line.echo(4.0)
    assert line.hang_up().counters.frames_lost == 0


def test_two_frames_in_one_message_are_timed_each(line: Line) -> None:
    for _ in range(60):
        first = line.frame()
        line.reply(first + line.frame(), 0.001)
    assert durations(line.hang_up().latency) == (120, 1.0, 21.0)


def test_the_frames_that_the_network_loses_are_not_the_servers_fault() -> None:
    line = Line(Behaviour(disorder=Disorder(loss=0.2)), silence(1000))
    line.echo(8.0)
    counters = line.hang_up().counters
    assert 40 < counters.network_lost < 120
    assert (counters.frames_sent, counters.frames_lost) == (400, 0)


def test_a_reply_that_repeats_the_caller_is_no_echo(line: Line) -> None:
    said = [line.frame() for _ in range(100)]
    line.say_until(2.8)
    line.reply(b"".join(said[50:]))
    sample = line.hang_up()
    assert sample.latency == Counts()
    assert sample.counters.turns == 1


# Turns


def test_a_wait_is_from_the_end_of_speech_to_the_first_sound_heard(line: Line) -> None:
    line.say_until(2.5)
    line.now = BEGAN + 2.5
    line.reply(silence(120) + tone(500))
    sample = line.hang_up()
    # a frame is sent when it is complete: the last of the speech, to 2.00 s of the audio, was due at 1.98 s
    assert durations(sample.turn_wait) == (1, 640.0, 640.0)
    assert (sample.counters.turns, sample.counters.turns_unanswered) == (1, 0)


def test_a_turn_without_a_reply_is_counted(line: Line) -> None:
    line.say_until(3.0)
    assert line.hang_up().counters.turns_unanswered == 1


def test_a_reply_that_was_playing_already_is_not_the_answer(line: Line) -> None:
    line.say_until(1.5)
    line.reply(tone(2000))
    line.say_until(2.5)
    line.reply(tone(200))
    counters = line.hang_up().counters
    assert (counters.turns, counters.turns_unanswered) == (0, 1)


def test_a_gap_within_a_reply_is_an_underrun_and_a_pause_between_replies_is_not(line: Line) -> None:
    line.say_until(2.5)
    line.reply(tone(100))
    line.reply(tone(100), after_s=0.35)  # a gap of 250 ms
    line.reply(tone(100), after_s=0.12)  # a gap of 20 ms: a phone conceals it
    line.reply(tone(100), after_s=5.0)  # another reply
    counters = line.hang_up().counters
    assert (counters.underruns, counters.calls_with_underruns, round(counters.underrun_ms)) == (1, 1, 250)
    assert [event.kind for event in line.caller.log.events] == ["reply", "gap"]


# Interruptions


def test_speech_over_a_reply_is_timed_until_the_clear(line: Line) -> None:
    line.say_until(0.5)
    line.reply(tone(5000))
    line.say_until(1.3)
    line.hear({"event": "clear"})
    sample = line.hang_up()
    assert durations(sample.barge_in) == (1, 300.0, 300.0), (
        "the speech began in the frame due at 1.00 s, 20 ms before"
    )
    assert (sample.counters.barge_ins, sample.counters.barge_ins_ignored) == (1, 0)


def test_a_reply_that_is_played_on_was_not_interrupted(line: Line) -> None:
    line.say_until(0.5)
    line.reply(tone(9000))
    line.say_until(6.0)
    assert line.hang_up().counters.barge_ins_ignored == 1


@pytest.mark.parametrize("line", [Behaviour(barge_in=1.0)], indirect=True)
def test_a_caller_who_barges_in_begins_its_next_turn_over_the_reply(line: Line) -> None:
    line.say_until(2.5)
    line.reply(tone(3000))
    line.say_until(3.3)
    line.hear({"event": "clear"})
    sample = line.hang_up()
    assert sample.counters.barge_ins == 1
    assert [round(begin, 2) for begin, _ in line.caller.log.said] == [0.98, 2.96]
    assert durations(sample.barge_in) == (1, 320.0, 320.0)


@pytest.mark.parametrize("line", [Behaviour(barge_in=1.0)], indirect=True)
def test_nobody_interrupts_a_reply_that_is_over(line: Line) -> None:
    line.say_until(2.5)
    line.reply(tone(300))
    line.say_until(4.0)
    assert len(line.caller.log.said) == 1


# Marks, keys, and a server that does not keep to the protocol


def mark(name: str) -> dict[str, object]:
    return {"event": "mark", "mark": {"name": name}}


def test_marks_return_when_the_audio_before_them_was_played(line: Line) -> None:
    line.frame()
    line.reply(tone(100))
    line.hear(mark("a"))
    line.say_until(0.1)
    assert line.of("mark") == []
    line.say_until(0.14)
    assert [one["mark"]["name"] for one in line.of("mark")] == ["a"]
    line.hear(mark("b"))
    assert [one["mark"]["name"] for one in line.of("mark")] == ["a", "b"], (
        "nothing is played: it returns at once"
    )
    line.reply(tone(1000))
    line.hear(mark("c"))
    counters = line.hang_up().counters
    assert (counters.marks_returned, counters.marks_never_played) == (2, 1)


def test_a_clear_returns_all_marks(line: Line) -> None:
    line.frame()
    line.reply(tone(1000))
    line.hear(mark("a"))
    line.hear(mark("b"))
    line.hear({"event": "clear"})
    assert [one["mark"]["name"] for one in line.of("mark")] == ["a", "b"]
    assert line.hang_up().counters.heard_s == 0


@pytest.mark.parametrize("line", [Behaviour(digits=(Digit("5", 300), Digit("1", 100)))], indirect=True)
def test_keys_are_pressed_at_their_times(line: Line) -> None:
    line.say_until(0.6)
    order = [one["dtmf"]["digit"] if one["event"] == "dtmf" else "." for one in line.sent[2:]]
    assert "".join(order) == "." * 5 + "1" + "." * 10 + "5" + "." * 15


def test_messages_that_the_carrier_refuses_are_counted_and_the_call_goes_on(line: Line) -> None:
    line.frame()
    line.hear({"event": "media", "media": {"payload": "%"}})
    line.hear({"event": "nonsense"})
    line.echo(2.0)
    sample = line.hang_up()
    assert sample.counters.messages_refused == 2
    assert durations(sample.latency)[0] == 100
    assert line.stream.warnings == [], "the list does not grow with the call"


def test_frames_that_a_slow_server_does_not_read_are_counted_and_not_sent(line: Line) -> None:
    assert line.frame(congested=True) == b""
    assert line.frame() != b""
    counters = line.hang_up().counters
    assert (counters.frames_discarded, counters.frames_sent) == (1, 1)


def test_the_recording_is_said_again_from_the_beginning(line: Line) -> None:
    first = [line.frame() for _ in range(500)]
    assert [line.frame() for _ in range(500)] == first


def test_speech_that_the_end_cuts_off_is_drawn_up_to_there(line: Line) -> None:
    line.say_until(1.5)
    line.hang_up()
    assert [[round(at, 2) for at in span] for span in line.caller.log.said] == [[0.98, 1.48]]


def test_nothing_is_heard_after_the_end(line: Line) -> None:
    line.frame()
    line.hang_up()
    line.reply(tone(100))
    assert line.hang_up().counters.pieces == 0
    assert line.caller._interrupts_at == inf
