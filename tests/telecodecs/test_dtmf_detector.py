"""ToneDetector: every key that Q.24 asks for, each once, on any line and with any cut of the input; and that speech is not a key."""

import json
import wave
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telecodecs.dtmf import TONES_HZ, tones
from telecodecs.dtmf_detector import RATES_HZ, Tone, ToneDetector
from telecodecs.format import Samples
from telecodecs.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

FIXTURES = Path(__file__).parents[2] / "fixtures"

Reals = NDArray[np.float64]

KEYS = "123A456B789C*0#D"


def linear(samples: Samples) -> Samples:
    return samples


def mu_law(samples: Samples) -> Samples:
    return ulaw_decode(ulaw_encode(samples))


def a_law(samples: Samples) -> Samples:
    return alaw_decode(alaw_encode(samples))


def nothing(ms: float) -> Reals:
    return np.zeros(round(8 * ms))


def sine(ms: float, hertz: float, dbm0: float, phase: float = 0.0) -> Reals:
    """At 8 kHz; a sine at full scale has 3.14 dBm0."""
    at = np.arange(round(8 * ms))
    return 32_768 * 10 ** ((dbm0 - 3.14) / 20) * np.sin(2 * np.pi * hertz * at / 8000 + phase)


def glide(ms: float, hertz: float, dbm0: float) -> Reals:
    """From 25 % below a frequency to 25 % above."""
    percent = np.linspace(-25, 25, round(8 * ms))
    cycles = np.cumsum(hertz * (1 + percent / 100)) / 8000
    return 32_768 * 10 ** ((dbm0 - 3.14) / 20) * np.sin(2 * np.pi * cycles)


def key(
    digit: str,
    ms: float = 40,
    *,
    row: float = -10,
    column: float = -10,
    off: tuple[float, float] = (0, 0),
    phase: float = 0,
) -> Reals:
    """One key, hard on and off. Levels in dBm0; `off`: of both frequencies, percent."""
    low, high = (hertz * (1 + percent / 100) for hertz, percent in zip(TONES_HZ[digit], off, strict=True))
    return sine(ms, low, row, phase) + sine(ms, high, column, 2 * phase)


def noise(ms: float, dbm0: float, seed: int = 5) -> Reals:
    """White, of the power of a sine at that level."""
    amplitude = 32_768 * 2**-0.5 * 10 ** ((dbm0 - 3.14) / 20)
    return np.random.default_rng(seed).normal(0, amplitude, round(8 * ms))


def line(*stretches: Reals, under: float = -70) -> Samples:
    """One after the other over noise at that level, in dBm0."""
    sound = np.concatenate(stretches)
    sound += noise(len(sound) / 8, under)
    return np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)


def found(sound: Samples, detector: ToneDetector | None = None) -> list[Tone]:
    detector = detector or ToneDetector()
    return [tone for at in range(0, len(sound), 160) for tone in detector.feed(sound[at : at + 160])]


def digits(told: list[Tone]) -> str:
    return "".join(tone.digit for tone in told)


LINES = [  # what is special, dBm0 of row and column, percent off in both, noise in dBm0, law
    ("as dialled", -10, -10, (0, 0), -70, linear),
    ("loudest, the sum clipped", 0, 0, (0, 0), -70, linear),
    ("loudest, mu-law", 0, 0, (0, 0), -70, mu_law),
    ("faintest, mu-law", -25, -25, (0, 0), -70, mu_law),
    ("faintest, A-law", -25, -25, (0, 0), -70, a_law),
    ("column 4 dB louder, faint", -25, -21, (0, 0), -70, mu_law),
    ("row 8 dB louder, faint", -17, -25, (0, 0), -70, mu_law),
    ("column 8 dB louder, loud", -8, 0, (0, 0), -70, a_law),
    ("1.5 % high", -10, -10, (1.5, 1.5), -70, mu_law),
    ("1.5 % low", -10, -10, (-1.5, -1.5), -70, mu_law),
    ("1.5 % apart", -10, -10, (-1.5, 1.5), -70, a_law),
    ("noise 15 dB below", -10, -10, (0, 0), -22, mu_law),
    ("noise 15 dB below, row 8 dB louder, 1.5 % off", -10, -18, (1.5, -1.5), -24.4, a_law),
    ("noise 15 dB below, column 8 dB louder, 1.5 % off", -18, -10, (-1.5, 1.5), -24.4, mu_law),
]


@pytest.mark.parametrize(("row", "column", "off", "under", "law"), [r[1:] for r in LINES], ids=[r[0] for r in LINES])  # fmt: skip
def test_each_key(
    row: float, column: float, off: tuple[float, float], under: float, law: Callable[[Samples], Samples]
) -> None:
    """40 ms on, 40 ms off, at each of 20 places in the detector's frames, each with its own phases."""
    dialled = KEYS * 20
    stretches: list[Reals] = []
    for n, digit in enumerate(dialled):
        moves_on = 41 if n % 16 == 15 else 40
        stretches += [key(digit, row=row, column=column, off=off, phase=0.7 * n), nothing(moves_on)]
    assert digits(found(law(line(nothing(100), *stretches, under=under)))) == dialled


