"""Whole calls over loopback in each of Telnyx's codecs, each direction for itself: what was said is recorded, and what
was echoed is heard. Calls are carried side by side: each takes as long as what is said in it.
"""

import asyncio
import json
import sys
import wave
from base64 import b64decode, b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from websockets.asyncio.client import connect

from bridge.config.audio_file import read_wav, write_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange, telnyx_exchange
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from telecodecs.codec import decoder
from telecodecs.format import L16_8K, PCMU_8K, Samples
from telecodecs.level import dbfs
from telecodecs.resample import resample
from tests.processes import free_port
from tests.punctual import Round, carried_in_time

FIXTURES = Path(__file__).parents[3] / "fixtures"
SENTENCE = FIXTURES / "sentence-en-us-female.wav"
SAID_MS = 1600
AT_ONCE = (9, 4, 2)  # half of them first: with more, the encoders make the phones late

SAMPLES, PACKETS = 0.95, 0.9
"""How like itself the sentence must come back from samples, and from packets."""


class Way(NamedTuple):
    """Words of `voicebridge call`, what the server has set of Telnyx, and how alike both directions must be."""

    call: dict[str, Any]
    telnyx: dict[str, Any]
    said: float = SAMPLES
    heard: float = SAMPLES


L16: dict[str, Any] = {"codec": "L16"}
WAYS = {
    "PCMU": Way({"codec": "PCMU"}, {}),
    "PCMA": Way({"codec": "PCMA"}, {"codec": "PCMA"}),
    "L16, little endian": Way(L16, L16),
    "L16, big endian": Way(L16 | {"byteorder": "big"}, L16 | {"l16_byteorder": "big"}),
    "L16, measured to be little endian": Way(L16, L16 | {"l16_byteorder": "auto"}),
    "L16, measured to be big endian": Way(L16 | {"byteorder": "big"}, L16 | {"l16_byteorder": "auto"}),
    "L16 at 8 kHz": Way(L16 | {"rate_hz": 8000}, L16 | {"sampling_rate": 8000}),
    "L16 at 8 kHz, measured to be big endian": Way(
        L16 | {"rate_hz": 8000, "byteorder": "big"},
        L16 | {"sampling_rate": 8000, "l16_byteorder": "auto"},
    ),
    "L16 at 24 kHz": Way(L16 | {"rate_hz": 24_000}, L16 | {"sampling_rate": 24_000}),
    "G722": Way({"codec": "G722"}, {"codec": "G722"}, PACKETS, PACKETS),
    "OPUS": Way({"codec": "OPUS"}, {"codec": "OPUS"}, PACKETS, PACKETS),
    "PCMU in, L16 out": Way({"codec": "PCMU", "play_codec": "L16"}, L16),
    "PCMA in, PCMU out": Way({"codec": "PCMA", "play_codec": "PCMU"}, {}),
    "G722 in, PCMU out": Way({"codec": "G722", "play_codec": "PCMU"}, {}, PACKETS, PACKETS),
    "PCMU in, OPUS out": Way({"play_codec": "OPUS"}, {"codec": "OPUS"}, SAMPLES, PACKETS),
    "L16, measured to be big endian, in, G722 out": Way(
        L16 | {"byteorder": "big", "play_codec": "G722"},
        {"codec": "G722", "l16_byteorder": "auto"},
        SAMPLES,
        PACKETS,
    ),
    "PCMU in, MP3 out": Way({"play_codec": "MP3"}, {"mode": "mp3"}, SAMPLES, PACKETS),
}
AMR_WB_FRAMES = [(FIXTURES / "half-second.awb").read_bytes()[9 + 33 * n :][:33] for n in range(25)]
"""Behind the file's magic number: a byte that says what the frame is, then the frame."""


class Recorded(NamedTuple):
    caller: Samples
    """At 16 kHz."""
    rate_hz: int
    """Of the file."""

    @property
    def ms(self) -> int:
        return len(self.caller) // 16


class Carried(NamedTuple):
    report: CallReport
    recorded: Recorded

    @property
    def heard(self) -> Samples:
        """What came back, without the pauses where it came late."""
        plays = self.report.plays
        return at_16k(decoder(plays)(b"".join(audio for _, audio in self.report.received)), plays.rate_hz)


def settings(folder: Path, **telnyx: Any) -> Settings:
    return Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "recording": {"directory": folder},
            "telnyx": telnyx,
        }
    )


def recorded(folder: Path) -> Recorded:
    """The caller's side of the one recording in there."""
    (file,) = folder.glob("*.wav")
    with wave.open(str(file)) as recording:
        stereo = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
        rate_hz = recording.getframerate()
        return Recorded(at_16k(stereo[:, 0].astype(np.int16), rate_hz), rate_hz)


def at_16k(samples: Samples, rate_hz: int) -> Samples:
    return resample(samples, rate_hz, 16_000)


def spoken(from_ms: int = 0, ms: int = SAID_MS) -> Samples:
    """A stretch of the sentence as it is in its file, at 16 kHz."""
    return at_16k(decoder(L16_8K)(read_wav(SENTENCE, L16_8K)), 8000)[16 * from_ms :][: 16 * ms]


def alike(said: Samples, heard: Samples) -> tuple[float, float]:
    """Where the whole of `said` is best found in `heard`: the correlation there, and how many dB louder it is."""
    assert len(heard) >= len(said)
    length = len(said) + len(heard)
    products = np.fft.irfft(np.conj(np.fft.rfft(said, length)) * np.fft.rfft(heard, length))
    lag = int(products[: len(heard) - len(said) + 1].argmax())
    found = heard[lag : lag + len(said)]
    return float(np.corrcoef(said, found)[0, 1]), dbfs(found) - dbfs(said)


