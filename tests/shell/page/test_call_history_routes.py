"""The history and the recording of a call over real sockets: under way, over, encrypted, and for whom there is none."""

import asyncio
import json
import threading
import wave
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from websockets.asyncio.client import connect

from bridge.config.settings import Settings
from bridge.observers.peaks import read_peaks
from bridge.shell.page import history
from bridge.shell.page.call_files import CallFiles
from bridge.shell.page.history_routes import MOST_HISTORIES, MOST_RECORDINGS
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.events import CallerSaid, DigitPressed

OPEN: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
FORWARDED = {"X-Forwarded-For": "192.0.2.7"}
JOURNAL = Path(__file__).parents[2] / "observers/call-journal.jsonl"


def server(**more: Any) -> Server:
    return Server(Settings.model_validate(OPEN | more))


def folders(path: Path) -> dict[str, Any]:
    return {"journal": {"directory": path}, "recording": {"directory": path}}


async def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.read()


async def test_a_call_that_is_over_is_drawn_from_its_files(tmp_path: Path) -> None:
    async with server(**folders(tmp_path)).running() as running:
        said = np.random.default_rng(1).integers(0, 256, 8000, np.uint8).tobytes()
        await place_call(
            f"ws://127.0.0.1:{running.port}/twilio/media",
            CallPlan(audio=said, digits=(Digit("4", 200),), linger_s=0.3),
        )
        await running.admission.idle()
        await running.files.written()
        (file,) = tmp_path.glob("*.wav")
        call_id = file.stem.partition("-")[2]
        status, headers, body = await get(running.port, f"/calls/{call_id}/history")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        history = json.loads(body)
        assert (history["call_id"], history["is_over"], history["missing"]) == (call_id, True, [])
        assert [text for _, text in history["digits"]] == ["•"]
        assert history["marks"]
        assert all(returned > sent and heard for sent, returned, heard in history["marks"] if returned)
        every_s, length_s, caller, other = history["peaks"]
        assert len(caller) == len(other) == -(-length_s // every_s)
        assert max(caller) > 100
        assert max(other) > 100
        status, headers, wav = await get(running.port, f"/calls/{call_id}/recording")
        assert (status, headers["Content-Type"], wav) == (200, "audio/wav", file.read_bytes())
        assert headers["X-Content-Type-Options"] == "nosniff"
        for asked, part in (("44-143", wav[44:144]), ("44-", wav[44:]), ("-100", wav[-100:])):
            status, headers, body = await get(
                running.port, f"/calls/{call_id}/recording", Range=f"bytes={asked}"
            )
            first = len(wav) - 100 if asked == "-100" else 44
            assert (status, body) == (206, part)
            assert headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(wav)}"
        for asked in ("999999999-", "5-4", "x", "1-2,5-6"):
            refused = await get(running.port, f"/calls/{call_id}/recording", Range=f"bytes={asked}")
            assert (refused[0], refused[1]["Content-Range"]) == (416, f"bytes */{len(wav)}")


