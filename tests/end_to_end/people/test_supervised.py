"""A person, a caller and a supervisor with three voices, mixed by the bridge: who hears the supervisor in which role, by sound.

The supervisor is asked for over HTTP while the caller talks with the assistant alone, and is there when the person comes.
All calls are carried before the first test looks at one. Times are seconds from the begin of the call.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray
from yarl import URL

from bridge.config.audio_file import read_wav, write_wav
from bridge.observers.call_history import JournalEntry, build_history, read_journal
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import FAINT
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import decoder
from telecodecs.format import L16_8K, PCMU_8K, Samples
from tests.end_to_end.people.line import ANN, GREETING, HOLD, HOLD_FILE, TRANSFER, settings
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side
from tests.end_to_end.people.telnyx_handed import Session, read_sessions
from tests.end_to_end.people.test_listening import ASKS, BACK, CARRIERS
from tests.processes import free_port

FIXTURES = Path(__file__).parents[3] / "fixtures"
RATE_HZ = 8_000
YES, NO = 0.9, 0.02
NEAR_S = (0.2, 0.5)
"""Where nobody should hear it, it is looked for from so much before it was said until so much after."""
WIDE_S = (0.5, 1.5)
"""Where somebody should: telephones are late where the machine that runs the tests has other things to do."""
SLICE = 960
"""Samples, 120 ms."""
SILENT = 16
"""Samples up to this are silence in mu-law."""
TIMEOUT_S = 50.0
TRIED = ("twilio", "telnyx", "texml")
TOKEN = "0123456789abcdefghijklmnopqrstuv"
DESK = "+15550130"

VOICES = {
    "caller": "sentence-en-us-male.wav",
    "ann": "sentence-en-gb-female.wav",
    "desk": "sentence-es-male.wav",
}
SAID: dict[str, tuple[str, float, float, float]] = {
    "alone": ("desk", 1.0, 0.0, 0.9),
    "listens": ("desk", 8.0, 0.9, 0.9),
    "to the person": ("desk", 11.5, 0.3, 1.0),
    "to the assistant": ("desk", 14.9, 0.6, 1.0),
    "barges": ("desk", 16.9, 1.0, 1.0),
    "question": ("caller", 10.4, 0.3, 0.8),
    "more": ("caller", 19.4, 1.0, 0.8),
    "answer": ("ann", 6.6, 0.3, 0.8),
    "after": ("ann", 14.1, 0.9, 0.8),
}
"""Who says it, when, in seconds from the answer (the caller: from the begin), and which piece of the voice: from, how long.

The supervisor answers at 0.7 s, the person at 7.4 s; no two talk at the same time.
"""
STEPS = [
    (11.2, {"role": "whisper", "to": "person"}),
    (14.6, {"role": "whisper", "to": "assistant"}),
    (16.5, {"role": "barge"}),
    (20.1, {"role": "leave"}),
]
"""When what is asked for, in seconds from the supervisor's answer."""
SCRIPT = {
    "first_audio_s": 0.1,
    "greeting": GREETING,
    "replies": [
        {"on_output": "transfer", "say": BACK},
        {"with_tool": "transfer", **TRANSFER},
        *[{"with_tool": "transfer", "say": "i listen"}] * 9,
    ],
}


@dataclass(frozen=True)
class Supervised:
    """One call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    sessions: list[Session]
    journals: list[list[JournalEntry]]
    statuses: list[int]
    recordings: int
    left: int

    @property
    def journal(self) -> list[JournalEntry]:
        """That of the caller's leg."""
        (found,) = [each for each in self.journals if any(one.what == "SuperviseRequested" for one in each)]
        return found

    def at_s(self, **fields: Any) -> float:
        found = [one for one in self.log if fields.items() <= one.items()]
        assert found, f"never: {fields}"
        return float(found[0]["at_ms"]) / 1000

    def likeness(self, listener: str, said: str) -> float:
        """How like what was said the sound is that this party, or the assistant, heard at the time; of silence 0."""
        who, at_s, _, _ = SAID[said]
        began_s = at_s if who == "caller" else at_s + self.at_s(kind="party", party=who, event="answered")
        if listener == "assistant":
            heard = self.sessions[0].heard
        else:
            heard = next(one for one in self.report.parties if one.name == listener).heard
        return like(heard, piece(said), began_s, WIDE_S if listener in HEARD_BY[said] else NEAR_S)