async def carry(way: Way, folder: Path) -> Carried:
    exchange = telnyx_exchange(CallOptions(**way.call))
    assert isinstance(exchange, TelnyxExchange)
    said = read_wav(SENTENCE, exchange.line)[: exchange.line.bytes_in(SAID_MS)]
    linger_s = 1.5 if exchange.mode == "mp3" else 0.5  # a file a second is all that Telnyx takes
    async with Server(settings(folder, **way.telnyx)).running() as server:
        url = f"ws://127.0.0.1:{server.port}/telnyx/media"
        report = await place_call(url, CallPlan(said, linger_s=linger_s), carrier=exchange)
    return Carried(report, recorded(folder))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Carried | BaseException]:
    async def carry_all() -> list[Carried | BaseException]:
        ways = list(WAYS.values())

        async def one(number: int, this: Round) -> Carried:
            async with this.lines:
                return await carry(ways[number], tmp_path_factory.mktemp("recording"))

        return await carried_in_time(len(ways), one, lambda carried: carried.report.latest_ms, AT_ONCE)

    return dict(zip(WAYS, asyncio.run(carry_all()), strict=True))


@pytest.fixture
def carried(way: str, calls: dict[str, Carried | BaseException]) -> Carried:
    outcome = calls[way]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


each_way = pytest.mark.parametrize("way", WAYS)


@each_way
def test_the_callers_audio_is_recorded(way: str, carried: Carried) -> None:
    likeness, louder_db = alike(spoken(), carried.recorded.caller)
    assert likeness >= WAYS[way].said
    assert abs(louder_db) <= 0.5
    assert carried.recorded.rate_hz == carried.report.line.rate_hz
    assert carried.recorded.ms == len(carried.report.sent_at) * 20


@each_way
def test_the_echo_is_heard(way: str, carried: Carried) -> None:
    likeness, louder_db = alike(spoken(), carried.heard)
    assert likeness >= WAYS[way].heard
    assert abs(louder_db) <= 0.5


@each_way
def test_nothing_was_refused_and_all_marks_came_back(carried: Carried) -> None:
    report = carried.report
    assert report.warnings == ()
    assert (report.ending, report.close_code) == (Ending.QUIET, 1000)
    assert report.marks
    assert not any(mark.cleared for mark in report.marks)


def test_the_wrong_byte_order_would_be_noticed() -> None:
    likeness, louder_db = alike(spoken(), spoken().byteswap())
    assert likeness < 0.5
    assert louder_db > 3


@pytest.mark.parametrize("way", ["PCMU in, MP3 out"])
def test_mp3_files_go_out_no_more_than_one_a_second(way: str, carried: Carried) -> None:
    came_at = [at for at, _ in carried.report.received]
    assert len(came_at) >= 2
    assert all(later - earlier > 1 for earlier, later in pairwise(came_at))


# AMR-WB comes in only: the simulated phone cannot send it


def amr_wb(frame: bytes) -> bytes:
    """As an RTP payload, octet-aligned: no mode is asked for, and one frame follows."""
    return b"\xf0" + frame


async def test_amr_wb_is_heard_and_answered_in_another_codec(tmp_path: Path) -> None:
    phone = SimulatedTelnyxStream(call_control_id="C1", stream_id="S1", says=Coding("G722"))
    opening = [message.replace('"G722"', '"AMR-WB"') for message in phone.opening()]
    answer = b""
    async with Server(settings(tmp_path)).running() as server:
        async with connect(f"ws://127.0.0.1:{server.port}/telnyx/media") as socket:
            for message in opening:
                await socket.send(message)
            for chunk, frame in enumerate(AMR_WB_FRAMES, start=1):
                media = {"chunk": str(chunk), "payload": b64encode(amr_wb(frame)).decode()}
                await socket.send(json.dumps({"event": "media", "stream_id": "S1", "media": media}))
            while len(answer) < PCMU_8K.bytes_in(480):  # the rest waits for a whole frame
                match json.loads(await socket.recv()):
                    case {"event": "media", "media": {"payload": str(payload)}}:
                        answer += b64decode(payload)
            await socket.send(phone.closing())
            await server.admission.idle()
            await server.files.written()
    heard = recorded(tmp_path)
    assert heard.ms == 20 * len(AMR_WB_FRAMES)
    for audio in (heard.caller, at_16k(decoder(PCMU_8K)(answer), 8000)):
        likeness, louder_db = alike(spoken(500, 460), audio)
        assert likeness >= PACKETS
        assert abs(louder_db) <= 1


# From the command line


@pytest.mark.parametrize("under_call_control", [False, True])
async def test_from_the_command_line(under_call_control: bool, tmp_path: Path) -> None:
    api_port = free_port()
    api = {"api_key": "KEY_simulated", "api_url": f"http://127.0.0.1:{api_port}/v2"}
    said = tmp_path / "said.wav"
    write_wav(said, read_wav(SENTENCE)[4000:8000])
    async with Server(settings(tmp_path, codec="G722", **api)).running() as server:
        url = f"ws://127.0.0.1:{server.port}/telnyx/media"
        options = ["--carrier", "telnyx", "--codec", "G722", "--audio", str(said), "--out", str(tmp_path)]
        if under_call_control:
            url = f"http://127.0.0.1:{server.port}/telnyx/webhook"
            options += ["--api-port", str(api_port)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "call", url, *options, "--json"),
            stdout=asyncio.subprocess.PIPE,
            cwd=tmp_path,
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    told = json.loads(out)
    assert (told["line"], told["plays"], told["warnings"]) == ("g722/8000", "g722/8000", [])
    assert told["ending"] == Ending.QUIET
    heard = read_wav(tmp_path / "caller-heard.wav", L16_8K)
    assert len(heard) == pytest.approx(told["length_ms"] * 16, abs=16)
