"""The caller's side of a recording is silent where sensitive keys may sound; the rest of it, and the other side, is not."""

import io
import wave
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.observers.recording import KEPT_MS, Recording
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, PlayAudio, SetSensitive, TypeDigit
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallerAudio, CallStarted, DigitPressed, EntryEnd, Word
from telecodecs.codec import encoder
from telecodecs.dtmf import tones
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat, Encoding

NOTHING = Account({}, {}, 0.0, 0.0, [])
STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
ON, OFF = SetSensitive(True), SetSensitive(False)
KEY = DigitPressed("4")
ENTERED = EnterDigits("4", EntryEnd.TERMINATOR, "#", placeholder="entry-1")
LENGTH_MS = 4_000

Rows = Iterable[tuple[int, Word]]
"""At which ms of the recording, what comes; before the frame that begins there."""


def recorded(
    directory: Path, rows: Rows, line: AudioFormat = PCMU_8K, sound: bytes = b""
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """A caller who never stops, an assistant that does not either; `sound`: the caller's, else a steady one."""
    recording = Recording(directory, STARTED)
    due = sorted(rows, key=lambda row: row[0])
    early = [word for at_ms, word in due if at_ms < 0]
    for word in (CallStarted("CA1", "MZ1", line), *early, OpenAssistant("CA1", line)):
        recording.saw(word, 0.0)
    size = line.bytes_in(20)
    steady = encoder(line)(np.full(line.rate_hz * LENGTH_MS // 1000, 5_000, np.int16))
    recording.saw(PlayAudio(steady), 0.0)
    audio = sound or steady
    for at_ms in range(0, len(audio) // size * 20, 20):
        for word in (word for when_ms, word in due if at_ms <= when_ms < at_ms + 20):
            recording.saw(word, at_ms / 1000)
        frame = audio[line.bytes_in(at_ms) : line.bytes_in(at_ms) + size]
        recording.saw(CallerAudio(frame, at_ms), at_ms / 1000)
    recording.close(len(audio) / size / 50, NOTHING)
    (file,) = directory.glob("*.wav")
    with wave.open(io.BytesIO(file.read_bytes())) as reader:
        stereo = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)
    return stereo[:, 0], stereo[:, 1]


def silent_ms(track: NDArray[np.int16], line: AudioFormat = PCMU_8K) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (track == 0).astype(int), [0]])))
    return [(start / line.rate_hz * 1000, end / line.rate_hz * 1000) for start, end in edges.reshape(-1, 2)]


# When, what; where the caller's side is silent
SCENES: dict[str, tuple[Rows, list[tuple[float, float]]]] = {
    "no key is sensitive": ([(1_000, KEY), (1_000, TypeDigit("4")), (2_000, EnterDigits("4"))], []),
    "one key": ([(500, ON), (1_000, KEY), (2_000, ENTERED), (2_000, OFF)], [(600, 1_160)]),
    "keys in a row": ([(0, ON), (1_000, KEY), (1_300, KEY), (3_000, ENTERED)], [(600, 1_460)]),
    "two apart": ([(0, ON), (1_000, KEY), (2_000, KEY)], [(600, 1_160), (1_600, 2_160)]),
    "no longer sensitive": ([(0, ON), (500, KEY), (1_000, OFF), (3_000, KEY)], [(100, 660)]),
    "the first key of all": ([(0, ON), (0, KEY)], [(0, 160)]),
    "typed ahead, and sensitive then": (
        [(1_000, KEY), (1_000, TypeDigit("4")), (1_500, KEY), (1_900, ON), (1_900, ENTERED), (1_900, OFF)],
        [(600, 1_150), (1_100, 1_650)],
    ),
    "typed ahead long before, while the entry is open": ([(500, KEY), (3_900, ON)], [(100, 650)]),
    "an entry before is not sensitive": (
        [(500, KEY), (900, EnterDigits("4")), (1_500, KEY), (1_600, ON)],
        [(1_100, 1_650)],
    ),
    "heard as a tone, typed ahead": ([(1_000, TypeDigit("4")), (1_500, ON), (1_600, ENTERED)], [(600, 1_150)]),
    "sensitive before the call is accepted": ([(-1, ON), (1_000, KEY)], [(600, 1_160)]),
}  # fmt: skip


def joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    together: list[tuple[float, float]] = []
    for start, end in spans:
        if together and start <= together[-1][1]:
            start, _ = together.pop()  # noqa: PLW2901
        together.append((start, end))
    return together


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("line", [PCMU_8K, L16_16K], ids=str)
def test_silent_around_sensitive_keys(tmp_path: Path, scene: str, line: AudioFormat) -> None:
    rows, silent = SCENES[scene]
    left, right = recorded(tmp_path, rows, line)
    assert silent_ms(left, line) == joined(silent)
    assert np.all(right == right[0]), "the assistant's side stays"
    assert right[0] != 0


def test_redaction_keeps_no_more_than_it_needs(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    for word in (CallStarted("CA1", "MZ1", PCMU_8K), OpenAssistant("CA1", PCMU_8K), KEY):
        recording.saw(word, 0.0)
    for at_ms in range(0, 40_000, 20):
        recording.saw(CallerAudio(b"\x10" * 160, at_ms), at_ms / 1000)
    assert len(recording._tracks[0].audio) <= 8 * (KEPT_MS + 1_000), "the entry was never over"
    recording.close(40.0, NOTHING)


@pytest.mark.parametrize("line", [PCMU_8K, L16_16K, AudioFormat(Encoding.L16, 48_000)], ids=str)
def test_tones_that_no_carrier_reports_are_silenced_as_well(tmp_path: Path, line: AudioFormat) -> None:
    quiet = np.zeros(line.rate_hz, np.int16)
    typed = tones("4831", line.rate_hz, on_ms=80, off_ms=200)
    keys = np.concatenate([quiet, typed, quiet, quiet])
    hum = 1_000 * np.sin(np.arange(len(keys)) * 2 * np.pi * 200 / line.rate_hz)
    sound = (keys + hum).astype(np.int16)
    rows = [(500, ON), (3_000, ENTERED), (3_000, OFF)]
    left, _ = recorded(tmp_path, rows, line, encoder(line)(sound))
    at_ms = np.arange(len(left)) * 1000 / line.rate_hz
    assert not left[(at_ms > 800) & (at_ms < 2_000)].any()
    assert left[at_ms < 500].any()
    assert left[at_ms > 2_600].any(), "and no more than that"


def test_a_key_while_the_carrier_pauses_is_silent_when_its_sound_comes(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    for word in (CallStarted("CA1", "MZ1", PCMU_8K), OpenAssistant("CA1", PCMU_8K), ON):
        recording.saw(word, 0.0)
    recording.saw(CallerAudio(b"\x10" * 160, 0), 0.0)
    recording.saw(KEY, 5.0)
    for at_ms in range(5_000, 6_000, 20):
        recording.saw(CallerAudio(b"\x10" * 160, at_ms), at_ms / 1000)
    recording.close(6.0, NOTHING)
    (file,) = tmp_path.glob("*.wav")
    with wave.open(str(file)) as reader:
        left = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)[:, 0]
    assert silent_ms(left) == [(0, 5_160)]


def test_a_frame_that_comes_late_is_silent_too(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    for word in (CallStarted("CA1", "MZ1", PCMU_8K), OpenAssistant("CA1", PCMU_8K), ON):
        recording.saw(word, 0.0)
    for at_ms in [*range(0, 800, 20), *range(820, 1_000, 20)]:
        recording.saw(CallerAudio(b"\x10" * 160, at_ms), at_ms / 1000)
    recording.saw(KEY, 1.0)
    recording.saw(CallerAudio(b"\x10" * 160, 2_000), 2.0)
    recording.saw(CallerAudio(b"\x10" * 160, 800), 2.0)
    recording.close(2.0, NOTHING)
    (file,) = tmp_path.glob("*.wav")
    with wave.open(str(file)) as reader:
        left = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)[:, 0]
    assert silent_ms(left) == [(600, 2_000)]
