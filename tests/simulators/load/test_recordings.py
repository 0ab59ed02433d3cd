"""Recordings for load tests: WAV files of all kinds, traces, folders; and what each bad one is told."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.recordings import check_recordings, find_recordings, read_recording
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K
from telecodecs.wav import wav_encode

FIXTURES = Path(__file__).parents[3] / "fixtures"


def wav(
    path: Path, samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", rate_hz: int, channels: int = 1
) -> Path:
    file = bytearray(wav_encode(samples, rate_hz))
    struct.pack_into("<HIIH", file, 22, channels, rate_hz, rate_hz * 2 * channels, 2 * channels)
    path.write_bytes(file)
    return path


def tone(rate_hz: int, seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return (9000 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


def loudest_hz(audio: bytes) -> float:
    heard = decoder(PCMU_8K)(audio).astype(float)
    return float(np.fft.rfftfreq(len(heard), 1 / 8000)[np.abs(np.fft.rfft(heard)).argmax()])


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100, 48_000])
def test_any_rate_is_resampled(tmp_path: Path, rate_hz: int) -> None:
    read = read_recording(str(wav(tmp_path / "a.wav", tone(rate_hz, 12), rate_hz)), PCMU_8K, 60)
    assert len(read.frames) == 600
    assert loudest_hz(b"".join(read.frames)) == pytest.approx(440, abs=1)


def test_stereo_is_mixed(tmp_path: Path) -> None:
    both = np.column_stack([tone(8000, 12), np.zeros(96_000, np.int16)]).reshape(-1)
    read = read_recording(str(wav(tmp_path / "a.wav", both, 8000, channels=2)), PCMU_8K, 60)
    assert len(read.frames) == 600
    assert loudest_hz(b"".join(read.frames)) == pytest.approx(440, abs=1)


def test_of_an_hour_no_more_is_read_than_a_call_can_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "hour.wav", tone(44_100, 1), 44_100)
    with path.open("r+b") as file:
        file.truncate(44 + 3600 * 88_200)  # a hole: it takes no room
        file.seek(40)
        file.write(struct.pack("<I", 3600 * 88_200))
    sizes: list[int] = []
    monkeypatch.setattr(
        "bridge.simulators.load.recordings.wav_decode",
        lambda file: sizes.append(len(file)) or (tone(44_100, 30), 44_100),  # type: ignore[func-returns-value]
    )
    assert len(read_recording(str(path), PCMU_8K, 30).frames) == 1500
    assert sizes[0] < 31 * 88_200 + 65_536


BAD = [
    ("empty.wav", b"", "this is not a WAV file"),
    ("mp3.wav", b"ID3\x04" + bytes(500), "this is not a WAV file"),
    ("text.wav", b"hello " * 100, "this is not a WAV file"),
    ("cut.wav", wav_encode(tone(8000, 0.1), 8000)[:30], "the WAV file has no format or no audio"),
    ("silent.wav", wav_encode(np.zeros(0, np.int16), 8000), "there is no audio in it"),
    ("empty.jsonl", b"", "the trace has no audio of the caller"),
    ("other.jsonl", b'{"a": 1}\n{"b": 2}\n', "the trace has no audio of the caller"),
    ("text.jsonl", b"hello\nworld\n", "line 1 is not JSON"),
]


@pytest.mark.parametrize(("name", "content", "why"), BAD, ids=[name for name, _, _ in BAD])
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_recording(str(tmp_path / name), PCMU_8K, 60)
    assert why in str(refused.value)
    assert name in str(refused.value)


def test_a_trace_says_what_its_caller_said() -> None:
    read = read_recording(str(FIXTURES / "call-parrot.jsonl"), PCMU_8K, 60)
    assert read.beginnings, "the caller spoke"
    longer = read_recording(str(FIXTURES / "call-parrot.jsonl"), L16_16K, 60)
    assert len(longer.frames) == len(read.frames)
    assert len(longer.frames[0]) == 640


def trace(path: Path, *messages: tuple[int, Mapping[str, object]]) -> str:
    lines = [json.dumps({"at_ms": at_ms, "to": "bridge", "message": message}) for at_ms, message in messages]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def media(at_ms: int, code: str) -> tuple[int, Mapping[str, object]]:
    return at_ms, {
        "event": "media",
        "media": {"track": "inbound", "timestamp": str(at_ms), "payload": code * 40},
    }


def test_what_a_trace_lacks_is_silence_and_keys_are_pressed_again(tmp_path: Path) -> None:
    start = {"event": "start", "start": {"media_format": {"encoding": "PCMA", "sample_rate": 8000}}}
    key = {"event": "dtmf", "dtmf": {"digit": "5"}}
    hidden = {"event": "dtmf", "dtmf": {"digit": "?"}}
    file = trace(
        tmp_path / "a.jsonl", (0, start), media(20, "AAAA"), media(80, "BBBB"), (90, key), (95, hidden)
    )
    read = read_recording(file, PCMA_8K, 60)
    sound = [bool(np.abs(decoder(PCMA_8K)(frame).astype(int)).max() > 8) for frame in read.frames[:6]]
    assert sound == [False, True, False, False, True, False]
    assert read.digits == ((90, "5"),)


def test_a_trace_that_is_cut_off_is_used_up_to_there(tmp_path: Path) -> None:
    file = Path(trace(tmp_path / "a.jsonl", media(0, "AAAA"), media(20, "BBBB")))
    file.write_bytes(file.read_bytes()[:-30])
    assert read_recording(str(file), PCMU_8K, 60).frames[0] == bytes(120) + b"\xff" * 40


def test_a_codec_that_is_not_read_is_named(tmp_path: Path) -> None:
    start = {"event": "start", "start": {"media_format": {"encoding": "OPUS", "sample_rate": 16000}}}
    with pytest.raises(ConfigurationError, match="expected PCMU, PCMA or L16"):
        read_recording(trace(tmp_path / "a.jsonl", (0, start), media(0, "AAAA")), PCMU_8K, 60)


def test_a_folder_is_its_recordings_by_name(tmp_path: Path) -> None:
    for name in ("b.wav", "a.WAV", "c.jsonl", "d.txt"):
        (tmp_path / name).touch()
    assert [Path(file).name for file in find_recordings(tmp_path)] == ["a.WAV", "b.wav", "c.jsonl"]


def test_a_folder_without_recordings_and_a_file_that_is_missing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no recording in this folder"):
        find_recordings(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no such file or folder"):
        find_recordings(tmp_path / "x.wav")


def test_nobody_interrupts_without_speech(tmp_path: Path) -> None:
    file = wav(tmp_path / "hush.wav", np.zeros(8000, np.int16), 8000)
    plan = LoadPlan("ws://127.0.0.1/", (str(file),), "twilio", calls=1, barge_in=0.5)
    with pytest.raises(ConfigurationError, match="--barge-in: there is no speech in"):
        check_recordings(plan, PCMU_8K)
