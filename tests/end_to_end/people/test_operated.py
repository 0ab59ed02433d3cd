"""An operator steers a call over HTTP, at each carrier: how soon each verb has its effect, and in a room who hears whom.

All calls are carried before the first test looks at one. Times are ms from the begin of the call.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import numpy as np
import pytest
from yarl import URL

from bridge.config.audio_file import write_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import L16_8K, Samples
from tests.end_to_end.people.line import ANN, HOLD, HOLD_FILE
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side
from tests.end_to_end.people.test_listening import CARRIERS, MOST_PAUSES, OTHERS, RATE_HZ, SLICE, WHOLE
from tests.processes import free_port

EFFECT_MS = 300
LOAD_MS = 200
"""Head-room for the machine that runs the tests."""
LOUD = 500
TOKEN = "r4Zk0-Wm2Qv8_Tn6Ly1Xc5Bd9"

JOIN_BY_DIAL = ("twilio", "texml")
"""Those who join a person who is not briefed without a conference."""

CALLER = {"says": [{"at_s": 0.5, "words": "hello"}], "hangs_up_after_s": 20.0}
PERSON = {"to": ANN, "answers_after_s": 0.3, "verdict_after_s": 0.1, "says": "ann"}


MIXED = ("twilio", "telnyx")
"""Where a call is carried besides in which the bridge mixes the caller with the person."""
BEFORE, MEANWHILE, AFTER = "the parcel is here", "nobody should know this", "shall i send it on"
ANNS = {
    **PERSON,
    "says": [
        {"at_s": at_s, "words": words} for at_s, words in ((0.7, BEFORE), (3.2, MEANWHILE), (6.2, AFTER))
    ],
}
THINKS, AGREES, ASKS = "what takes him so long", "yes please do that", "are you there again"
CALLER_IN_ROOM = {
    "says": [
        {"at_s": 2.9, "since": "heard", "words": THINKS},
        {"at_s": 7.8, "since": "heard", "words": AGREES},
        {"at_s": 11.2, "since": "heard", "words": ASKS},
    ],
    "hangs_up_after_s": 30.0,
}
STEPS = ((2.2, "hold"), (5.6, "unhold"), (10.2, "give-back"))
"""When the operator asks for what there, in seconds from the person's answer."""


@dataclass(frozen=True)
class Operated:
    """One call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    asked: dict[str, float]
    """When the operator asked for what."""
    left: int
    refused: dict[str, Any]
    """The problem that the request for a supervisor was answered with, where it was made."""

    @property
    def heard(self) -> Samples:
        """What the caller heard."""
        return next(one for one in self.report.parties if one.name == "caller").heard

    def effect_ms(self, step: str) -> float:
        """From the operator's request until the carrier was asked, or did, the first thing after it."""
        asked = self.asked[step]
        done = [one for one in self.log if one["at_ms"] >= asked and one["kind"] in ("request", "stream")]
        assert done, f"nothing came of {step}"
        return float(done[0]["at_ms"]) - asked

    def sound_ms(self, step: str) -> float:
        """From the operator's request until the caller heard a sound."""
        asked = self.asked[step]
        heard = np.abs(self.heard[int(asked * RATE_HZ / 1000) :].astype(np.int32)) > LOUD
        assert heard.any(), f"silence behind {step}"
        return float(np.argmax(heard)) * 1000 / RATE_HZ

    def likeness(self, party: str, words: str, from_step: str = "", until_step: str = "") -> float:
        """How like these words the best place is that this party heard, between two steps of the operator."""
        return find_sound(self.between(party, from_step, until_step), spoken(words, RATE_HZ)).likeness

    def has_heard(self, party: str, words: str, from_step: str = "", until_step: str = "") -> bool:
        """Whether this party heard them, but for pauses that the machine which runs the tests has made."""
        said, near = spoken(words, RATE_HZ), self.between(party, from_step, until_step)
        slices = [said[at : at + SLICE] for at in range(0, len(said) - SLICE, SLICE)]
        whole = [one for one in slices if find_sound(near, one).likeness >= WHOLE]
        return len(whole) >= (1 - MOST_PAUSES) * len(slices)

    def between(self, party: str, from_step: str, until_step: str) -> Samples:
        """What this party heard between two steps."""
        sound = next(one for one in self.report.parties if one.name == party).heard
        begin = int(self.asked[from_step] * RATE_HZ / 1000) if from_step else 0
        end = int(self.asked[until_step] * RATE_HZ / 1000) if until_step else len(sound)
        return sound[begin:end]

    def is_quiet(self, from_ms: float, until_ms: float) -> bool:
        heard = self.heard[int(from_ms * RATE_HZ / 1000) : int(until_ms * RATE_HZ / 1000)]
        return bool(len(heard)) and not (np.abs(heard.astype(np.int32)) > LOUD).any()