@pytest.mark.parametrize("digit", KEYS)
def test_the_same_key_again(digit: str) -> None:
    pressed = [
        stretch
        for n in range(40)
        for stretch in (
            key(digit, row=-20 + n % 12, column=-16 + n % 12 - n % 9, phase=n),
            nothing(40 + n / 8),
        )
    ]
    assert digits(found(line(*pressed, nothing(60)))) == digit * 40


def test_reports_where_the_tone_began() -> None:
    """To 5 ms."""
    stretches: list[Reals] = [nothing(100)]
    truth = []
    for n in range(160):
        truth.append(sum(map(len, stretches)))
        stretches += [key(KEYS[n % 16], 60), np.zeros(400 + n)]
    told = found(line(*stretches))
    assert len(told) == 160
    assert max(abs(tone.at_sample - at) for tone, at in zip(told, truth, strict=True)) <= 40


def test_is_reported_within_60_ms() -> None:
    """Each of 160 places in a frame: sounding 20 to 45 ms after it began, told within 60, over within 60 of its end."""
    for early in range(160):
        detector = ToneDetector()
        sound = line(np.zeros(800 + early), key("5", 100), nothing(200))
        began, ended = 800 + early, 1600 + early
        sounding, told = [], []
        for at in range(160, len(sound) + 1, 160):
            told += [at] * len(detector.feed(sound[at - 160 : at]))
            sounding += [at] * detector.sounding
        assert 150 <= sounding[0] - began <= 360
        assert [at - began <= 480 for at in told] == [True]
        assert 0 <= sounding[-1] - ended <= 480
        assert all(later - earlier == 160 for earlier, later in pairwise(sounding))


HELD = [  # what happens during one press
    ("3 s long", [key("7", 3000)]),
    ("10 ms missing", [key("7", 50), nothing(10), key("7", 40)]),
    ("a packet missing", [key("7", 60), nothing(20), key("7", 60)]),
    ("a packet missing soon", [key("7", 10), nothing(20), key("7", 60)]),
    ("8 dB down", [key("7", 60), key("7", 200, row=-18, column=-18)]),
    (
        "8 dB down, with holes",
        [key("7", 60), *[key("7", 70, row=-18, column=-18, phase=1), nothing(10)] * 8],
    ),
    ("into silence", [key("7", 80), *(key("7", 10, row=-10 - n, column=-10 - n) for n in range(30))]),
    ("noise as loud begins", [key("7", 60), key("7", 400) + noise(400, -7)]),
    ("a third tone for a while", [key("7", 80), key("7", 300) + sine(300, 500, -6), key("7", 80)]),
]


@pytest.mark.parametrize("press", [r[1] for r in HELD], ids=[r[0] for r in HELD])
def test_counts_as_one_press(press: list[Reals]) -> None:
    assert digits(found(line(nothing(100), *press, nothing(100)))) == "7"


def test_a_noisy_pause_ends_a_press() -> None:
    """A noise that is as loud at the key's frequencies as the key was."""
    presses = [
        stretch for n in range(30) for stretch in (key("7", 60, row=-25, column=-25), noise(60, -5, n))
    ]
    assert digits(found(line(*presses, nothing(100)))) == "7" * 30


def test_digital_silence_ends_a_press() -> None:
    press = line(key("7", 60), under=-90)
    silence = np.zeros(400, np.int16)
    assert digits(found(np.concatenate([press, silence, press, silence]))) == "77"


def test_another_key_without_a_pause() -> None:
    assert digits(found(line(key("1", 60), key("2", 60), key("5", 60), key("1", 60), nothing(60)))) == "1251"


REFUSED = [
    ("too short", [key("5", 25)]),
    ("too faint", [key("5", 200, row=-36, column=-36)]),
    ("one of both too faint", [key("5", 200, row=-36, column=-30)]),
    ("column 12 dB louder", [key("5", 200, row=-20, column=-8)]),
    ("row 12 dB louder", [key("5", 200, row=-8, column=-20)]),
    *((f"row {off} % off", [key(digit, 200, off=(off, 0))]) for off in (-3.5, 3.5) for digit in "15D"),
    *((f"column {off} % off", [key(digit, 200, off=(0, off))]) for off in (-3.5, 3.5) for digit in "15D"),
    ("both 3.5 % off", [key("5", 200, off=(3.5, 3.5))]),
    ("third and fourth harmonic of one voice", [sine(200, 307.7 * 3, -10) + sine(200, 307.7 * 4, -10)]),
    ("a glide through a key", [glide(100, 770, -10) + glide(100, 1336, -10)]),
    ("noise 6 dB below", [key("5", 200) + noise(200, -13)]),
    ("only a row", [sine(200, 770, -6)]),
    ("only a column", [sine(200, 1336, -6)]),
    ("two rows", [sine(200, 697, -10) + sine(200, 941, -10)]),
    ("two rows and a column", [key("1", 200) + sine(200, 941, -14)]),
    ("two columns and a row", [key("1", 200) + sine(200, 1477, -14)]),
    ("with a fundamental", [key("1", 200) + sine(200, 400, -14)]),
    ("with the row's second harmonic", [key("1", 200) + sine(200, 1394, -14)]),
    ("with the column's second harmonic", [key("1", 200) + sine(200, 2418, -14)]),
    ("dial tone", [sine(500, 350, -10) + sine(500, 440, -10)]),
    ("ringing", [sine(500, 440, -10) + sine(500, 480, -10)]),
    ("busy", [sine(500, 480, -10) + sine(500, 620, -10)]),
    ("special information tone", [sine(330, hertz, -10) for hertz in (950, 1400, 1800)]),
    ("fax", [sine(500, 1100, -10), sine(500, 2100, -10)]),
    ("white noise", [noise(2000, -10)]),
    ("a click", [np.full(4, 30_000.0)]),
    ("a buzz at full scale", [np.sign(sine(500, 120, 0)) * 32_000]),
]


