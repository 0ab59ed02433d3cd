"""The recording: left on the carrier's clock, right as heard, valid at any moment."""

import io
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from bridge.observers import recording as recording_module
from bridge.observers.recording import KEPT_MS, LONGEST_GAP_MS, MOST_BYTES, Recording, _header
from bridge.vocabulary.commands import ClearPlayback, HangUp, OpenAssistant, PlayAudio
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallerAudio, CallStarted, OtherPartyAudio, Word
from bridge.vocabulary.people import CloseStream, PeopleJoined
from telecodecs.format import L16_16K, PCMU_8K
from telecodecs.g711 import ulaw_decode

NOTHING = Account({}, {}, 0.0, 0.0, [])
STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def tone(length_ms: int, code: int = 0x10) -> bytes:
    return bytes([code]) * (8 * length_ms)


def begun(directory: Path) -> Recording:
    recording = Recording(directory, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    recording.saw(OpenAssistant("CA1", PCMU_8K), 0.0)
    return recording


def hear(
    recording: Recording,
    from_ms: int,
    until_ms: int,
    code: int = 0x10,
    *,
    set_by_ms: int = 0,
    both: bool = False,
) -> None:
    """`set_by_ms`: what the carrier's clock shows more than the time that passed."""
    for at_ms in range(from_ms, until_ms, 20):
        recording.saw(CallerAudio(tone(20, code), at_ms + set_by_ms), at_ms / 1000)
        if both:
            recording.saw(OtherPartyAudio(tone(20, code), at_ms + set_by_ms), at_ms / 1000)


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
    recording.close(0.0, NOTHING)
    left, right = tracks(tmp_path)
    assert stretches(left) == [(0, 100), (180, 200), (360, 460)]
    assert left[0] == sounding(0x10)
    assert not right.any()


def test_a_reply_plays_from_when_it_was_sent_at_the_callers_pace(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 200, code=0xFF)
    recording.saw(PlayAudio(tone(300)), 0.0)
    hear(recording, 200, 1500, code=0xFF)
    recording.close(0.0, NOTHING)
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
    recording.close(0.0, NOTHING)
    assert stretches(tracks(tmp_path)[1]) == [(0, heard_ms), (900, 1000)], why


def test_what_was_sent_and_not_heard_before_the_end_is_not_there(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1000)), 0.0)
    hear(recording, 0, 260, code=0xFF)
    recording.close(0.0, NOTHING)
    left, right = tracks(tmp_path)
    assert len(left) == 260 * 8
    assert stretches(right) == [(0, 260)]