def piece(said: str) -> Samples:
    """The sound of it."""
    who, _, from_s, length_s = SAID[said]
    return cut(who, from_s, length_s)


def cut(who: str, from_s: float, length_s: float) -> Samples:
    """A piece of this one's voice."""
    samples = decoder(PCMU_8K)(read_wav(FIXTURES / VOICES[who]))
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 500)
    begin = int(loud[0]) + round(from_s * RATE_HZ)
    return samples[begin : begin + round(length_s * RATE_HZ)]


def like(heard: Samples, said: Samples, began_s: float, around_s: tuple[float, float]) -> float:
    """The best correlations of its slices, each looked for near its own time: where it should be heard the median, because a
    telephone that is late cuts some; else the mean.
    """
    before_s, after_s = around_s
    found, weights = [], []
    for at in range(0, len(said) - SLICE + 1, SLICE):
        wanted = said[at : at + SLICE].astype(np.float64)
        begin = max(0, round((began_s - before_s) * RATE_HZ) + at)
        end = round((began_s + after_s) * RATE_HZ) + at + SLICE
        found.append(_best(heard[begin:end].astype(np.float64), wanted))
        weights.append(float(wanted @ wanted))
    if around_s is NEAR_S:
        return float(np.average(found, weights=weights))
    loud = np.array(weights) >= FAINT * max(weights)
    return float(np.median(np.array(found)[loud]))