@pytest.mark.parametrize("sounds", [r[1] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_is_not_a_key(sounds: list[Reals]) -> None:
    for early in range(0, 20, 3):
        assert found(line(nothing(100 + early), *sounds, nothing(100))) == []


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_rates(rate_hz: int) -> None:
    for digit in KEYS:
        detector = ToneDetector(rate_hz)
        sound = np.concatenate([np.zeros(rate_hz // 10, np.int16), tones(digit * 3, rate_hz, 40, 40)])
        told = detector.feed(sound)
        assert digits(told) == digit * 3
        began = [rate_hz * ms // 1000 for ms in (100, 180, 260)]
        assert [tone.at_sample for tone in told] == pytest.approx(began, abs=rate_hz // 200)


@pytest.mark.parametrize("rate_hz", [0, 7999, 11_025, 44_100])
def test_refuses_other_rates(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"rate_hz {rate_hz} is not supported; expected one of .8000, 16000"):
        ToneDetector(rate_hz)


@cache
def conversation() -> Samples:
    """Keys and speech, in all ways that matter to a cut."""
    word = spoken()[0][:8000]
    pressed = tones("1123", on_ms=45, off_ms=45)
    return np.concatenate([pressed, word, pressed + word[: len(pressed)] // 30, np.zeros(500, np.int16)])


@given(cuts=st.lists(st.integers(0, 15_000), max_size=40))
def test_any_cut_of_the_input_finds_the_same_keys(cuts: list[int]) -> None:
    sound = conversation()
    detector, whole = ToneDetector(), ToneDetector()
    told = [
        tone
        for begin, end in pairwise([0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)])
        for tone in detector.feed(sound[begin:end])
    ]
    assert told == whole.feed(sound)
    assert digits(told) == "11231123"
    assert detector.sounding == whole.sounding


def test_does_not_keep_what_it_was_fed() -> None:
    detector = ToneDetector()
    sound = conversation()
    told = []
    for at in range(0, len(sound), 90):
        buffer = sound[at : at + 90].copy()
        told += detector.feed(buffer)
        buffer[:] = 12_345
    assert told == ToneDetector().feed(sound)


def test_reset() -> None:
    detector = ToneDetector()
    press = line(nothing(30), key("5", 70))
    first = detector.feed(press)
    assert detector.sounding
    detector.reset()
    assert not detector.sounding
    assert detector.feed(press) == first
    assert digits(first) == "5"


def read(name: str) -> Samples:
    with wave.open(str(FIXTURES / name)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def spoken() -> list[Samples]:
    facts = json.loads((FIXTURES / "spoken.json").read_text())
    return [
        read(name)[8 * span["start_ms"] : 8 * span["end_ms"]]
        for name in sorted(facts)
        if name != "dtmf.wav"
        for span in facts[name]["spoken"]
    ]


def test_keys_between_phrases() -> None:
    told = found(read("dtmf.wav"))
    assert digits(told) == "1234#"
    assert [tone.at_sample for tone in told] == pytest.approx(
        [8 * ms for ms in range(1940, 2741, 200)], abs=40
    )


def test_speech_is_not_a_key() -> None:
    """Eight minutes: each voice slower and faster, faint and clipped."""
    detector = ToneDetector()
    told: list[Tone] = []
    fed = blanked = 0
    for n, speed in enumerate((0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)):
        for voice in spoken():
            other = np.interp(np.arange(0, len(voice) - 1, speed), np.arange(len(voice)), voice)
            loud = np.clip(np.rint(other * 2.0 ** (n % 4 - 1)), -32_768, 32_767).astype(np.int16)
            sound = (linear, mu_law, a_law)[n % 3](loud)
            told += detector.feed(sound)
            fed += len(sound)
            blanked += detector.sounding
    assert told == []
    assert blanked == 0
    assert fed > 8000 * 300