class Operator:
    """Asks the server over HTTP. `until`: waits until a call is in a state."""

    def __init__(self, http: aiohttp.ClientSession, port: int, log: ApiLog) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}"
        self._log = log
        self._headers = {"Authorization": f"Bearer {TOKEN}"}
        self.call_id = ""
        self.asked: dict[str, float] = {}
        self.refused: dict[str, Any] = {}

    async def until(self, state: str) -> None:
        while True:
            async with self._http.get(f"{self._url}/calls", headers=self._headers) as answer:
                found = [one for one in (await answer.json())["calls"] if one["state"] == state]
            if found:
                self.call_id = found[0]["id"]
                return
            await asyncio.sleep(0.02)

    async def do(self, step: str, verb: str, body: dict[str, Any] | None = None) -> None:
        url = URL(f"{self._url}/calls/{quote(self.call_id, safe='')}{verb}", encoded=True)
        self.asked[step] = (time.monotonic() - self._log.started) * 1000
        method = "POST" if verb else "DELETE"
        async with self._http.request(method, url, json=body or {}, headers=self._headers) as answer:
            assert answer.status == 202, (step, await answer.text())

    async def ask_for_supervisor(self) -> None:
        url = URL(f"{self._url}/calls/{quote(self.call_id, safe='')}/supervise", encoded=True)
        body = {"supervisor": "boss", "role": "listen"}
        async with self._http.post(url, json=body, headers=self._headers) as answer:
            self.refused = await answer.json()

    async def steer(self, *, asks_for_supervisor: bool) -> None:
        """All verbs, one after the other."""
        await self.until("talking")
        await asyncio.sleep(3.5)  # the parrot has said all
        await self.do("hold", "/hold")
        await asyncio.sleep(1.0)
        await self.do("unhold", "/unhold")
        await asyncio.sleep(1.0)
        await self.do("press", "/press", {"keys": "12"})
        await asyncio.sleep(1.5)
        for name in ("transfer", "take"):
            await self.do(name, f"/{name}", {"person": "ann"})
            await self.until("with person")
            await asyncio.sleep(0.7)
            await self.do(f"give-back after {name}", "/give-back")
            await self.until("talking")
            await asyncio.sleep(0.7)
        await self.do("take, to be hung up", "/take", {"person": "ann"})
        await self.until("with person")
        await asyncio.sleep(0.5)
        if asks_for_supervisor:
            await self.ask_for_supervisor()
        await self.do("end", "")

    async def steer_in_room(self) -> None:
        """What is different in a room."""
        await self.until("talking")
        await self.do("take", "/take", {"person": "ann"})
        await self.until("in room")
        (answered,) = [
            one for one in self._log.lines if one.get("party") == "ann" and one.get("event") == "answered"
        ]
        began = self._log.started + answered["at_ms"] / 1000
        for at_s, verb in STEPS:
            await asyncio.sleep(began + at_s - time.monotonic())
            await self.do(verb, f"/{verb}")
        await asyncio.sleep(5.0)
        await self.do("end", "")


async def carry(name: str, folder: Path, line: Line) -> Operated:
    name, _, mixed = name.partition(", ")
    is_mixed = bool(mixed)
    carrier = CARRIERS[name]
    write_wav(folder / HOLD_FILE, spoken(HOLD, RATE_HZ).tobytes(), L16_8K)
    port = free_port()
    given = Settings.model_validate(
        {
            "port": 0,
            "assistant": "parrot",
            "people": {"ann": {"to": ANN, "stays": "mixes" if is_mixed else "leaves"}},
            "supervisors": {"boss": {"to": "+15550130"}},
            "limits": {"max_lag_ms": 0},
            "control": {
                "tokens": [{"name": "ops", "token": TOKEN}],
                "requests_per_s": 1000,
                "hold": {"play": str(folder / HOLD_FILE)},
            },
            **carrier.keys(port),
        }
    )
    acts = (
        {"caller": CALLER_IN_ROOM, "people": {"ann": ANNS}}
        if is_mixed
        else {"caller": CALLER, "people": {"ann": PERSON}}
    )
    people = People.model_validate(acts)
    async with (
        Server(given).running() as server,
        aiohttp.ClientSession() as http,
        line.taken(),
        asyncio.TaskGroup() as group,
    ):
        log = ApiLog()
        operator = Operator(http, server.port, log)
        supervised = name in JOIN_BY_DIAL
        group.create_task(
            operator.steer_in_room() if is_mixed else operator.steer(asks_for_supervisor=supervised)
        )
        url = f"{server.admission.public_url}{carrier.path}"
        report = await carrier.place(
            PeopleCall(url, lambda _: CallPlan(), people, log=log, port=port, **carrier.asks)
        )
        await server.admission.idle()
        left = server.admission.calls
    return Operated(report, log.lines, operator.asked, left, operator.refused)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Operated | BaseException]:
    """All calls."""
    names = [*CARRIERS, *(f"{name}, mixed" for name in MIXED)]
    return side_by_side(carry, names, tmp_path_factory.mktemp("calls"))