def test_both_tracks_of_a_call_that_is_listened_to(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for at_ms in range(0, 200, 20):
        recording.saw(CallerAudio(tone(20, 0x10), at_ms), 0.0)
        recording.saw(OtherPartyAudio(tone(20, 0x90), at_ms), 0.0)
    recording.close(0.0, NOTHING)
    left, right = tracks(tmp_path)
    assert set(left) == {sounding(0x10)}
    assert set(right) == {sounding(0x90)}


def test_the_file_is_valid_at_any_moment_and_lacks_a_second_at_most(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for until_ms in range(20, 3000, 20):
        hear(recording, until_ms - 20, until_ms)
        left, _ = tracks(tmp_path)
        assert until_ms - 1000 <= len(left) / 8 <= until_ms
    recording.close(0.0, NOTHING)


SILENT = 0xFF


def test_stamps_that_wander_make_no_seam(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for at_ms in (0, 21, 39, 61, 99, 80, 119, 141):  # and two change places
        recording.saw(CallerAudio(tone(20), at_ms), at_ms / 1000)
    recording.close(0.16, NOTHING)
    assert stretches(tracks(tmp_path)[0]) == [(0, 160)]


def test_a_late_frame_finds_its_place_in_what_is_written(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 200)
    hear(recording, 220, 2000)
    assert stretches(tracks(tmp_path)[0])[0] == (0, 200)
    recording.saw(CallerAudio(tone(20), 200), 2.0)
    recording.close(2.0, NOTHING)
    assert stretches(tracks(tmp_path)[0]) == [(0, 2000)]


@pytest.mark.parametrize("stamp", [10**12, 59_000, 2_500, 1_100, 150, -5_000])
def test_a_frame_whose_timestamp_does_not_fit_is_dropped(tmp_path: Path, stamp: int) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 100)
    recording.saw(CallerAudio(tone(20, SILENT), stamp), 0.1)
    hear(recording, 100, 4000)
    recording.close(4.0, NOTHING)
    assert stretches(tracks(tmp_path)[0]) == [(0, 4000)]


@pytest.mark.parametrize("set_by_ms", [-5_000, -100_000, 3_000, 10**9])
@pytest.mark.parametrize("both", [False, True])
def test_a_clock_that_is_set_loses_nothing(tmp_path: Path, set_by_ms: int, both: bool) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 4000, 0x10, both=both)
    hear(recording, 4000, 6000, 0x20, set_by_ms=set_by_ms, both=both)
    recording.close(6.0, NOTHING)
    for track in tracks(tmp_path)[: 2 if both else 1]:
        assert stretches(track) == [(0, 6000)]
        assert track[4000 * 8 - 1] == sounding(0x10)
        assert track[4000 * 8] == sounding(0x20)


def test_both_tracks_stay_side_by_side_when_the_clock_is_set_between_them(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 2980, SILENT, both=True)
    recording.saw(CallerAudio(tone(20, SILENT), 2980), 2.98)
    recording.saw(OtherPartyAudio(tone(20, SILENT), -7020), 2.98)  # set, by 10 s
    hear(recording, 3000, 4500, SILENT, set_by_ms=-10_000, both=True)
    hear(recording, 4500, 5000, set_by_ms=-10_000, both=True)
    recording.close(5.0, NOTHING)
    left, right = (stretches(track) for track in tracks(tmp_path))
    assert left == right
    assert len(left) == 1


def test_one_track_alone_may_have_another_clock(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for at_ms in range(0, 3000, 20):
        recording.saw(CallerAudio(tone(20), at_ms), at_ms / 1000)
        recording.saw(OtherPartyAudio(tone(20), at_ms + 10**6), at_ms / 1000)
    recording.close(3.0, NOTHING)
    left, right = (stretches(track) for track in tracks(tmp_path))
    assert left == [(0, 3000)]
    assert right == [(20, 3020)]  # where the recording was when it began


@pytest.mark.parametrize(("pause_ms", "kept_ms"), [(45_000, 45_000), (90_000, LONGEST_GAP_MS)])
def test_a_pause_is_kept_up_to_a_minute(tmp_path: Path, pause_ms: int, kept_ms: int) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 1000, both=True)
    recording.saw(OtherPartyAudio(tone(20), 1000 + pause_ms), 1 + pause_ms / 1000)
    hear(recording, 1020 + pause_ms, 2000 + pause_ms, both=True)
    recording.close(0.0, NOTHING)
    left, right = (stretches(track) for track in tracks(tmp_path))
    assert right == [(0, 1000), (1000 + kept_ms, 2000 + kept_ms)]
    assert left == [(0, 1000), (1020 + kept_ms, 2000 + kept_ms)]


def test_silence_does_not_run_ahead_of_the_time_that_passed(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for n in range(500):
        recording.saw(CallerAudio(tone(20), n * 59_000), 1 + n / 1000)
    for n in range(50):
        recording.saw(CallerAudio(tone(20), n * 1_900), 1.5)
    recording.close(1.5, NOTHING)
    assert len(tracks(tmp_path)[0]) <= (1_500 + 2_000 + 550 * 20) * 8


@pytest.mark.parametrize("spoken_ms", [400, 3000])
def test_a_resumed_stream_goes_on_where_it_came(tmp_path: Path, spoken_ms: int) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, spoken_ms)
    back_ms = spoken_ms + 600
    recording.saw(CallStarted("CA1", "MZ2", PCMU_8K), back_ms / 1000)
    hear(recording, back_ms, back_ms + 400, set_by_ms=-back_ms)  # it counts anew
    recording.close(0.0, NOTHING)
    assert stretches(tracks(tmp_path)[0]) == [(0, spoken_ms), (back_ms, back_ms + 400)]


def test_what_the_assistant_said_meanwhile_is_heard_when_the_stream_is_resumed(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    hear(recording, 0, 400)
    recording.saw(CallStarted("CA1", "MZ2", PCMU_8K), 1.0)
    recording.saw(PlayAudio(tone(200)), 1.0)
    hear(recording, 1000, 1400, set_by_ms=-1000)
    recording.close(0.0, NOTHING)
    assert stretches(tracks(tmp_path)[1]) == [(1000, 1200)]


@pytest.mark.parametrize("left", [CloseStream("put through"), PeopleJoined("B1")])
def test_music_that_was_not_played_when_the_stream_was_left_delays_nothing_behind_it(
    tmp_path: Path, left: Word
) -> None:
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1400)), 0.0)
    hear(recording, 0, 400)
    recording.saw(left, 0.4)
    recording.saw(CallStarted("CA1", "MZ2", PCMU_8K), 1.0)
    recording.saw(PlayAudio(tone(200)), 1.0)
    hear(recording, 1000, 1400, set_by_ms=-1000)
    recording.close(0.0, NOTHING)
    assert stretches(tracks(tmp_path)[1]) == [(0, 400), (1000, 1200)]


