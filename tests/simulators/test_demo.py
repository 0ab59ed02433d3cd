"""The command `demo`: one real call, and what its files contain."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.config.audio_file import read_wav
from telecodecs.g711 import ulaw_decode
from telecodecs.level import dbfs

FIXTURES = Path(__file__).parents[2] / "fixtures"
SAID = json.loads((FIXTURES / "spoken.json").read_text())["talk-over.wav"]["spoken"]


def samples(mulaw: bytes) -> NDArray[np.float64]:
    return ulaw_decode(np.frombuffer(mulaw, np.uint8)).astype(np.float64)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Where the files are, and what was printed."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "bridge", "demo", "--json", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out, json.loads(done.stdout)


def journal(out: Path, what: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines())
    return [line for line in lines if line["what"] == what]


def test_the_files_and_the_history_are_there(demo: tuple[Path, dict[str, Any]]) -> None:
    out, told = demo
    names = ["caller-heard.wav", "trace.jsonl", "call.wav", "journal.jsonl", "timeline.png"]
    assert [Path(file).name for file in told["files"]] == names
    assert all((out / name).stat().st_size for name in names)
    assert (out / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert told["ending"] == "the caller had nothing left to say, and the line was quiet"
    assert told["digits"] == "42"
    assert told["warnings"] == []
    assert len(told["clears"]) == 1
    assert told["turn_latency"]["count"] == 2


def test_the_sentence_comes_back_whole_and_at_its_level(demo: tuple[Path, dict[str, Any]]) -> None:
    out, _ = demo
    heard = samples(read_wav(out / "caller-heard.wav"))
    last = SAID[-1]
    said = samples(read_wav(FIXTURES / "talk-over.wav"))[last["start_ms"] * 8 : last["end_ms"] * 8]
    after = heard[last["end_ms"] * 8 :]
    match = np.correlate(after, said, "valid")
    begin = int(np.argmax(match))
    back = after[begin : begin + len(said)]
    assert np.corrcoef(back, said)[0, 1] >= 0.95
    assert dbfs(back.astype(np.int16)) == pytest.approx(dbfs(said.astype(np.int16)), abs=0.1)


def test_barge_in_silences_the_reply(demo: tuple[Path, dict[str, Any]]) -> None:
    out, told = demo
    heard = samples(read_wav(out / "caller-heard.wav"))
    (clear,) = told["clears"]
    assert clear["dropped_ms"] > 1000
    cleared = int(clear["at_ms"] * 8)
    assert np.any(heard[cleared - 8000 : cleared])
    assert not np.any(heard[cleared + 800 : SAID[-1]["end_ms"] * 8])
    # and soon: speech is detected after 100 ms of it
    assert clear["at_ms"] - SAID[-1]["start_ms"] <= 200


def test_the_journal_has_what_was_heard(demo: tuple[Path, dict[str, Any]]) -> None:
    out, told = demo
    (cut,) = journal(out, "TruncateReply")
    (clear,) = told["clears"]
    said = next(run for run in journal(out, "ReplyAudio") if run["item"] == cut["item"])
    heard_ms = said["bytes"] / 8 - clear["dropped_ms"]
    assert cut["heard_ms"] == pytest.approx(heard_ms, abs=20)


def test_one_wait_has_one_number(demo: tuple[Path, dict[str, Any]]) -> None:
    """The terminal's, measured by the phone; the journal's, by the bridge; and the silence in the recording."""
    out, told = demo
    waits = [turn["wait_ms"] for turn in journal(out, "Ended")[0]["turns"]]
    by_phone = told["turn_latency"]
    assert [by_phone["p50_ms"], by_phone["max_ms"]] == pytest.approx(sorted(waits), abs=40)
    stereo = np.frombuffer((out / "call.wav").read_bytes()[44:], "<i2").reshape(-1, 2)
    caller, other = (np.flatnonzero(np.abs(stereo[:, side].astype(np.int32)) > 400) / 8 for side in (0, 1))
    begins = [at for at, before in zip(other[1:], other, strict=False) if at - before > 1500][:2]
    recorded = [at - caller[caller < at][-1] for at in begins]
    assert recorded == pytest.approx(waits, abs=40)


def test_the_recording_holds_what_both_heard(demo: tuple[Path, dict[str, Any]]) -> None:
    out, _ = demo
    stereo = np.frombuffer((out / "call.wav").read_bytes()[44:], "<i2").reshape(-1, 2).astype(np.float64)
    said, heard = samples(read_wav(FIXTURES / "talk-over.wav")), samples(read_wav(out / "caller-heard.wav"))
    assert np.array_equal(stereo[: len(said), 0], said)
    for begin_s, end_s in ((0, 2), (5, 9), (10, 13)):  # the chime, the reply that is cut, the whole one
        stretch = stereo[begin_s * 8000 : end_s * 8000, 1]
        around = heard[max(0, begin_s * 8000 - 400) : end_s * 8000 + 400]
        match = np.correlate(around, stretch, "valid")
        energy = np.sqrt(np.sum(stretch**2) * np.sum(heard[begin_s * 8000 : end_s * 8000] ** 2))
        assert np.max(match) / energy >= 0.95
