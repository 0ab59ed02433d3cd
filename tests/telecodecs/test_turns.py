"""TurnDetector: interruptions and coughs, on clean lines and in noise. `scripts/turns` measures more."""

import json
import re
import wave
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telecodecs.codec import encoder
from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample
from telecodecs.turns import Turn, TurnDetector, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

FIXTURES = Path(__file__).parents[2] / "fixtures"
SPOKEN = json.loads((FIXTURES / "spoken.json").read_text())
WITHIN_MS = 150

Sound = NDArray[np.float64]


def recorded(name: str) -> Sound:
    with wave.open(str(FIXTURES / name)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def spoken(name: str) -> list[Sound]:
    sound = recorded(name)
    return [sound[part["start_ms"] * 8 : part["end_ms"] * 8] for part in SPOKEN[name]["spoken"]]


def at_level(sound: Sound, dbfs: float) -> Sound:
    """RMS; speech in the fixtures is at -20."""
    return np.asarray(sound * 32_768 * 10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2)))


def babble(seconds: int, seed: int = 1) -> Sound:
    """The waiting room of noisy-10db.wav without who speaks there: eight voices backwards."""
    chance = np.random.default_rng(seed)
    voices = [voice[::-1] for voice in spoken("babblers.wav")]
    rolled = [np.resize(np.roll(voice, chance.integers(len(voice))), seconds * 8000) for voice in voices]
    return np.asarray(np.sum(rolled, axis=0))