async def test_further_requests_are_told_to_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than there are places, while none of them can be answered."""
    release = threading.Event()

    def find_nothing(_settings: Settings, _call_id: str) -> CallFiles:
        release.wait(10)
        return CallFiles()

    monkeypatch.setattr(history, "find_files", find_nothing)
    async with server(**folders(tmp_path)).running() as running, aiohttp.ClientSession() as http:
        for what, most in (("history", MOST_HISTORIES), ("recording", MOST_RECORDINGS)):
            release.clear()
            url = f"http://127.0.0.1:{running.port}/calls/CA1/{what}"
            asked = [asyncio.create_task(http.get(url)) for _ in range(most + 3)]
            done, _ = await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 3:
                more, _ = await asyncio.wait(
                    set(asked) - done, timeout=5, return_when=asyncio.FIRST_COMPLETED
                )
                assert more, "a request that has no place is answered at once"
                done |= more
            refused = [one.result() for one in done]
            assert {one.status for one in refused} == {503}
            assert {one.headers["Retry-After"] for one in refused} == {"2"}
            assert f"expected at most {most}" in (await refused[0].json())["detail"]
            release.set()
            answers = await asyncio.gather(*asked)
            assert sorted(one.status for one in answers) == [404] * most + [503] * 3
            assert (await http.get(url)).status == 404, "there is a place again"


START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ7",
    "start": {
        "streamSid": "MZ7",
        "callSid": "CA7",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}


async def test_a_call_under_way_without_a_journal_has_what_happened_while_somebody_watches() -> None:
    async with server().running() as running, aiohttp.ClientSession() as http:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as phone:
            await phone.send(json.dumps(START))
            while (await get(running.port, "/calls/CA7"))[0] != 200:
                pass
            before = json.loads((await get(running.port, "/calls/CA7/history"))[2])
            async with http.get(f"http://127.0.0.1:{running.port}/calls/CA7/events") as feed:
                assert await feed.content.readline() == b"event: snapshot\n"
                running.admission.active.tell("twilio", "CA7", CallerSaid("item-1", "Is anybody there?"))
                running.admission.active.tell("twilio", "CA7", DigitPressed("4"))
                during = json.loads((await get(running.port, "/calls/CA7/history"))[2])
        await running.admission.idle()
    assert (before["is_over"], before["said"], before["notes"]) == (False, [], [[0.0, "call starts"]])
    assert [(text, typed) for _, text, typed in during["said"]] == [("Is anybody there?", False)]
    assert [text for _, text in during["digits"]] == ["•"]
    assert during["missing"] == [
        "There is no journal of this call, so what happened before you looked is not shown: see [journal] in the settings.",
        "There is no recording of this call: see [recording] in the settings.",
    ]


@pytest.mark.parametrize("path", ["/calls/CA7/history", "/calls/CA7/recording"])
@pytest.mark.parametrize("headers", [FORWARDED, {"Host": "evil.example"}])
async def test_nobody_else_sees_a_call(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    (tmp_path / "20260101T000000-CA7.jsonl").write_bytes(JOURNAL.read_bytes())
    async with server(**folders(tmp_path)).running() as running:
        assert (await get(running.port, path, **headers))[0] == 404


@pytest.mark.parametrize(
    "call_id", ["CA8", "..", "..%2F..%2Fetc%2Fpasswd", "*", "CA", "%00", "20260101T000000-CA7"]
)
async def test_there_is_no_such_call(tmp_path: Path, call_id: str) -> None:
    (tmp_path / "20260101T000000-CA7.jsonl").write_bytes(JOURNAL.read_bytes())
    async with server(**folders(tmp_path)).running() as running:
        assert (await get(running.port, f"/calls/{call_id}/history"))[0] == 404
        assert (await get(running.port, f"/calls/{call_id}/recording"))[0] == 404


async def test_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000-CA7.jsonl").write_bytes(JOURNAL.read_bytes())
    (tmp_path / "20260101T000000-CA7.wav.age").write_bytes(b"age-encryption.org/v1")
    (tmp_path / "20260101T000000-CA8.jsonl.age").write_bytes(b"age-encryption.org/v1")
    (tmp_path / "20260101T000000-CA9.jsonl").write_bytes(b"{}\n{}\n")
    (tmp_path / "20260101T000000-CA9.wav").write_bytes(b"no sound")
    async with server(**folders(tmp_path)).running() as running:
        told = {
            name: json.loads((await get(running.port, f"/calls/{name}/history"))[2])
            for name in ("CA7", "CA8", "CA9")
        }
    assert told["CA7"]["missing"] == ["The recording is encrypted."]
    assert told["CA7"]["cuts"] == [[2.125, 0.3, True], [3.75, 0.0, False]]
    assert told["CA8"]["missing"] == [
        "The journal is encrypted.",
        "There is no recording of this call: see [recording] in the settings.",
    ]
    assert told["CA9"]["missing"] == ["The journal cannot be read.", "The recording cannot be read."]


async def test_many_who_ask_are_answered_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000-CA7.jsonl").write_bytes(JOURNAL.read_bytes())
    async with server(**folders(tmp_path)).running() as running:
        answers = await asyncio.gather(*(get(running.port, "/calls/CA7/history") for _ in range(20)))
    assert {status for status, _, _ in answers} == {200}


def test_peaks_of_a_recording(tmp_path: Path) -> None:
    samples = np.zeros((16_000, 2), "<i2")
    samples[4_000, 0], samples[12_000, 1] = -32768, 3_277
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    peaks = read_peaks(path)
    assert (peaks.every_s, peaks.length_s, len(peaks.caller), len(peaks.other)) == (0.05, 2.0, 40, 40)
    assert [(index, peak) for index, peak in enumerate(peaks.caller) if peak] == [(10, 127)]
    assert [(index, peak) for index, peak in enumerate(peaks.other) if peak] == [(30, 13)]


def test_a_long_recording_has_coarser_peaks(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000 * 4 * 600))
    peaks = read_peaks(path)
    assert (peaks.every_s, len(peaks.caller)) == (0.1, 6_000)


@pytest.mark.parametrize("content", [b"", b"RIFF", bytes(100)])
def test_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not a recording: expected a WAV"):
        read_peaks(path)
