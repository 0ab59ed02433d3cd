"""SpeechDetector: where speech begins and ends, on any line and with any cut of the input."""

import json
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telecodecs.dtmf import tones
from telecodecs.format import Samples
from telecodecs.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from telecodecs.speech import SpeechDetector, SpeechEnded, SpeechStarted

FIXTURES = Path(__file__).parents[2] / "fixtures"

Noticed = list[SpeechStarted | SpeechEnded]


def hush(ms: int, level_dbfs: float, rate_hz: int = 8000, seed: int = 5) -> NDArray[np.float64]:
    """White noise, level in dBFS of RMS."""
    amplitude = 32_768 * 2**-0.5 * 10 ** (level_dbfs / 20)
    return np.random.default_rng(seed).normal(0, amplitude, rate_hz * ms // 1000)


def voice(ms: int, rate_hz: int = 8000, syllables: float = 0.4) -> NDArray[np.float64]:
    """Vowels: a buzz of 120 to 160 Hz through three formants, four syllables a second; about -20 dBFS."""
    at = np.arange(rate_hz * ms // 1000) / rate_hz
    pitch = 2 * np.pi * np.cumsum(140 + 20 * np.sin(2 * np.pi * 1.5 * at)) / rate_hz
    sound = np.zeros_like(at)
    for n in range(1, 25):
        envelope = sum(
            gain / (1 + ((n * 140 - f) / 90) ** 2) for f, gain in ((600, 1.0), (1200, 0.6), (2500, 0.3))
        )
        sound += envelope * np.sin(n * pitch)
    return 4500 * sound * (0.6 - syllables * np.cos(2 * np.pi * 4 * at))


def line(*stretches: NDArray[np.float64], noise_dbfs: float = -70, rate_hz: int = 8000) -> Samples:
    sound = np.concatenate(stretches)
    sound += hush(len(sound) * 1000 // rate_hz + 1, noise_dbfs, rate_hz)[: len(sound)]
    return np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)


def nothing(ms: int, rate_hz: int = 8000) -> NDArray[np.float64]:
    return np.zeros(rate_hz * ms // 1000)


def noticed(sound: Samples, detector: SpeechDetector | None = None) -> Noticed:
    detector = detector or SpeechDetector()
    return [word for at in range(0, len(sound), 160) for word in detector.feed(sound[at : at + 160])]


def kinds_and_ms(words: Noticed, rate_hz: int = 8000) -> list[tuple[type, float]]:
    return [(type(word), word.at_sample * 1000 / rate_hz) for word in words]


def near(ms: float) -> object:
    return pytest.approx(ms, abs=100)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 32_000, 48_000])
def test_one_utterance(rate_hz: int) -> None:
    sound = line(nothing(1000, rate_hz), voice(1500, rate_hz), nothing(1500, rate_hz), rate_hz=rate_hz)
    words = SpeechDetector(rate_hz=rate_hz).feed(sound)
    assert kinds_and_ms(words, rate_hz) == [(SpeechStarted, near(1000)), (SpeechEnded, near(2500))]


def test_noticed_in_time() -> None:
    sound = line(nothing(1000), voice(1500), nothing(1500))
    detector = SpeechDetector()
    speaking = []
    for at in range(0, len(sound), 160):
        detector.feed(sound[at : at + 160])
        speaking.append(detector.speaking)
    assert speaking.index(True) * 20 == near(1100)
    assert len(speaking) - speaking[::-1].index(True) == pytest.approx((2500 + 700) // 20, abs=5)


@pytest.mark.parametrize("noise_dbfs", [-90, -60, -45, -35, -28])
@pytest.mark.parametrize(
    "law", [lambda s: ulaw_decode(ulaw_encode(s)), lambda s: alaw_decode(alaw_encode(s))], ids=["mu", "a"]
)
def test_noise_on_the_line_is_not_speech(law: object, noise_dbfs: float) -> None:
    assert callable(law)
    quiet = law(line(nothing(20_000), noise_dbfs=noise_dbfs))
    assert noticed(quiet) == []
    spoken = law(line(nothing(1000), voice(2000), nothing(1500), noise_dbfs=noise_dbfs))
    assert [type(word) for word in noticed(spoken)] == [SpeechStarted, SpeechEnded]


@pytest.mark.parametrize("silent_sample", [0, 8], ids=["mu", "a"])
def test_holes_filled_with_silence_do_not_make_noise_speech(silent_sample: int) -> None:
    sound = line(nothing(10_000), noise_dbfs=-28)
    for at in range(0, len(sound), 8000):
        sound[at : at + 400] = silent_sample
    assert noticed(sound) == []


def test_digital_silence_and_idle_codes() -> None:
    assert noticed(np.zeros(16_000, np.int16)) == []
    assert noticed(alaw_decode(np.full(16_000, 0xD5, np.uint8))) == []


def test_too_quiet_to_be_speech() -> None:
    assert noticed(line(nothing(1000), voice(2000) * 0.01, nothing(1000), noise_dbfs=-90)) == []


def test_speech_from_the_first_sample_on() -> None:
    """No noise was heard yet to compare with, and an even buzz gives none; 800 ms of it are a noise."""
    words = noticed(line(voice(600, syllables=0), nothing(1000)))
    assert kinds_and_ms(words)[0] == (SpeechStarted, near(0))


def test_an_even_sound_from_the_first_sample_on_is_noise() -> None:
    assert noticed(line(voice(3000, syllables=0), nothing(1000))) == []


def test_an_utterance_that_is_withdrawn_does_not_end() -> None:
    detector = SpeechDetector()
    (started,) = detector.feed(line(nothing(500), voice(300)))
    assert isinstance(started, SpeechStarted)
    assert detector.speaking
    detector.withdraw()
    assert not detector.speaking
    assert detector.feed(line(nothing(2000))) == []
    again = detector.feed(line(voice(500), nothing(1000)))
    assert kinds_and_ms(again) == [(SpeechStarted, near(2800)), (SpeechEnded, near(3300))]


def test_reports_its_own_ends() -> None:
    detector = SpeechDetector()
    words = noticed(STORY, detector)
    assert detector.judged == len(STORY) - len(STORY) % 160
    assert isinstance(words[-1], SpeechEnded)
    assert detector.spoken_to == words[-1].at_sample


def test_too_short_to_be_speech() -> None:
    assert noticed(line(nothing(500), voice(60), nothing(1000)), SpeechDetector(min_speech_ms=200)) == []


def test_a_dip_does_not_begin_it_again() -> None:
    stuttering = line(nothing(500), voice(100), nothing(60), voice(1000), nothing(1000), noise_dbfs=-90)
    started = noticed(stuttering, SpeechDetector(min_speech_ms=160, hangover_ms=100))[0]
    assert kinds_and_ms([started]) == [(SpeechStarted, near(500))]


@pytest.mark.parametrize(("pause_ms", "utterances"), [(400, 1), (1200, 2)])
def test_a_pause_ends_it_only_if_long(pause_ms: int, utterances: int) -> None:
    sound = line(nothing(500), voice(1000), nothing(pause_ms), voice(1000), nothing(1500))
    words = noticed(sound)
    assert [type(word) for word in words] == [SpeechStarted, SpeechEnded] * utterances
    assert kinds_and_ms(words)[-1] == (SpeechEnded, near(2500 + pause_ms))


def test_keys_count_as_speech() -> None:
    """Whoever presses a key is no longer listening; carriers that report digits mute them."""
    assert noticed(line(nothing(500), tones("55", on_ms=200).astype(np.float64), nothing(1000))) != []


SPOKEN = json.loads((FIXTURES / "spoken.json").read_text())
CLEAR = [name for name in SPOKEN if name.startswith(("sentence", "pause", "talk-over"))]


@pytest.mark.parametrize("name", CLEAR)
def test_recorded_speech(name: str) -> None:
    with wave.open(str(FIXTURES / name)) as recording:
        assert recording.getframerate() == 8000
        sound = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    expected = [
        edge
        for part in SPOKEN[name]["spoken"]
        for edge in ((SpeechStarted, near(part["start_ms"])), (SpeechEnded, near(part["end_ms"])))
    ]
    assert kinds_and_ms(noticed(ulaw_decode(ulaw_encode(sound)))) == expected


STORY = line(nothing(300), voice(700), nothing(900), voice(400), nothing(1000), noise_dbfs=-50)


@given(cuts=st.lists(st.integers(0, len(STORY)), max_size=20))
def test_any_cut_of_the_input_gives_the_same_result(cuts: list[int]) -> None:
    detector = SpeechDetector()
    words = [word for a, b in pairwise([0, *sorted(cuts), len(STORY)]) for word in detector.feed(STORY[a:b])]
    assert words == SpeechDetector().feed(STORY)
    assert len(words) == 4


def test_reset_is_as_new() -> None:
    detector = SpeechDetector()
    detector.feed(STORY[:8001])
    assert detector.speaking
    detector.reset()
    assert not detector.speaking
    assert detector.feed(STORY) == SpeechDetector().feed(STORY)


def test_reset_forgets_the_noise() -> None:
    quiet, loud = line(nothing(1000), noise_dbfs=-60), line(nothing(1000), noise_dbfs=-28)
    detector = SpeechDetector()
    assert detector.feed(quiet) == []
    detector.reset()
    assert detector.feed(loud) == []
    assert SpeechDetector().feed(np.concatenate([quiet, loud])) != []


REFUSES: list[tuple[dict[str, int], str]] = [
    ({"rate_hz": 24_000}, r"rate_hz 24000 .* \(8000, 16000, 32000, 48000\)"),
    ({"rate_hz": 11_025}, "rate_hz 11025"),
    ({"aggressiveness": 4}, "aggressiveness 4 .* 0 to 3"),
    ({"min_speech_ms": 0}, "min_speech_ms 0"),
    ({"silence_ms": -1}, "silence_ms -1"),
    ({"hangover_ms": -20}, "hangover_ms -20"),
]


@pytest.mark.parametrize(("options", "error_report"), REFUSES)
def test_refuses(options: dict[str, int], error_report: str) -> None:
    with pytest.raises(ValueError, match=error_report):
        SpeechDetector(**options)