def test_what_is_played_in_another_format_is_heard_in_the_line_s(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", PCMU_8K, plays=L16_16K), 0.0)
    recording.saw(OpenAssistant("CA1", PCMU_8K, plays=L16_16K), 0.0)
    recording.saw(PlayAudio(np.full(16_000, 8_000, "<i2").tobytes()), 0.0)
    hear(recording, 0, 400, code=0xFF)
    recording.saw(ClearPlayback(16_000 - 4_800), 0.4)  # 300 ms were heard
    hear(recording, 400, 900, code=0xFF)
    recording.close(0.0, NOTHING)
    right = tracks(tmp_path)[1]
    assert abs(right[80:2400] - 8_000).max() < 300  # a step of mu-law
    assert not right[2400:].any()


def test_a_wav_that_is_full_is_closed_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_header(8000, MOST_BYTES)) == 44
    monkeypatch.setattr(recording_module, "MOST_BYTES", 2_000 * 32)
    recording = begun(tmp_path)
    with capture_logs() as logs:
        hear(recording, 0, 5000)
        recording.close(5.0, NOTHING)
    assert [line["error"] for line in logs] == ["a WAV file holds no more"]
    assert stretches(tracks(tmp_path)[0]) == [(0, 2000)]


def test_half_a_sample_is_no_trouble(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", L16_16K), 0.0)
    recording.saw(OpenAssistant("CA1", L16_16K), 0.0)
    for n, size in enumerate((641, 0, 1, 640)):
        recording.saw(CallerAudio(b"\x01" * size, n * 20), 0.0)
    recording.close(0.1, NOTHING)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == 44 + 80 * 16 * 4


@pytest.mark.parametrize("marks_late_ms", [300, 1_500])
def test_a_clear_cuts_the_voice_and_not_the_silence_behind_it(tmp_path: Path, marks_late_ms: int) -> None:
    """The marks come late, so by the ledger the reply is still playing when on this clock it is over."""
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1000)), 0.0)
    barge_in_ms = 860 + marks_late_ms
    hear(recording, 0, barge_in_ms, SILENT)
    recording.saw(ClearPlayback(1120), barge_in_ms / 1000)
    hear(recording, barge_in_ms, 3000, SILENT)
    recording.close(3.0, NOTHING)
    _, right = tracks(tmp_path)
    assert np.count_nonzero(right) == 6880
    assert stretches(right) == [(0, 860)]


def test_a_clear_cuts_a_voice_that_faltered(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for from_ms in (0, 300):
        recording.saw(PlayAudio(tone(200)), from_ms / 1000)
        hear(recording, from_ms, from_ms + 300, SILENT)
    recording.saw(ClearPlayback(250 * 8), 0.6)
    recording.saw(ClearPlayback(50 * 8), 0.6)
    recording.close(0.6, NOTHING)
    assert stretches(tracks(tmp_path)[1]) == [(0, 100)]


def test_what_is_too_old_is_not_cut(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    recording.saw(PlayAudio(tone(1000)), 0.0)
    hear(recording, 0, KEPT_MS + 1500, SILENT)
    recording.saw(ClearPlayback(8000), 3.5)
    recording.close(3.5, NOTHING)
    ((begin_ms, end_ms),) = stretches(tracks(tmp_path)[1])
    assert begin_ms == 0
    assert end_ms == pytest.approx(1000, abs=500)


@pytest.mark.parametrize("one_way", [False, True])
def test_a_call_that_is_refused_leaves_no_file(tmp_path: Path, one_way: bool) -> None:
    recording = Recording(tmp_path, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", PCMU_8K, one_way=one_way), 0.0)
    recording.saw(HangUp(1008, "the token was made for another call"), 0.0)
    recording.close(0.0, NOTHING)
    assert not list(tmp_path.iterdir())


def test_a_call_that_is_listened_to_is_recorded_from_its_first_frame(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    recording.saw(CallStarted("CA1", "MZ1", PCMU_8K, one_way=True), 0.0)
    hear(recording, 0, 100)
    recording.close(0.1, NOTHING)
    assert stretches(tracks(tmp_path)[0]) == [(0, 100)]


def test_two_streams_of_one_call_in_one_second_have_a_file_each(tmp_path: Path) -> None:
    for until_ms in (100, 200):
        recording = begun(tmp_path)
        hear(recording, 0, until_ms)
        recording.close(0.2, NOTHING)
    sizes = sorted(path.stat().st_size for path in tmp_path.iterdir())
    assert sizes == [44 + 100 * 32, 44 + 200 * 32]


def test_a_call_without_a_start_leaves_no_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path, STARTED)
    hear(recording, 0, 100)
    recording.close(0.0, NOTHING)
    assert not list(tmp_path.iterdir())
