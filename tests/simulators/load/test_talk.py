"""What callers say: frames that can be told apart though nobody hears it, and where turns begin and end."""

import numpy as np
import pytest

from bridge.config.audio_file import read_wav, talk
from bridge.simulators.load.talk import TurnBegins, TurnEnds, make_talk
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

L16_BE_8K = AudioFormat(Encoding.L16_BE, 8_000)


def tone(line: AudioFormat, ms: int) -> bytes:
    at = np.arange(line.rate_hz * ms // 1000) / line.rate_hz
    return encoder(line)((9000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16))


def silence(line: AudioFormat, ms: int) -> bytes:
    return line.silence * (line.rate_hz * ms // 1000)


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K, L16_BE_8K], ids=str)
def test_every_silent_frame_is_another_and_sounds_the_same(line: AudioFormat) -> None:
    spoken = make_talk("x", tone(line, 40), line)
    assert len(set(spoken.frames)) == len(spoken.frames) == 500
    heard = decoder(line)(b"".join(spoken.frames))[line.rate_hz * 40 // 1000 :]
    assert np.abs(heard.astype(int)).max() <= 8, "A-law has no zero: 8 is its smallest"


def test_speech_is_left_as_it_is() -> None:
    audio = read_wav(talk())
    spoken = make_talk("x", audio, PCMU_8K)
    together = b"".join(spoken.frames)
    assert decoder(PCMU_8K)(together[: len(audio)]).tolist() == decoder(PCMU_8K)(audio).tolist()
    assert len(set(spoken.frames)) == len(spoken.frames)


def test_turns_are_found_with_their_place_in_the_frame() -> None:
    line = PCMU_8K
    audio = silence(line, 110) + tone(line, 300) + silence(line, 200) + tone(line, 90) + silence(line, 900)
    spoken = make_talk("x", audio + tone(line, 40), line)
    assert spoken.edges == {
        5: (TurnBegins(-10),),  # at 110 ms: 10 ms before the end of the frame, which is at 120 ms
        34: (TurnEnds(0),),  # at 700 ms: the pause of 200 ms is within the turn
        80: (TurnBegins(-20),),
        81: (TurnEnds(0),),
    }
    assert (spoken.next_turn(0), spoken.next_turn(6), spoken.next_turn(81)) == (5, 80, 5)


def test_a_short_recording_is_followed_by_silence_and_a_cut_frame_is_filled() -> None:
    assert len(make_talk("x", tone(PCMU_8K, 30), PCMU_8K).frames) == 500
    assert {len(frame) for frame in make_talk("x", tone(PCMU_8K, 30), PCMU_8K).frames} == {160}


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^x: there is no audio in it: expected at least one frame"):
        make_talk("x", b"", PCMU_8K)