def _best(there: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    if len(there) < len(wanted) or np.abs(there).max() <= SILENT:
        return 0.0
    until = np.concatenate([[0.0], np.cumsum(there**2)])
    power = until[len(wanted) :] - until[: -len(wanted)]
    own = float(wanted @ wanted)
    scale = np.sqrt(np.maximum(power, FAINT * own) * own)
    return float(np.max(np.abs(np.correlate(there, wanted, "valid")) / scale))


def acts(who: str, folder: Path) -> list[dict[str, Any]]:
    """What this one says, from files in this folder."""
    says = []
    for said, (speaker, at_s, _, _) in SAID.items():
        if speaker == who:
            file = folder / f"{said}.wav"
            write_wav(file, piece(said).tobytes(), L16_8K)
            says.append({"at_s": at_s, "wav": str(file)})
    return says


async def _when(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110 - the log tells nobody
        await asyncio.sleep(0.01)


def _lines(log: ApiLog, **fields: Any) -> list[dict[str, Any]]:
    return [line for line in log.lines if fields.items() <= line.items()]


async def supervise(server: Server, log: ApiLog) -> list[int]:
    """The desk is asked for while the caller talks with the assistant, and then has one role after the other."""
    await _when(lambda: bool(_lines(log, kind="stream", party="caller", event="opened")))
    await asyncio.sleep(0.3)
    (answered,) = _lines(log, kind="party", party="caller", event="answered")
    statuses = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:

        async def ask(body: dict[str, str]) -> None:
            call = quote(answered["call"], safe="")
            url = URL(f"http://127.0.0.1:{server.port}/calls/{call}/supervise", encoded=True)
            async with http.post(url, json={"supervisor": "desk", **body}) as answer:
                assert answer.status == 202, await answer.text()
                statuses.append(answer.status)

        await ask({"role": "listen"})
        await _when(lambda: bool(_lines(log, kind="party", party="desk", event="answered")))
        began = asyncio.get_running_loop().time()
        for at_s, body in STEPS:
            await asyncio.sleep(began + at_s - asyncio.get_running_loop().time())
            await ask(body)
    return statuses


async def carry(which: str, folder: Path) -> Supervised:
    """From the webhook to the end of everything."""
    folder.mkdir()
    write_wav(folder / HOLD_FILE, spoken(HOLD, RATE_HZ).tobytes(), L16_8K)
    voices = folder / "voices"
    voices.mkdir()
    caller = {
        "says": [{"at_s": 4.0, "words": ASKS}, *acts("caller", voices)],
        "hangs_up_after_s": 23.5,
    }
    people = {
        "ann": {"to": ANN, "answers_after_s": 0.5, "verdict_after_s": 0.2, "says": acts("ann", voices)},
        "desk": {"to": DESK, "answers_after_s": 0.3, "says": acts("desk", voices)},
    }
    carrier, port, log = CARRIERS[which], free_port(), SessionLog(folder / "openai.jsonl")
    openai = SimulatedOpenAI(OpenAIScript.model_validate(SCRIPT), log=log)
    async with asyncio.timeout(TIMEOUT_S), openai.running():
        more = {
            **carrier.keys(port),
            "supervisors": {"desk": {"to": DESK}},
            "control": {"tokens": [{"name": "ops", "token": TOKEN}]},
        }
        given = settings({"ann": {"stays": "mixes"}}, more, openai.url, folder)
        async with Server(given).running() as server:
            api = ApiLog()
            asked = PeopleCall(
                f"{server.admission.public_url}{carrier.path}",
                lambda _: CallPlan(),
                People.model_validate({"caller": caller, "people": people}),
                log=api,
                port=port,
                **carrier.asks,
            )
            supervising = asyncio.create_task(supervise(server, api))
            report = await carrier.place(asked)
            statuses = await supervising
            await server.admission.idle()
            await server.files.written()
            left = server.admission.calls
    log.close()
    journals = [read_journal(path) for path in folder.glob("*.jsonl") if path.name != "openai.jsonl"]
    recordings = len([path for path in folder.glob("*.wav") if path.name != HOLD_FILE])
    return Supervised(report, api.lines, read_sessions(folder, api), journals, statuses, recordings, left)


async def carry_on_line(which: str, folder: Path, line: Line) -> Supervised:
    async with line.taken():
        return await carry(which, folder / which)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Supervised | BaseException]:
    """All calls, side by side."""
    return side_by_side(carry_on_line, TRIED, tmp_path_factory.mktemp("calls"))


@pytest.fixture(params=TRIED)
def call(request: pytest.FixtureRequest, calls: dict[str, Supervised | BaseException]) -> Supervised:
    """One call. Whatever happens in it, nobody is left on the line."""
    became = one_of(calls, request.param)
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


HEARD_BY = {
    "alone": [],
    "listens": [],
    "to the person": ["ann"],
    "to the assistant": ["assistant"],
    "barges": ["caller", "ann", "assistant"],
    "question": ["ann", "desk", "assistant"],
    "more": ["ann", "desk", "assistant"],
    "answer": ["caller", "desk", "assistant"],
    "after": ["caller", "assistant"],
}
"""By whom each saying is heard; by nobody else who is there."""


@pytest.mark.parametrize("said", SAID)
def test_who_hears_it(call: Supervised, said: str) -> None:
    speaker = SAID[said][0]
    there = {"caller", "assistant", "desk", *([] if said == "alone" else ["ann"])} - {speaker}
    found = {listener: round(call.likeness(listener, said), 3) for listener in there}
    assert {listener for listener, like in found.items() if like >= YES} == set(HEARD_BY[said]), found
    assert {listener for listener, like in found.items() if like <= NO} == there - set(HEARD_BY[said]), found


def test_each_request_is_done_and_in_the_journal(call: Supervised) -> None:
    assert call.statuses == [202] * 5
    words = call.journal
    roles = [
        (one.fields["role"], one.fields.get("to"))
        for one in words
        if one.what == "SetRole" and one.fields["member"] == "supervisor"
    ]
    assert roles == [
        ("listens", None),
        ("listens", None),  # in the room with the person
        ("whispers", "person"),
        ("whispers", "assistant"),
        ("talks", None),
    ]
    assert [one.fields["why"] for one in words if one.what == "EndSupervision"] == [
        "the supervisor was asked to leave"
    ]


def test_each_party_has_a_recording(call: Supervised) -> None:
    assert call.recordings == 3


def test_the_picture_has_a_lane_for_each_party(call: Supervised) -> None:
    roles = build_history(call.journal).roles
    assert list(dict.fromkeys(one.name for one in roles)) == ["caller", "ann", "assistant", "desk"]
    waits = ("called", "waits")
    assert [(one.role, one.heard_by) for one in roles if one.name == "desk" and one.role not in waits] == [
        ("listens", ()),
        ("listens", ()),
        ("whispers", ("ann",)),
        ("whispers", ("assistant",)),
        ("barges in", ("caller", "ann", "assistant")),
    ]
    assert [one.heard_by for one in roles if one.name == "ann" and one.role == "talks"] == [
        ("caller", "assistant", "desk"),
        ("caller", "assistant"),
    ]