def pink(seconds: int, seed: int = 1) -> Sound:
    """On a telephone: nothing of it below 300 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(seconds * 8000))
    spectrum[: 300 * seconds] = 0
    return np.asarray(np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1))))


def hush(ms: int) -> Sound:
    return at_level(np.random.default_rng(4).standard_normal(ms * 8), -75)


def burst(ms: int) -> Sound:
    """A cough."""
    return at_level(np.random.default_rng(5).standard_normal(ms * 8), -18)


def coded(sound: Sound, format: AudioFormat = PCMU_8K) -> bytes:
    return encoder(format)(np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16))


def heard(audio: bytes, detector: TurnDetector | None = None) -> list[tuple[float, Turn]]:
    """What was noticed, and when: ms of audio fed, mu-law."""
    detector = detector or TurnDetector(PCMU_8K)
    return [
        ((at + 160) / 8, turn)
        for at in range(0, len(audio), 160)
        for turn in detector.feed(audio[at : at + 160])
    ]


def kinds(told: Iterable[tuple[float, Turn]]) -> list[type[Turn]]:
    return [type(turn) for _, turn in told]


FORMATS = [PCMU_8K, PCMA_8K, L16_8K, L16_16K, L16_24K, AudioFormat(Encoding.L16_BE, 48_000)]


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_a_turn_in_any_format(format: AudioFormat) -> None:
    (sentence,) = SPOKEN["sentence-es-male.wav"]["spoken"]
    sound = resample(recorded("sentence-es-male.wav").astype(np.int16), 8000, format.rate_hz)
    audio = encoder(format)(sound)
    detector = TurnDetector(format)
    began, ended = detector.feed(audio)
    assert not detector.speaking
    assert isinstance(began, TurnStarted)
    assert isinstance(ended, TurnEnded)
    assert began.at_ms == pytest.approx(sentence["start_ms"], abs=40)
    assert ended.at_ms == pytest.approx(sentence["end_ms"], abs=100)


# Interruptions in noise

LINES: dict[str, tuple[Callable[[], Sound], float]] = {
    "a clean line": (lambda: hush(40_000), -80),
    "babble, 10 dB": (lambda: babble(40), -30),
    "babble, 15 dB": (lambda: babble(40, 2), -35),
    "babble, 20 dB": (lambda: babble(40, 2), -40),
    "pink noise, 10 dB": (lambda: pink(40), -30),
    "pink noise, 15 dB": (lambda: pink(40), -35),
}
INTERRUPTIONS = [
    speech
    for name in SPOKEN
    if name.startswith(("sentence", "pause", "talk-over", "words"))
    for speech in spoken(name)
]


def test_interruptions_are_noticed_at_once_and_their_ends_too() -> None:
    chance = np.random.default_rng(11)
    noticed_ms, ended_ms = [], []
    for make, dbfs in LINES.values():
        noise = at_level(make(), dbfs)
        for speech in INTERRUPTIONS:
            start = int(chance.integers(2500 * 8, 4500 * 8))
            length = start + len(speech) + 1500 * 8
            sound = noise[(begin := chance.integers(len(noise) - length)) : begin + length].copy()
            sound[start : start + len(speech)] += speech
            told = heard(coded(sound))
            noticed_ms += [at_ms - start / 8 for at_ms, turn in told if isinstance(turn, TurnStarted)][:1]
            ended_ms += [at_ms - (start + len(speech)) / 8 for at_ms, _ in told[-1:]]
            assert kinds(told[:2]) == [TurnStarted, TurnEnded]
    assert len(noticed_ms) == len(LINES) * len(INTERRUPTIONS) > 200
    assert sum(at_ms < 0 for at_ms in noticed_ms) <= 1, "a noise's first peaks may surprise, seldom"
    assert np.mean(np.array(noticed_ms) <= WITHIN_MS) >= 0.98
    assert np.mean(np.abs(np.array(ended_ms) - 700) <= 300) >= 0.98


@pytest.mark.parametrize("noise", [babble, pink])
def test_noise_alone_is_not_a_turn(noise: Callable[[int, int], Sound]) -> None:
    assert heard(coded(at_level(noise(120, 3), -30))) == []


def test_the_end_is_found_in_a_full_waiting_room() -> None:
    (sentence,) = SPOKEN["noisy-10db.wav"]["spoken"]
    (spoke_ms, spoke), (paused_ms, paused) = heard(coded(recorded("noisy-10db.wav")))
    assert sentence["start_ms"] < spoke_ms <= sentence["start_ms"] + WITHIN_MS
    assert spoke.at_ms == pytest.approx(sentence["start_ms"], abs=100)
    assert paused_ms == pytest.approx(sentence["end_ms"] + 700, abs=300)
    assert paused.at_ms == pytest.approx(sentence["end_ms"], abs=300)
    assert (type(spoke), type(paused)) == (TurnStarted, TurnEnded)


def test_noise_that_begins_later_is_recognised() -> None:
    room = at_level(babble(20), -30)
    told = heard(coded(np.concatenate([hush(3000), room])))
    assert kinds(told) == [TurnStarted, TurnEnded]
    assert told[1][0] < 3000 + 5000
    speech = INTERRUPTIONS[0]
    room[12 * 8000 : 12 * 8000 + len(speech)] += speech
    *_, (spoke_ms, spoke), (_, paused) = heard(coded(np.concatenate([hush(3000), room])))
    assert spoke_ms < 15_000 + WITHIN_MS
    assert (type(spoke), type(paused)) == (TurnStarted, TurnEnded)


@pytest.mark.parametrize("sets_in_ms", [0, 5000])
@pytest.mark.parametrize(("noise", "snr_db"), [(pink, 15), (pink, 20), (babble, 15)])
def test_a_turn_is_followed_to_its_end_while_a_noise_begins(
    noise: Callable[[int], Sound], snr_db: float, sets_in_ms: int
) -> None:
    words = np.concatenate(2 * [speech for name in SPOKEN if "sentence" in name for speech in spoken(name)])
    room = at_level(noise(45), -20 - snr_db)
    room[: sets_in_ms * 8] = 0
    room[: len(words)] += words
    told = heard(coded(np.concatenate([hush(3000), room])))
    assert kinds(told[:2]) == [TurnStarted, TurnEnded]
    assert told[1][1].at_ms == pytest.approx(3000 + len(words) / 8, abs=300)


@pytest.mark.parametrize("direct_current", [500, -4000])
def test_direct_current_is_ignored(direct_current: int) -> None:
    sound = np.concatenate([INTERRUPTIONS[0], hush(2000), INTERRUPTIONS[0] * 0.3, hush(2000)])
    told = heard(coded(sound + direct_current))
    assert kinds(told) == [TurnStarted, TurnEnded, TurnStarted, TurnEnded]
    at_ms = [turn.at_ms for _, turn in heard(coded(sound))]
    assert [turn.at_ms for _, turn in told] == pytest.approx(at_ms, abs=40)


def test_a_noise_that_stops_is_forgotten() -> None:
    sound = np.concatenate([at_level(babble(5), -20), hush(6000), INTERRUPTIONS[0] * 0.1, hush(1500)])
    assert kinds(heard(coded(sound))) == [TurnStarted, TurnEnded]


def test_long_speech_does_not_raise_the_gate_above_itself() -> None:
    sentences = np.concatenate([speech for name in SPOKEN if "sentence" in name for speech in spoken(name)])
    sound = at_level(babble(28), -35)
    sound[3 * 8000 : 3 * 8000 + len(sentences)] += sentences
    told = heard(coded(sound))
    assert kinds(told) == [TurnStarted, TurnEnded]
    assert told[1][0] == pytest.approx(3000 + len(sentences) / 8 + 700, abs=300)


def test_a_click_in_noise_is_not_a_turn_and_hides_none() -> None:
    sound = at_level(pink(10), -35)
    for at_ms in range(2000, 5000, 500):
        sound[at_ms * 8 : at_ms * 8 + 40] += 20_000
    sound[5 * 8000 : 5 * 8000 + len(INTERRUPTIONS[0])] += INTERRUPTIONS[0]
    told = heard(coded(sound))
    assert kinds(told) == [TurnStarted, TurnEnded]
    assert 5000 < told[0][0] <= 5000 + WITHIN_MS


def test_speech_from_the_first_sample_in_noise_is_detected() -> None:
    """What the line is like takes 800 ms to tell."""
    sound = at_level(pink(6), -32)
    sound[: len(INTERRUPTIONS[0])] += INTERRUPTIONS[0]
    told = heard(coded(sound))
    assert kinds(told) == [TurnStarted, TurnEnded]
    assert told[0][0] <= 800
    assert told[0][1].at_ms < WITHIN_MS


# A cough

WEIGHED: list[tuple[int, int, list[tuple[int, type[Turn]]]]] = [
    # the burst in ms, confirm_ms, what is noticed and when, in ms from its beginning
    (60, 300, []),
    (150, 300, [(100, TurnSuspected), (400, TurnDismissed)]),
    (250, 300, [(100, TurnSuspected), (400, TurnDismissed)]),
    (250, 1000, [(100, TurnSuspected), (500, TurnDismissed)]),  # 200 ms of quiet tell enough
    (900, 300, [(100, TurnSuspected), (400, TurnStarted), (1640, TurnEnded)]),
    (900, 0, [(100, TurnStarted), (1640, TurnEnded)]),
]


@pytest.mark.parametrize(("burst_ms", "confirm_ms", "expected"), WEIGHED)
def test_speech_is_confirmed(burst_ms: int, confirm_ms: int, expected: list[tuple[int, type[Turn]]]) -> None:
    sound = np.concatenate([hush(1000), burst(burst_ms), hush(1500)])
    told = heard(coded(sound), TurnDetector(PCMU_8K, confirm_ms=confirm_ms))
    assert kinds(told) == [kind for _, kind in expected]
    assert [at_ms - 1000 for at_ms, _ in told] == pytest.approx([at_ms for at_ms, _ in expected], abs=60)
    assert {turn.at_ms for _, turn in told if not isinstance(turn, TurnEnded)} <= {1000}


def test_a_turn_does_not_start_before_it_is_confirmed() -> None:
    detector = TurnDetector(PCMU_8K, confirm_ms=300)
    speaking = []
    for turn_at in range(0, 16_000, 160):
        detector.feed(coded(np.concatenate([hush(1000), burst(1000)]))[turn_at : turn_at + 160])
        speaking.append(detector.speaking)
    assert speaking.index(True) * 20 == pytest.approx(1400, abs=20)


def test_a_short_hesitation_does_not_dismiss_a_suspected_turn() -> None:
    sound = np.concatenate([hush(500), burst(200), hush(120), burst(900), hush(1000)])
    assert kinds(heard(coded(sound), TurnDetector(PCMU_8K, confirm_ms=500))) == [
        TurnSuspected,
        TurnStarted,
        TurnEnded,
    ]


def test_silence_dismisses_before_the_confirmation_is_over() -> None:
    sound = np.concatenate([hush(500), burst(200), hush(1000)])
    detector = TurnDetector(PCMU_8K, confirm_ms=1000, silence_ms=100)
    assert kinds(heard(coded(sound), detector)) == [TurnSuspected, TurnDismissed]


LETTERS = {TurnSuspected: "s", TurnDismissed: "c", TurnStarted: "S", TurnEnded: "P"}
STRETCHES = st.lists(
    st.tuples(st.sampled_from(["hush", "burst", "speech", "room"]), st.integers(20, 900)), max_size=8
)
ROOM = at_level(babble(5), -32)
MAKES: dict[str, Callable[[int], Sound]] = {
    "hush": hush,
    "burst": burst,
    "speech": lambda ms: INTERRUPTIONS[1][: ms * 8],
    "room": lambda ms: ROOM[: ms * 8],
}


@given(
    stretches=STRETCHES,
    confirm_ms=st.sampled_from([0, 20, 300, 1000]),
    silence_ms=st.sampled_from([20, 200, 700]),
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
)
def test_the_grammar_holds_and_any_cut_gives_the_same_result(
    stretches: list[tuple[str, int]], confirm_ms: int, silence_ms: int, cuts: list[int]
) -> None:
    audio = coded(np.concatenate([np.zeros(0), *(MAKES[kind](ms) for kind, ms in stretches)]))
    detector = TurnDetector(PCMU_8K, confirm_ms=confirm_ms, silence_ms=silence_ms)
    told = detector.feed(audio)
    grammar = r"(s(c|SP))*(s|sS)?" if confirm_ms else r"(SP)*S?"
    assert re.fullmatch(grammar, "".join(LETTERS[type(turn)] for turn in told))
    assert detector.speaking == (told != [] and isinstance(told[-1], TurnStarted))
    pieces = (
        audio[begin:end] for begin, end in pairwise([0, *sorted(min(cut, len(audio)) for cut in cuts), None])
    )
    again = TurnDetector(PCMU_8K, confirm_ms=confirm_ms, silence_ms=silence_ms)
    assert [turn for piece in pieces for turn in again.feed(piece)] == told


def test_reset_is_as_new() -> None:
    audio = coded(np.concatenate([at_level(babble(4), -30), hush(500), burst(300)]), L16_24K)
    detector = TurnDetector(L16_24K, confirm_ms=300)
    first = detector.feed(audio)
    assert isinstance(first[-1], TurnSuspected)
    detector.reset()
    assert not detector.speaking
    assert detector.feed(audio) == first


REFUSES: list[tuple[AudioFormat, dict[str, int], str]] = [
    (AudioFormat(Encoding.L16, 8000, 2), {}, "channels 2"),
    (AudioFormat(Encoding.L16, 11_025), {}, "rate 11025 Hz"),
    (PCMU_8K, {"confirm_ms": -1}, "confirm_ms -1 .* 0 or more"),
    (PCMU_8K, {"min_speech_ms": 0}, "min_speech_ms 0"),
    (PCMU_8K, {"silence_ms": 0}, "silence_ms 0"),
]


@pytest.mark.parametrize(("hears", "options", "error_report"), REFUSES)
def test_refuses(hears: AudioFormat, options: dict[str, int], error_report: str) -> None:
    with pytest.raises(ValueError, match=error_report):
        TurnDetector(hears, **options)
