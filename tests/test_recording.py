"""The recording: left on the carrier's clock, right as heard, valid at any moment."""

import io
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.events import CallerAudio, CallStarted, ClearPlayback, OtherPartyAudio, PlayAudio
from bridge.recording import Recording
from telecodecs.format import PCMU_8K
from telecodecs.g711 import ulaw_decode

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def tone(length_ms: int, code: int = 0x10) -> bytes:
    return bytes([code]) * (8 * length_ms)


def begun(directory: Path) -> Recording:
    recording = Recording(directory, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    return recording


def hear(recording: Recording, from_ms: int, until_ms: int, code: int = 0x10) -> None:
    for at_ms in range(from_ms, until_ms, 20):
        recording.saw(CallerAudio(tone(20, code), at_ms), 0.0)


def tracks(directory: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    (file,) = directory.glob("*.wav")
    with wave.open(io.BytesIO(file.read_bytes())) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (2, 2, 8000)
        stereo = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, 2)
    return stereo[:, 0], stereo[:, 1]


def stretches(track: NDArray[np.int16]) -> list[tuple[float, float]]:
    """Where it sounds, in ms."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (track != 0).astype(int), [0]])))
    return [(start / 8, end / 8) for start, end in edges.reshape(-1, 2)]


def sounding(code: int) -> int:
    return int(ulaw_decode(np.array([code], np.uint8))[0])


def test_the_caller_stands_where_the_carrier_s_clock_says(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 40, 140)
    hear(recording, 400, 500)  # 260 ms were lost
    recording.saw(CallerAudio(tone(20), 220), 0.0)  # one of them comes late
    recording.close(0.0, {})
    left, right = tracks(tmp_path)
    assert stretches(left) == [(0, 100), (180, 200), (360, 460)]
    assert left[0] == sounding(0x10)
    assert not right.any()


def test_a_reply_plays_from_when_it_was_sent_at_the_callers_pace(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 200, code=0xFF)
    recording.saw(PlayAudio(tone(300)), 0.0)
    hear(recording, 200, 1500, code=0xFF)
    recording.close(0.0, {})
    assert stretches(tracks(tmp_path)[1]) == [(200, 500)]


@pytest.mark.parametrize(
    ("heard_ms", "why"),
    [(400, "as this clock has it"), (360, "the ledger says less"), (430, "the ledger says more")],
)
def test_a_clear_cuts_where_the_ledger_says(tmp_path: Path, heard_ms: int, why: str) -> None:
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1000)), 0.0)
    hear(recording, 0, 400, code=0xFF)
    recording.saw(ClearPlayback((1000 - heard_ms) * 8), 0.0)
    hear(recording, 400, 900, code=0xFF)
    recording.saw(PlayAudio(tone(100)), 0.0)
    hear(recording, 900, 1100, code=0xFF)
    recording.close(0.0, {})
    assert stretches(tracks(tmp_path)[1]) == [(0, heard_ms), (900, 1000)], why


def test_what_was_sent_and_not_heard_before_the_end_is_not_there(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1000)), 0.0)
    hear(recording, 0, 260, code=0xFF)
    recording.close(0.0, {})
    left, right = tracks(tmp_path)
    assert len(left) == 260 * 8
    assert stretches(right) == [(0, 260)]


def test_both_tracks_of_a_call_that_is_listened_to(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for at_ms in range(0, 200, 20):
        recording.saw(CallerAudio(tone(20, 0x10), at_ms), 0.0)
        recording.saw(OtherPartyAudio(tone(20, 0x90), at_ms), 0.0)
    recording.close(0.0, {})
    left, right = tracks(tmp_path)
    assert set(left) == {sounding(0x10)}
    assert set(right) == {sounding(0x90)}


def test_the_file_is_valid_at_any_moment_and_lacks_a_second_at_most(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for until_ms in range(20, 3000, 20):
        hear(recording, until_ms - 20, until_ms)
        left, _ = tracks(tmp_path)
        assert until_ms - 1000 <= len(left) / 8 <= until_ms
    recording.close(0.0, {})


def test_a_timestamp_gone_mad_costs_its_frame(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 100)
    recording.saw(CallerAudio(tone(20), 10**9), 0.0)
    recording.saw(CallerAudio(tone(20), -5_000), 0.0)
    hear(recording, 100, 200)
    recording.close(0.0, {})
    left, _ = tracks(tmp_path)
    assert len(left) == 200 * 8


def test_a_call_without_a_start_leaves_no_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    hear(recording, 0, 100)
    recording.close(0.0, {})
    assert not list(tmp_path.iterdir())