@pytest.fixture(params=CARRIERS)
def call(request: pytest.FixtureRequest, calls: dict[str, Operated | BaseException]) -> Operated:
    """One call."""
    return finished(calls, str(request.param))


@pytest.fixture(params=MIXED)
def mixed(request: pytest.FixtureRequest, calls: dict[str, Operated | BaseException]) -> Operated:
    """One call in which the bridge mixes."""
    return finished(calls, f"{request.param}, mixed")


def finished(calls: dict[str, Operated | BaseException], name: str) -> Operated:
    """The call of this name. Whatever happens in it, nobody is left on the line."""
    became = one_of(calls, name)
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


def test_verbs_that_are_heard(call: Operated) -> None:
    assert call.is_quiet(call.asked["hold"] - 300, call.asked["hold"])
    assert call.sound_ms("hold") <= EFFECT_MS + LOAD_MS
    assert call.is_quiet(call.asked["unhold"] + EFFECT_MS + LOAD_MS, call.asked["press"])


@pytest.mark.parametrize(
    "step", ["transfer", "take", "give-back after transfer", "give-back after take", "end"]
)
def test_verbs_that_are_the_carriers(step: str, call: Operated) -> None:
    assert call.effect_ms(step) <= EFFECT_MS + LOAD_MS


def test_a_caller_whose_call_is_ended_is_hung_up_on_with_the_person(call: Operated) -> None:
    of_caller = [one for one in call.log if one.get("party") == "caller"]
    assert not [one for one in of_caller if one.get("event") == "hangs up"]
    (left,) = [one for one in of_caller if one.get("event") == "left"]
    assert left["at_ms"] - call.asked["end"] <= EFFECT_MS + LOAD_MS


def test_a_caller_who_was_given_back_has_one_stream_each_time(call: Operated) -> None:
    """None is opened that the next request to the carrier would break off."""
    opened = [one for one in call.log if one["kind"] == "stream" and one["event"] == "opened"]
    assert len([one for one in opened if one["party"] == "caller"]) == 3


@pytest.mark.parametrize("name", JOIN_BY_DIAL)
def test_two_who_are_in_no_conference_cannot_be_supervised_and_the_answer_says_what_to_do(
    calls: dict[str, Operated | BaseException], name: str
) -> None:
    call = one_of(calls, name)
    assert (call.refused["status"], call.refused["state"]) == (409, "with person")
    assert "without a conference" in call.refused["detail"]
    assert 'how = "warm", or with stays = "mixes"' in call.refused["detail"]


def test_a_hold_in_a_room_is_music_for_the_caller_and_silence_for_the_others(mixed: Operated) -> None:
    assert mixed.has_heard("caller", BEFORE, "", "hold")
    assert mixed.has_heard("caller", HOLD, "hold", "unhold")
    assert mixed.likeness("caller", MEANWHILE) < OTHERS
    assert mixed.likeness("ann", THINKS) < OTHERS
    assert mixed.has_heard("caller", AFTER, "unhold", "give-back")
    assert mixed.likeness("caller", HOLD, "unhold") < OTHERS
    assert mixed.has_heard("ann", AGREES, "unhold")


def test_give_back_from_a_room_hangs_up_on_the_person_and_the_assistant_answers(mixed: Operated) -> None:
    (left,) = [one for one in mixed.log if one.get("party") == "ann" and one.get("event") == "left"]
    assert 0 <= left["at_ms"] - mixed.asked["give-back"] <= EFFECT_MS + LOAD_MS
    assert mixed.likeness("ann", ASKS) < OTHERS
    assert mixed.has_heard("caller", ASKS, "give-back"), "the parrot repeats it"
