"""What an assistant says into a room: sent at once, heard in its time, and marks of what was heard."""

from bridge.core.room_speaker import MOST_BEHIND_S, Speaker, Spoken
from bridge.vocabulary.commands import ClearPlayback, PlayAudio, SendMark
from telecodecs.format import PCMU_8K

ONE, TWO, THREE = (bytes([value]) * 160 for value in (1, 2, 3))


def test_frames_come_in_the_time_that_they_take_and_a_mark_once_the_audio_before_it_was_heard() -> None:
    speaker = Speaker(PCMU_8K)
    assert speaker.due(0.9) == Spoken([], [])
    for command in (PlayAudio(ONE + TWO), SendMark("0.1"), PlayAudio(THREE), SendMark("0.2")):
        speaker.tell(command, 1.0)
    assert speaker.due(1.0) == Spoken([ONE], [])
    assert speaker.due(1.01) == Spoken([], [])
    assert speaker.due(1.021) == Spoken([TWO], [])
    assert speaker.due(1.041) == Spoken([THREE], ["0.1"])
    assert speaker.is_speaking
    assert speaker.due(1.061) == Spoken([], ["0.2"])
    assert not speaker.is_speaking


def test_a_clear_drops_what_was_not_heard_and_its_marks() -> None:
    speaker = Speaker(PCMU_8K)
    speaker.tell(PlayAudio(ONE + TWO), 1.0)
    speaker.tell(SendMark("0.1"), 1.0)
    assert speaker.due(1.0) == Spoken([ONE], [])
    speaker.tell(ClearPlayback(160), 1.01)
    assert speaker.due(9.0) == Spoken([], [])
    speaker.tell(PlayAudio(THREE), 9.0)
    assert speaker.due(9.0) == Spoken([THREE], [])


def test_after_a_stall_what_was_due_meanwhile_is_put_off() -> None:
    speaker = Speaker(PCMU_8K)
    speaker.tell(PlayAudio(ONE * 50), 1.0)
    assert len(speaker.due(1.8).frames) == MOST_BEHIND_S // 0.02 + 1
    assert speaker.is_speaking
