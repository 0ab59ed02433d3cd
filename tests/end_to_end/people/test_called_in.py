"""A supervisor calls a number that a route names, types a PIN, listens, barges in and hangs up, at each carrier, by sound.

All calls are carried before the first test looks at one. Times are seconds from the begin of the call.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import uvloop
from yarl import URL

from bridge.config.audio_file import write_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.observers.journal_redaction import MASK
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import L16_8K
from tests.end_to_end.people.telnyx_handed import Session, read_sessions
from tests.end_to_end.people.test_listening import CARRIERS
from tests.end_to_end.people.test_supervised import DESK, NEAR_S, NO, TOKEN, WIDE_S, YES, cut, like
from tests.processes import free_port

TRIED = ("twilio", "telnyx", "texml")
TIMEOUT_S = 40.0
NUMBER, PIN = "+15550199", "4071"
SCRIPT = {"first_audio_s": 0.1, "replies": [{"say": "a"}] * 9}
"""The assistant answers with a letter: what the others say is looked for beside it."""

SAID: dict[str, tuple[str, float, float, float]] = {
    "before the PIN": ("caller", 0.5, 0.0, 0.6),
    "listens": ("desk", 2.2, 0.9, 0.7),
    "question": ("caller", 4.8, 0.6, 0.7),
    "barges": ("desk", 5.2, 0.0, 0.7),
    "after": ("caller", 9.0, 1.2, 0.7),
}
"""Who says it, when, in seconds from the answer (the caller: from the begin), and which piece of the voice: from, how long.

The desk calls at 0.4 s, is answered at once, types from 0.8 s on, and hangs up 6.6 s after the answer.
"""
HEARD_BY = {
    "before the PIN": ["assistant"],
    "listens": [],
    "question": ["assistant", "desk"],
    "barges": ["assistant", "caller"],
    "after": ["assistant"],
}
BARGES_AT_S = 4.9
"""In seconds from the answer of the desk."""


@dataclass(frozen=True)
class CalledIn:
    """One call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    session: Session
    journals: list[list[JournalEntry]]
    left: int

    def likeness(self, listener: str, said: str) -> float:
        """How like what was said the sound is that this party, or the assistant, heard at the time; of silence 0."""
        who, at_s, from_s, length_s = SAID[said]
        answered = [one for one in self.log if one.get("party") == who and one.get("event") == "answered"]
        began_s = at_s if who == "caller" else at_s + float(answered[0]["at_ms"]) / 1000
        parties = {one.name: one.heard for one in self.report.parties}
        heard = self.session.heard if listener == "assistant" else parties[listener]
        return like(
            heard, cut(who, from_s, length_s), began_s, WIDE_S if listener in HEARD_BY[said] else NEAR_S
        )


def acts(who: str, folder: Path) -> list[dict[str, Any]]:
    """What this one says, from files in this folder."""
    says = []
    for said, (speaker, at_s, from_s, length_s) in SAID.items():
        if speaker == who:
            file = folder / f"{said}.wav"
            write_wav(file, cut(who, from_s, length_s).tobytes(), L16_8K)
            says.append({"at_s": at_s, "wav": str(file)})
    return says


async def _party(log: ApiLog, party: str) -> dict[str, Any]:
    """The line of the log that says that this party was answered."""
    wanted = {"kind": "party", "party": party, "event": "answered"}
    while True:
        if found := [line for line in log.lines if wanted.items() <= line.items()]:
            return found[0]
        await asyncio.sleep(0.01)  # the log tells nobody


async def barge(server: Server, log: ApiLog) -> None:
    """The desk is to barge in."""
    caller = await _party(log, "caller")
    await _party(log, "desk")
    await asyncio.sleep(BARGES_AT_S)
    url = URL(
        f"http://127.0.0.1:{server.port}/calls/{quote(caller['call'], safe='')}/supervise", encoded=True
    )
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        async with http.post(url, json={"supervisor": "desk", "role": "barge"}) as answer:
            assert answer.status == 202, await answer.text()


