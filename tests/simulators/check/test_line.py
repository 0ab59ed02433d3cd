"""The simulated line, as rows of (when, what the bridge does, what the caller's side sends until then)."""

from bridge.simulators.check.line import FRAME_BYTES, SILENCE, Line
from bridge.vocabulary.commands import ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.events import CallerAudio, DigitPressed, MarkReached

SPOKEN = b"\x12" * FRAME_BYTES
SECOND = bytes(8_000)


def besides_audio(line: Line, now: float) -> list[object]:
    return [event for event in line.due(now) if not isinstance(event, CallerAudio)]


def test_a_frame_every_20_ms_and_silence_where_nothing_is_said() -> None:
    line = Line(10.0)
    line.say(SPOKEN + SPOKEN[:40])
    last = SPOKEN[:40] + SILENCE[40:]
    assert line.due(10.0) == [CallerAudio(SPOKEN, 0)]
    assert line.speaking
    assert line.deadline() == 10.02
    assert line.due(10.05) == [CallerAudio(last, 20), CallerAudio(SILENCE, 40)]
    assert not line.speaking
    assert (line.first_word_at, round(line.spoke_until, 3)) == (10.0, 10.04)


def test_frames_missed_in_a_stop_are_skipped() -> None:
    line = Line(0.0)
    line.due(0.0)
    assert line.due(60.0) == [CallerAudio(SILENCE, 20)]


def test_marks_return_when_their_audio_was_played() -> None:
    line = Line(0.0)
    line.play(PlayAudio(SECOND), 0.0)
    line.mark(SendMark("a"), 0.0)
    line.play(PlayAudio(SECOND), 0.1)
    line.mark(SendMark("b"), 0.1)
    assert besides_audio(line, 0.99) == []
    assert besides_audio(line, 1.0) == [MarkReached("a")]
    assert line.playing(1.9)
    assert besides_audio(line, 2.0) == [MarkReached("b")]
    assert not line.playing(2.0)


def test_a_clear_returns_the_marks_at_once() -> None:
    line = Line(0.0)
    line.play(PlayAudio(SECOND), 0.0)
    line.mark(SendMark("a"), 0.0)
    line.clear(ClearPlayback(7_000), 0.125)
    assert not line.playing(0.125)
    assert besides_audio(line, 0.125) == [MarkReached("a")]


def test_keys_are_typed_one_after_the_other() -> None:
    line = Line(0.0)
    line.type("4#", 1.0)
    assert besides_audio(line, 0.9) == []
    assert besides_audio(line, 1.0) == [DigitPressed("4")]
    assert line.typing
    assert besides_audio(line, 1.3) == [DigitPressed("#")]
    assert not line.typing