def settings(keys: dict[str, Any], base_url: str, folder: Path) -> Settings:
    receptionist = {
        "kind": "openai-realtime",
        "base_url": base_url,
        "api_key": "sk-test",
        "instructions": "You answer the phone.",
        "turn_detection": "none",
    }
    return Settings.model_validate(
        {
            "port": 0,
            "assistant": "receptionist",
            "assistants": {"receptionist": receptionist},
            "supervisors": {"desk": {"to": DESK, "pin": PIN}},
            "routes": [{"to": NUMBER, "supervisor": "desk"}],
            "control": {"tokens": [{"name": "ops", "token": TOKEN}]},
            "journal": {"directory": folder},
            "limits": {"max_lag_ms": 0, "silent_s": 30},
            **keys,
        }
    )


async def carry(which: str, folder: Path) -> CalledIn:
    """From the webhook to the end of everything."""
    voices = folder / "voices"
    voices.mkdir(parents=True)
    desk = {
        "to": DESK,
        "calls": NUMBER,
        "calls_after_s": 0.4,
        "presses": [{"at_s": 0.8, "keys": PIN}],
        "says": acts("desk", voices),
        "hangs_up_after_s": 6.6,
    }
    caller = {"says": acts("caller", voices), "hangs_up_after_s": 10.2}
    carrier, port, log = CARRIERS[which], free_port(), SessionLog(folder / "openai.jsonl")
    openai = SimulatedOpenAI(OpenAIScript.model_validate(SCRIPT), log=log)
    async with asyncio.timeout(TIMEOUT_S), openai.running():
        async with Server(settings(carrier.keys(port), openai.url, folder)).running() as server:
            api = ApiLog()
            asked = PeopleCall(
                f"{server.admission.public_url}{carrier.path}",
                lambda _: CallPlan(),
                People.model_validate({"caller": caller, "people": {"desk": desk}}),
                log=api,
                port=port,
                **carrier.asks,
            )
            barging = asyncio.create_task(barge(server, api))
            report = await carrier.place(asked)
            await barging
            await server.admission.idle()
            await server.files.written()
            left = server.admission.calls
    log.close()
    journals = [read_journal(path) for path in folder.glob("*.jsonl") if path.name != "openai.jsonl"]
    return CalledIn(report, api.lines, read_sessions(folder, api)[0], journals, left)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CalledIn | BaseException]:
    """All calls, side by side."""
    folder = tmp_path_factory.mktemp("calls")

    async def all_of_them() -> list[CalledIn | BaseException]:
        carried = (carry(which, folder / which) for which in TRIED)
        return await asyncio.gather(*carried, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return dict(zip(TRIED, runner.run(all_of_them()), strict=True))


@pytest.fixture(params=TRIED)
def call(request: pytest.FixtureRequest, calls: dict[str, CalledIn | BaseException]) -> CalledIn:
    """One call. Whatever happens in it, nobody is left on the line."""
    became = calls[request.param]
    if isinstance(became, BaseException):
        raise became
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


@pytest.mark.parametrize("said", SAID)
def test_who_hears_it(call: CalledIn, said: str) -> None:
    others = {"caller", "assistant", "desk"} - {SAID[said][0]}
    found = {listener: round(call.likeness(listener, said), 3) for listener in others}
    assert {one for one, likeness in found.items() if likeness >= YES} == set(HEARD_BY[said]), found
    assert {one for one, likeness in found.items() if likeness <= NO} == others - set(HEARD_BY[said]), found


def test_the_journals(call: CalledIn) -> None:
    (callers,) = [
        journal for journal in call.journals if any(one.what == "SupervisorCalledIn" for one in journal)
    ]
    (desks,) = [journal for journal in call.journals if any(one.what == "CheckPin" for one in journal)]
    assert callers is not desks
    roles = [
        one.fields["role"]
        for one in callers
        if one.what == "SetRole" and one.fields["member"] == "supervisor"
    ]
    assert roles == ["listens", "talks"]
    assert [one.fields["digit"] for one in desks if one.what == "DigitPressed"] == [MASK] * len(PIN)
